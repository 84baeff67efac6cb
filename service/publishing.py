"""A log as static files, which any web server can publish and anyone can audit.

Paths and contents are those of c2sp.org/tlog-tiles; `timestamps/` beside them is ours.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ledger.operate.published_log import PublishedLog
from ledger.operate.timestamps import KeptTimestamps
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.tile import TILE_WIDTH, bundle_for, tiles_to_write
from ledger.verify.reader import MAX_NOTE_BYTES
from ledger.verify.timestamp_files import INDEX, TIMESTAMPS, TOKEN

__all__ = ["publish"]


def publish(log: PublishedLog, directory: Path, kept: KeptTimestamps | None = None) -> int:
    """Write the log's newest checkpoint, what leads to it, and the timestamps below it.

    Returns:
        How many files were new.

    Raises:
        OSError: the directory cannot be written.
        LedgerError: the log or its timestamps cannot be read.
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


def _write(target: Path, read: Callable[[], bytes]) -> int:
    """Write the file unless it is there: its address fixes its content."""
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.new")  # half a file would stay for ever
    beside.write_bytes(read())
    beside.replace(target)
    return 1
