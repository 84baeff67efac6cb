"""A log as static files, which any web server can publish and anyone can audit.

Paths and contents are those of c2sp.org/tlog-tiles.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ledger.operate.published_log import PublishedLog
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.tile import TILE_WIDTH, bundle_for, tiles_to_write

__all__ = ["publish"]


def publish(log: PublishedLog, directory: Path) -> int:
    """Write the log's newest checkpoint and what leads to it; return how many files were new.

    Raises:
        OSError: the directory cannot be written.
    """
    note = log.checkpoint()
    size = Checkpoint.parse(SignedNote.parse(note).text).size
    written = 1
    for tile in tiles_to_write(0, size):
        written += _write(directory / tile.path(), partial(log.tile, tile))
    for index in range(-(-size // TILE_WIDTH)):
        bundle = bundle_for(index, size)
        written += _write(directory / bundle.path(), partial(log.bundle, bundle))
    # Last, so that no checkpoint promises a tile that is not there yet.
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "checkpoint").write_text(note, encoding="utf-8")
    return written


def _write(target: Path, read: Callable[[], bytes]) -> int:
    """Write the file unless it is there: a tile's address fixes its content."""
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(read())
    return 1
