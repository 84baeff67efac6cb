"""From which index on a log is published (c2sp.org/tlog-tiles, Pruning).

Pruning withholds tiles and bundles that lie below; it changes neither the tree nor what was
proved. Whatever lies at the minimum index or after it can still be read and proved. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import MalformedError
from ledger.tlog.checkpoint import parse_decimal
from ledger.tlog.merkle import MAX_SIZE
from ledger.tlog.note import check_name
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile

__all__ = ["MAX_MINIMUM_BYTES", "MAX_POLICY_CHARS", "MinimumIndex"]

MAX_POLICY_CHARS: Final = 500  # one sentence that names the retention policy
MAX_MINIMUM_BYTES: Final = 4_096  # of the file: 255 of origin, 20 of index, the policy in UTF-8
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class MinimumIndex:
    """The lowest index that a log still publishes, and the retention policy that allows it.

    Without a policy nothing may be pruned: the index is 0 then, and only then.
    """

    origin: str
    index: int = 0
    policy: str = ""

    def __post_init__(self) -> None:
        """Refuse pruning without a policy, and a policy that is not one line of text."""
        check_name(self.origin)
        if not 0 <= self.index <= MAX_SIZE:
            raise MalformedError("minimum index: out of range")
        if (self.index == 0) != (not self.policy):
            raise MalformedError("minimum index: a policy goes with pruning, and only with it")
        if len(self.policy) > MAX_POLICY_CHARS or _UNPRINTABLE.search(self.policy):
            raise MalformedError(f"minimum index: the policy is not {MAX_POLICY_CHARS} characters")
        if self.policy != self.policy.strip():
            raise MalformedError("minimum index: the policy begins or ends with a blank")

    @property
    def first(self) -> int:
        """The first entry that is still published: entries come in bundles of 256."""
        return self.index - self.index % TILE_WIDTH

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the value of a `minimum-index` file.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        try:
            lines = data.decode().split("\n") if len(data) <= MAX_MINIMUM_BYTES else []
        except UnicodeDecodeError as error:
            raise MalformedError("minimum index: not UTF-8") from error
        match lines:
            case [origin, index, ""]:
                return cls(origin, parse_decimal(index))
            case [origin, index, policy, ""] if policy:
                return cls(origin, parse_decimal(index), policy)
            case _:
                raise MalformedError("minimum index: not an origin, an index and a policy")

    def format(self) -> bytes:
        """Return the file's content: origin, index and, if there is pruning, the policy."""
        policy = f"{self.policy}\n" if self.policy else ""
        return f"{self.origin}\n{self.index}\n{policy}".encode()

    def withholds(self, resource: Tile | EntryBundle) -> bool:
        """Say whether this tile or bundle, full or partial, ends at or below the minimum."""
        level = resource.level if isinstance(resource, Tile) else 0
        # The full one is in the tree, since the minimum never exceeds the tree's size.
        return (resource.index + 1) << (TILE_HEIGHT * (level + 1)) <= self.index
