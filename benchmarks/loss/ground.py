"""A ledger of its own for a burst: a model, a policy, a key, and the real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.loss.burst import Ledger
from ledger.operate.registry import Registry
from ledger.roles import Role
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings
from tests.functional.real_server import RealServer


@contextmanager
def ground(
    folder: Path,
    register: Callable[[Registry], None],
    decisions: Sequence[dict[str, Any]],
    workers: int = 2,
) -> Iterator[Ledger]:
    """A ledger that serves, with what `register` puts into its registry."""
    data, key, listed = folder / "data", folder / "key", folder / "decisions.json"
    settings = Settings(data=data, origin="ledger.example/loss")
    found(settings)
    runtime = Runtime.open(settings)
    try:
        register(runtime.registry)
        key.write_text(runtime.api_keys.issue("loan desk", Role.SOURCE)[0])
    finally:
        runtime.close()
    listed.write_text(json.dumps(decisions))
    environment = {"LEDGER_DATA": str(data), "LEDGER_WORKERS": str(workers)}
    with RealServer(environment, folder / "server.log") as server:
        yield Ledger(data, key, listed, server)
