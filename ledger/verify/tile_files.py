"""What the files of a published log say, wherever they lie (c2sp.org/tlog-tiles).

Never refuses what an audit can name better: bytes that do not fit stay with the entry
where they stand. Pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from ledger.entries import MAX_ENTRY_BYTES
from ledger.errors import MalformedError
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import TILE_WIDTH, EntryBundle
from ledger.verify.reader import Claim, StoredRun, UnreadableError

MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)  # every entry as long as one may be

_LENGTH_BYTES: Final = 2  # before each entry of a bundle
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")


def head_of(note: str) -> tuple[str, int]:
    """The origin and the size that a checkpoint states; whether anyone signed it is left open.

    Raises:
        UnreadableError: it is not a checkpoint.
    """
    origin, size, *_ = (*note.split("\n", 2), "", "")
    if _SIZE.fullmatch(size) is None:
        raise UnreadableError("the file named checkpoint is not a checkpoint")
    return origin, int(size)


def minimum_of(stated: bytes | None, origin: str, size: int) -> MinimumIndex | None:
    """What a file `minimum-index` says to be withheld; None if not of this log and size, in form.

    Then entries that are not there are missing.
    """
    try:
        minimum = None if stated is None else MinimumIndex.parse(stated)
    except MalformedError:
        return None
    fits = minimum is not None and minimum.origin == origin and minimum.index <= size
    return minimum if fits else None


def split_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """The entries of a bundle, up to `width`; what is left over goes to the last."""
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


def run_of(
    index: int, first: int, entries: tuple[bytes, ...], copies: Mapping[int, tuple[bytes, ...]]
) -> StoredRun:
    """The entries of bundle `index` from index `first` on, and where other copies differ.

    `copies` are further bundles of this place, by their widths.
    """
    claims: dict[int, tuple[Claim, ...]] = {}
    begin = index * TILE_WIDTH
    for offset in range(first - begin, len(entries)):
        for width, copy in copies.items():
            if offset < len(copy) and copy[offset] != entries[offset]:
                where = f"its copy in {EntryBundle(index, width).path()}"
                claim = Claim(where, leaf_hash(copy[offset]))
                at = begin + offset - first
                claims[at] = (*claims.get(at, ()), claim)
    return StoredRun(range(first, begin + len(entries)), entries[first - begin :], claims=claims)
