"""What changed between two manifests, member by member. Pure.

Arrays of things with names of their own are compared by name, so that a reason or a rule that moved
is no change; other arrays are compared as they stand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger import canonical
from ledger.canonical import JsonValue

__all__ = ["MAX_CHANGES", "Change", "How", "changes"]

MAX_CHANGES: Final = 2_000  # shown; two policies with more in common nothing but their name
_NAMES: Final = ("name", "code", "id")  # members that name a thing in an array, in this order


class How(StrEnum):
    """What happened to a member."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One member that is not the same: its path, and what stood and stands there.

    `before` is None for what was added, `after` for what was removed; null is also None.
    """

    path: str
    how: How
    before: JsonValue
    after: JsonValue


def changes(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]
) -> tuple[tuple[Change, ...], int]:
    """The first changes in the order of their paths, and how many there are in all."""
    every = sorted(_between("", old, new), key=lambda each: each.path)
    return tuple(every[:MAX_CHANGES]), len(every)


def _between(path: str, old: JsonValue, new: JsonValue) -> Iterator[Change]:
    before, after = _members(old), _members(new)
    if before is None or after is None or _is_array(old) != _is_array(new):
        if _differ(old, new):
            yield Change(path, How.CHANGED, old, new)
        return
    for name in before.keys() | after.keys():
        inner = f"{path}.{name}" if path else name
        if name not in after:
            yield Change(inner, How.REMOVED, before[name], None)
        elif name not in before:
            yield Change(inner, How.ADDED, None, after[name])
        else:
            yield from _between(inner, before[name], after[name])


def _members(value: JsonValue) -> Mapping[str, JsonValue] | None:
    """The members of an object, or the things of an array by their names; None for others."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list | tuple):
        return None
    if not value:
        return {}
    for member in _NAMES:
        named = {
            f"[{each[member]}]": each
            for each in value
            if isinstance(each, Mapping) and isinstance(each.get(member), str)
        }
        if len(named) == len(value):
            return named
    return None


def _is_array(value: object) -> bool:
    return isinstance(value, list | tuple)


def _differ(old: JsonValue, new: JsonValue) -> bool:
    return canonical.encode(old) != canonical.encode(new)  # true is 1 to Python alone
