"""A log whose beginning is withheld: audited from there on, and nothing said about the rest.

Who prunes a log keeps the tiles above what is withheld. They state the tree's beginning; what
follows is derived from entries, and the signed root decides whether both are true.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from ledger.tlog.pruning import MinimumIndex
from ledger.verify.findings import Code, Findings
from ledger.verify.reader import LogReader
from ledger.verify.tree_walk import TreeWalk

__all__ = ["PrunedReader", "begin", "unchecked"]


@runtime_checkable
class PrunedReader(Protocol):
    """A reader of a log that may withhold its beginning.

    Attributes:
        minimum: what the place that publishes the log states; None if it states nothing. It is
            not signed: whoever publishes can state it.
    """

    minimum: MinimumIndex | None


def begin(reader: LogReader, walk: TreeWalk, findings: Findings) -> MinimumIndex | None:
    """Begin the walk behind what is withheld; return what is, or None if nothing is.

    Raises:
        UnreadableError: the log cannot be read.
    """
    minimum = reader.minimum if isinstance(reader, PrunedReader) else None
    if minimum is None or minimum.first == 0:
        return None
    missing = walk.begin_at(minimum.first)
    if missing is not None:
        detail = f"the tile {missing} is missing or damaged, which a pruned log has to keep"
        findings.add(Code.TILE_MISSING, 0, detail, minimum.first - 1)
    return minimum


def unchecked(minimum: MinimumIndex) -> Iterator[str]:
    """What an audit of a pruned log leaves open."""
    last = minimum.first - 1
    yield (
        f'entries 0 to {last:,}: not available here, pruned by the policy "{minimum.policy}", '
        "says whoever publishes the log; ask its keeper for them"
    )
    yield f"checkpoints of at most {last:,} entries, also those kept elsewhere"
