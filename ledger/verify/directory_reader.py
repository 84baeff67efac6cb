"""A log read from a directory of tiles, as any c2sp.org/tlog-tiles log is published.

`checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` and, where the beginning
is withheld, `minimum-index`. A publisher
writes tiles first and the checkpoint last, so a directory may be ahead of its
checkpoint; what is ahead was signed by nobody and is not read.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.tlog.pruning import MAX_MINIMUM_BYTES
from ledger.tlog.tile import TILE_WIDTH, EntryBundle, Tile
from ledger.verify.reader import (
    MAX_NOTE_BYTES,
    MAX_TILE_BYTES,
    StoredCheckpoint,
    StoredRun,
    UnreadableError,
)
from ledger.verify.tile_files import MAX_BUNDLE_BYTES, head_of, minimum_of, run_of, split_bundle

MAX_ABSENT = 1_000  # bundles in a row; a hostile checkpoint may claim a size without end

_WIDTH = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class DirectoryLog:
    """Which directory, to be opened again in another process."""

    directory: Path

    @contextmanager
    def __call__(self) -> Iterator["DirectoryLogReader"]:
        """The log, as of the moment of this call.

        Raises:
            UnreadableError: it cannot be read.
        """
        yield DirectoryLogReader(self.directory)


class DirectoryLogReader:
    """The log that a directory publishes, as of its checkpoint when it was opened.

    Attributes:
        minimum: what the directory states to be withheld, or None.
        reopen: opens the same directory in another process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.reopen = DirectoryLog(directory)
        note = self._read("checkpoint", MAX_NOTE_BYTES)
        if note is None:
            raise UnreadableError("the directory holds no file named checkpoint")
        self._note = note.decode("utf-8", "replace")
        self.origin, self.size = head_of(self._note)
        stated = self._read("minimum-index", MAX_MINIMUM_BYTES)
        self.minimum = minimum_of(stated, self.origin, self.size)

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        """The one checkpoint that is published, if it is of at least this size."""
        if self.size >= least:
            yield StoredCheckpoint(self.size, self._note)

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        """The entries up to the checkpoint's size, a bundle a run; absent ones are left out.

        What lies below the minimum index that the directory states is not looked for.
        """
        start = max(start, 0 if self.minimum is None else self.minimum.first)
        end = self.size if stop is None else min(stop, self.size)
        absent = 0
        while start < end:
            index = start // TILE_WIDTH
            after = min((index + 1) * TILE_WIDTH, end)
            copies = dict(self._copies(index))
            width = after - index * TILE_WIDTH
            wide = (other for other in copies if other >= width)
            chosen = min(wide, default=max(copies, default=width))
            entries = copies.pop(chosen, ())[:width]
            absent = 0 if entries else absent + 1
            if absent > MAX_ABSENT:
                return
            if index * TILE_WIDTH + len(entries) > start:
                yield run_of(index, start, entries, copies)
            start = after

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width."""
        full = Tile(level, index, TILE_WIDTH).path()
        widths = [*self._partial_widths(full), TILE_WIDTH]
        read = ((w, self._read(Tile(level, index, w).path(), MAX_TILE_BYTES)) for w in widths)
        return tuple((width, data) for width, data in read if data is not None)

    def strays(self) -> Iterator[str]:
        """Nothing: a directory may be ahead of its checkpoint."""
        return iter(())

    def _copies(self, index: int) -> Iterator[tuple[int, tuple[bytes, ...]]]:
        full = EntryBundle(index, TILE_WIDTH).path()
        for width in (*self._partial_widths(full), TILE_WIDTH):
            data = self._read(EntryBundle(index, width).path(), MAX_BUNDLE_BYTES)
            if data is not None:
                yield width, split_bundle(data, width)

    def _partial_widths(self, path: str) -> list[int]:
        try:
            names = [child.name for child in (self._directory / f"{path}.p").iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UnreadableError(f"cannot list {path}.p ({error.strerror})") from error
        widths = (int(name) for name in names if _WIDTH.fullmatch(name))
        return sorted(width for width in widths if width < TILE_WIDTH)

    def _read(self, path: str, most: int) -> bytes | None:
        """The file, cut one byte after `most` so that too long shows; None if absent."""
        try:
            with (self._directory / path).open("rb") as file:
                return file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableError(f"cannot read {path} ({error.strerror})") from error
