"""A log as static files, which any web server can publish and anyone can audit.

Paths and contents are those of c2sp.org/tlog-tiles; `timestamps/` beside them is ours.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ledger.operate.published_log import PublishedLog
from ledger.operate.timestamps import KeptTimestamps
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile, bundle_for, tiles_to_write
from ledger.verify.reader import MAX_NOTE_BYTES
from ledger.verify.timestamp_files import INDEX, TIMESTAMPS, TOKEN

__all__ = ["publish", "withdraw"]


def publish(
    log: PublishedLog,
    directory: Path,
    minimum: MinimumIndex | None = None,
    kept: KeptTimestamps | None = None,
) -> int:
    """Write the log's newest checkpoint, what leads to it, and the timestamps below it.

    Returns:
        How many files were new.

    What `minimum` withholds is not written, and said so in a file of its own; without it
    everything is.

    Raises:
        OSError: the directory cannot be written.
        LedgerError: the log or its timestamps cannot be read.
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
    if kept is not None:
        written += _publish_timestamps(kept, size, directory / TIMESTAMPS)
    return written


def _publish_timestamps(kept: KeptTimestamps, size: int, directory: Path) -> int:
    """Write those of checkpoints up to `size`: a reader may not take the rest for a cut log.

    After the checkpoint for the same reason, and tokens after what they are over.
    """
    stems = {each.stem for each in kept.files.notes() if each.size <= size}
    names = [name for name in kept.files.names() if name.partition(".")[0] in stems]
    written = 0
    for name in sorted(names, key=lambda each: each.endswith(TOKEN)):
        written += _write(directory / name, partial(_content, kept, name))
    if names:
        (directory / INDEX).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return written


def _content(kept: KeptTimestamps, name: str) -> bytes:
    return kept.files.read(name, MAX_NOTE_BYTES) or b""


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
    """Write the file unless it is there: its address fixes its content."""
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.new")  # half a file would stay for ever
    beside.write_bytes(read())
    beside.replace(target)
    return 1
