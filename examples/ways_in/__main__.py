"""Makes the ledger that these programs log to, in ./ways-in, and serves it on PORT (8000)."""

import json
import os
import sys
from contextlib import redirect_stdout
from io import StringIO

from examples.ways_in.clinic import EVENTS, FOLDER, POLICY_MANIFEST
from service.cli import main as decision_ledger


def ledger(*arguments: str) -> str:
    """Give one command to the ledger, as at a terminal, and return what it printed."""
    print("$ decision-ledger", *arguments)
    with redirect_stdout(StringIO()) as said:
        decision_ledger.main(arguments, standalone_mode=False)
    return said.getvalue()


def main() -> None:
    """Make it, unless it is there, and serve it until it is stopped."""
    os.environ["LEDGER_DATA"] = f"{FOLDER}/ledger"
    if not FOLDER.exists():
        FOLDER.mkdir()
        ledger("init", "--origin", "ledger.example/clinic")
        (FOLDER / "policy.json").write_text(json.dumps(POLICY_MANIFEST))
        (FOLDER / "events.json").write_text(json.dumps(EVENTS, indent=1))
        ledger("policy", "register", f"{FOLDER}/policy.json")
        for name, role in (
            ("desk", "source"), ("owner", "model_owner"), ("auditor", "auditor"),
        ):  # fmt: skip
            key = FOLDER / f"{name}.key"
            key.touch(0o600)
            key.write_text(ledger("key", "issue", "--name", name, "--role", role).strip())
    os.environ["LEDGER_EVENTS"] = f"{FOLDER}/events.json"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "service.cli", "serve"])  # noqa: S606


if __name__ == "__main__":
    main()
