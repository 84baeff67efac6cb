"""The demo's ledger: founded in a folder of its own, and served over HTTP in this process."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from werkzeug.serving import make_server

from examples.demo.clock import DemoClock
from ledger.operate.registry import Registry
from ledger.roles import Role
from service import create_app
from service.founding import found
from service.settings import Settings

ORIGIN = "ledger.example/demo"
MARKER = ".made-by-the-demo"

# Invented: a lender, and the offices that its letters name.
CONTACTS: dict[str, Any] = {
    "controller": {
        "name": "Example Savings Bank",
        "address": ["1 Example Street", "Boston, MA 02100", "United States"],
        "telephone": "+1 617 555 0100",
    },
    "review": {
        "name": "Mortgage review desk",
        "telephone": "+1 617 555 0101",
        "email": "review@bank.example",
    },
    "data_protection": {"name": "Data protection officer", "email": "privacy@bank.example"},
    "authority": {
        "name": "Example Data Protection Authority",
        "address": ["9 Example Square", "1000 Exampleton"],
    },
    "consumer_report": {
        "name": "Example Credit Bureau",
        "address": ["2 Example Street", "Boston, MA 02100"],
        "telephone": "+1 800 555 0102",
    },
    "agency": {
        "name": "Consumer Financial Protection Bureau",
        "address": ["1700 G Street NW", "Washington, DC 20552"],
    },
}


@dataclass(frozen=True, slots=True)
class Keys:
    """The demo's API keys, by what their holders do."""

    source: str
    case_handler: str
    auditor: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The ledger while it is served: where, for whom, and its registry for the model owner."""

    url: str
    keys: Keys
    registry: Registry

    def client(self, key: str) -> httpx.Client:
        """Return a client that signs in with `key`."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )


def clear(folder: Path) -> None:
    """Remove what an earlier run left in `folder`; anything else there is not touched.

    Raises:
        FileExistsError: the folder is not the demo's.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise FileExistsError(f"{folder} holds something else; move it away first")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / MARKER).write_text("make demo removes this folder and writes it again\n")


@contextmanager
def served(folder: Path, clock: DemoClock) -> Iterator[Deployment]:
    """Found a ledger in `folder` and serve it on a free port of this machine."""
    settings = Settings(data=folder, origin=ORIGIN)
    found(settings, clock)
    (folder / "contacts.json").write_text(json.dumps(CONTACTS, indent=1))
    app = create_app(settings, clock=clock)
    runtime = app.extensions["ledger"]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="demo server")
    thread.start()
    try:
        keys = Keys(
            source=runtime.api_keys.issue("loan desk", Role.SOURCE)[0],
            case_handler=runtime.api_keys.issue("case handler", Role.CASE_HANDLER)[0],
            auditor=runtime.api_keys.issue("auditor", Role.AUDITOR)[0],
        )
        yield Deployment(f"http://127.0.0.1:{server.server_port}", keys, runtime.registry)
    finally:
        server.shutdown()
        thread.join()
