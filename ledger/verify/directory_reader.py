"""A log read from a directory of tiles, as any c2sp.org/tlog-tiles log is published.

`checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` and, where the beginning
is withheld, `minimum-index`. A publisher
writes tiles first and the checkpoint last, so a directory may be ahead of its
checkpoint; what is ahead was signed by nobody and is not read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ledger.entries import MAX_ENTRY_BYTES
from ledger.errors import MalformedError
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.pruning import MAX_MINIMUM_BYTES, MinimumIndex
from ledger.tlog.tile import TILE_WIDTH, EntryBundle, Tile
from ledger.verify.reader import (
    MAX_NOTE_BYTES,
    MAX_TILE_BYTES,
    Claim,
    StoredCheckpoint,
    StoredEntry,
    UnreadableError,
)

MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)  # every entry as long as one may be
MAX_ABSENT = 1_000  # bundles in a row; a hostile checkpoint may claim a size without end

_LENGTH_BYTES = 2  # before each entry of a bundle
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_WIDTH = re.compile(r"[1-9][0-9]{0,2}")


class DirectoryLogReader:
    """The log that a directory publishes, as of its checkpoint when it was opened."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        note = self._read("checkpoint", MAX_NOTE_BYTES)
        if note is None:
            raise UnreadableError("the directory holds no file named checkpoint")
        self._note = note.decode("utf-8", "replace")
        origin, size, *_ = (*self._note.split("\n", 2), "", "")
        if _SIZE.fullmatch(size) is None:
            raise UnreadableError("the file named checkpoint is not a checkpoint")
        self.origin = origin
        self.size = int(size)
        self.minimum = self._minimum()

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """The one checkpoint that is published."""
        yield StoredCheckpoint(self.size, self._note)

    def entries(self) -> Iterator[StoredEntry]:
        """Every entry up to the checkpoint's size; bundles that are absent are left out.

        What lies below the minimum index that the directory states is not looked for.
        """
        absent = 0
        first = 0 if self.minimum is None else self.minimum.first
        for start in range(first, self.size, TILE_WIDTH):
            bundle = self._bundle(start // TILE_WIDTH, min(TILE_WIDTH, self.size - start))
            yield from bundle
            absent = 0 if bundle else absent + 1
            if absent > MAX_ABSENT:
                return

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width."""
        full = Tile(level, index, TILE_WIDTH).path()
        widths = [*self._partial_widths(full), TILE_WIDTH]
        read = ((w, self._read(Tile(level, index, w).path(), MAX_TILE_BYTES)) for w in widths)
        return tuple((width, data) for width, data in read if data is not None)

    def strays(self) -> Iterator[str]:
        """Nothing: a directory may be ahead of its checkpoint."""
        return iter(())

    def _minimum(self) -> MinimumIndex | None:
        """What the directory states to be withheld, if it states it of this log and in form."""
        data = self._read("minimum-index", MAX_MINIMUM_BYTES)
        if data is None:
            return None
        try:
            minimum = MinimumIndex.parse(data)
        except MalformedError:
            return None  # then entries that are not there are missing
        return minimum if minimum.origin == self.origin and minimum.index <= self.size else None

    def _bundle(self, index: int, width: int) -> tuple[StoredEntry, ...]:
        copies = dict(self._copies(index))
        wide = (other for other in copies if other >= width)
        chosen = min(wide, default=max(copies, default=width))
        entries = copies.pop(chosen, ())[:width]

        def claims(offset: int, raw: bytes) -> Iterator[Claim]:
            for other, copy in copies.items():
                if offset < len(copy) and copy[offset] != raw:
                    where = f"its copy in {EntryBundle(index, other).path()}"
                    yield Claim(where, leaf_hash(copy[offset]))

        return tuple(
            StoredEntry(index * TILE_WIDTH + offset, raw, None, tuple(claims(offset, raw)))
            for offset, raw in enumerate(entries)
        )

    def _copies(self, index: int) -> Iterator[tuple[int, tuple[bytes, ...]]]:
        full = EntryBundle(index, TILE_WIDTH).path()
        for width in (*self._partial_widths(full), TILE_WIDTH):
            data = self._read(EntryBundle(index, width).path(), MAX_BUNDLE_BYTES)
            if data is not None:
                yield width, _split(data, width)

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


def _split(data: bytes, width: int) -> tuple[bytes, ...]:
    """The entries of a bundle, up to `width`; never refuses.

    Bytes that do not fit the format stay with the entry where they stand, so that an
    audit can name that entry.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:end] if end <= len(data) else data[at:])
        at = end
    if at < len(data):
        entries[-1] += data[at:]
    return tuple(entries)
