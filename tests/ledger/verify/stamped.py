"""Directories of timestamps, as an operator keeps and publishes them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.verify.timestamp_files import NOTE, stem_of, token_name
from ledger.verify.timestamps import as_signed
from tests import timestamp_authority as tsa

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
ONE, TWO = "http://one.example/tsa", "http://two.example/tsa"


def put(directory: Path, note: str, address: str = ONE, **lies: Any) -> Path:
    """Keep a note and a token over it; returns the token's path."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = stem_of(note)
    (directory / f"{stem}{NOTE}").write_text(as_signed(note))
    path = directory / token_name(stem, address)
    path.write_bytes(tsa.stamp(note, **{"at": NOON} | lies))
    return path
