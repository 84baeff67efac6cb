"""Files to import, and the command that imports them, at an operator's terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.client.__main__ import main
from tests.ledger.client.simulator import KEY, POLICY, Ledger

Import = Callable[..., tuple[int, str]]
"""Import a file with these further arguments: the exit status, and what was printed."""

MAPPING = {
    "model": "mortgage-approval@1.0.0",
    "policy": "cut-off@1.0.0",
    "decided_at": "when",
    "outcome": "result",
    "margin": "score",
    "subject": "customer",
    "input": ["income", "late"],
    "context": {"channel": "via"},
    "constants": {"decision_role": "sole"},
}
ROW: dict[str, Any] = {
    "when": "2026-05-14T09:31:07Z",
    "result": "declined",
    "score": -0.4132074,
    "customer": "MTG-1",
    "income": 2500,
    "late": None,
    "via": "branch",
    "unused": [1],
}


def lines(path: Path, *rows: object) -> Path:
    path.write_bytes(
        b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in rows)
    )
    return path


def rows(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [ROW | {"customer": f"S-{n}", "income": n} | changes for n in range(count)]


def places(ledger: Ledger) -> list[int]:
    return [each["source"]["seq"] for each in ledger.decisions.values()]


def arguments(directory: Path, spool: Path, url: str) -> list[str]:
    """The command's arguments but for the files, which come first."""
    key, policy, mapped = (directory / name for name in ("key", "policy.txt", "mapping.json"))
    key.write_text(KEY)
    policy.write_text(POLICY.format())
    mapped.write_text(json.dumps(MAPPING))
    given = ("--url", url, "--key-file", key, "--policy", policy, "--source", "desk",
             "--mapping", mapped)  # fmt: skip
    return ["import", str(spool), *map(str, given)]


def importer(directory: Path, spool: Path, url: str, capsys: pytest.CaptureFixture[str]) -> Import:
    """The command, ready to be given files."""
    given = arguments(directory, spool, url)

    def run(*more: object) -> tuple[int, str]:
        status = main([*given[:2], *map(str, more), *given[2:]])
        return status, capsys.readouterr().out

    return run
