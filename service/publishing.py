"""A log as static files, which any web server can publish and anyone can audit.

Paths and contents are those of c2sp.org/tlog-tiles.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ledger.operate.published_log import PublishedLog
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile, bundle_for, tiles_to_write

__all__ = ["publish", "withdraw"]


def publish(log: PublishedLog, directory: Path, minimum: MinimumIndex | None = None) -> int:
    """Write the log's newest checkpoint and what leads to it; return how many files were new.

    What `minimum` withholds is not written, and said so in a file of its own; without it
    everything is.

    Raises:
        OSError: the directory cannot be written.
    """
    note = log.checkpoint()
    size = Checkpoint.parse(SignedNote.parse(note).text).size
    minimum = minimum or MinimumIndex(log.origin)
    written = 1
    for tile in tiles_to_write(0, size):
        if not minimum.withholds(tile):
            written += _write(directory / tile.path(), partial(log.tile, tile))
    for index in range(minimum.first // TILE_WIDTH, -(-size // TILE_WIDTH)):
        bundle = bundle_for(index, size)
        written += _write(directory / bundle.path(), partial(log.bundle, bundle))
    directory.mkdir(parents=True, exist_ok=True)
    if minimum.index:
        (directory / "minimum-index").write_bytes(minimum.format())
    # Last, so that no checkpoint promises a tile that is not there yet.
    (directory / "checkpoint").write_text(note, encoding="utf-8")
    return written


def withdraw(directory: Path, minimum: MinimumIndex) -> int:
    """Delete the files of earlier exports that `minimum` withholds; return how many there were.

    Raises:
        OSError: a file cannot be deleted.
    """
    removed = 0
    for resource in _withheld(minimum):
        full = directory / resource.path()
        partials = full.with_name(f"{full.name}.p")
        if partials.is_dir():
            removed += len(list(partials.iterdir()))
            shutil.rmtree(partials)
        if full.is_file():
            full.unlink()
            removed += 1
    return removed


def _withheld(minimum: MinimumIndex) -> Iterator[Tile | EntryBundle]:
    full = minimum.index // TILE_WIDTH
    yield from map(EntryBundle, range(full))
    level = 0
    while full:
        yield from (Tile(level, index) for index in range(full))
        level, full = level + 1, full >> TILE_HEIGHT


def _write(target: Path, read: Callable[[], bytes]) -> int:
    """Write the file unless it is there: a tile's address fixes its content."""
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(read())
    return 1
