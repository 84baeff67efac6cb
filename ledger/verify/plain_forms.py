"""The exact bytes of frequent kinds of entries, as one pattern for each kind.

Made from the vocabulary itself (`ledger.entries`): the form of every member gives its part
of the pattern, in the order of RFC 8785. What a pattern takes, `parse_entry` takes, if the
moment in it exists; what it does not take may be an entry all the same and is left to
`parse_entry`. Kinds that mean something to an audit beyond their form are not here. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from ledger.entries import (
    Access,
    AccessDenied,
    AttributionsAttached,
    Body,
    Correction,
    Decision,
    ExplanationIssued,
    ExportIssued,
    HoldReleased,
    HoldSet,
    Incident,
    ModelVersionAct,
    ModelVersionRegistered,
    ModelVersionStatus,
    NoticeIssued,
    OutcomeObserved,
    PolicyRegistered,
    Review,
)
from ledger.entries.forms import (
    CountForm,
    Form,
    HashForm,
    Members,
    NestedForm,
    TextForm,
    forms_of,
)
from ledger.entries.identifiers import UUID7_PATTERN

PLAIN: Final = (
    *(Decision, Access, AccessDenied, AttributionsAttached, ExplanationIssued, NoticeIssued),
    *(Correction, Review, HoldSet, HoldReleased, ModelVersionRegistered, ModelVersionStatus),
    *(PolicyRegistered, ExportIssued, Incident, ModelVersionAct, OutcomeObserved),
)

_AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
_COUNT = r"0|[1-9][0-9]{0,14}"  # below 10^15: more is no wrong count, but not a plain one
_INDEX = r"[1-9][0-9]{0,14}"  # the entry at 0 creates the log, and that is no plain kind
_HASH = r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="  # 32 bytes; the last two bits are zero
_KIND = re.compile(rb'"kind":"([a-z_]{1,64})"')
_NEVER = re.compile(rb"(?!)")
_SECOND_CHARS = 19  # of a moment: 2026-05-14T09:31:07
_WITHOUT_SOURCE = 4  # groups: at, id, prev, seq
_BODIES: Final[Mapping[str, type[Body]]] = {str(body.kind): body for body in PLAIN}


@dataclass(frozen=True, slots=True)
class PlainEntries:
    """What entries of frequent kinds say of themselves, column by column, as it is written.

    Attributes:
        kinds: the kind of each.
        ats: when the log accepted it; they do not fall.
        ids: its id.
        prevs: the hash before, in base64.
        seqs: its index.
        sources: the source of each decision, in order.
        counters: the source's counter, of each decision in order.
        times: when the log accepted each decision, in order.
    """

    kinds: Sequence[str]
    ats: Sequence[bytes]
    ids: Sequence[bytes]
    prevs: Sequence[bytes]
    seqs: Sequence[int]
    sources: Sequence[bytes]
    counters: Sequence[int]
    times: Sequence[bytes]


def read_plain(raws: Sequence[bytes]) -> PlainEntries | None:
    """What these entries say, or None if one of them is not obviously well formed."""
    kinds = [_kind(raws[0])] * len(raws)
    found = [*map(pattern_of(kinds[0]).fullmatch, raws)]
    if None in found:  # most often all are of one kind, and this is not needed
        kinds = [*map(_kind, raws)]
        found = [pattern_of(kind).fullmatch(raw) for kind, raw in zip(kinds, raws, strict=True)]
    groups = [each.groups() for each in found if each is not None]
    if len(groups) != len(raws):
        return None
    # zip ends with the shortest: an entry without a source has the first four groups.
    ats, ids, prevs, seqs, *_ = zip(*groups, strict=False)
    if not _are_moments({at[:_SECOND_CHARS] for at in ats}) or [*ats] != sorted(ats):
        return None
    counted = [each for each in groups if len(each) > _WITHOUT_SOURCE]
    return PlainEntries(
        *(kinds, ats, ids, prevs, [*map(int, seqs)]),
        sources=[each[4] for each in counted],
        counters=[int(each[5]) for each in counted],
        times=[each[0] for each in counted],
    )


def _kind(raw: bytes) -> str:
    named = _KIND.search(raw)
    return "" if named is None else named[1].decode()


def pattern_of(kind: str) -> re.Pattern[bytes]:
    """The exact bytes of the entries of a kind; of a kind that is not plain, no bytes at all."""
    return _pattern(kind) if kind in _BODIES else _NEVER


def _are_moments(seconds: set[bytes]) -> bool:
    """Whether the clock and the calendar have each of these; digits and signs are right."""
    try:
        texts = [each.decode() for each in seconds]
        return all(datetime.fromisoformat(each).isoformat() == each for each in texts)
    except ValueError:
        return False


@cache
def _pattern(kind: str) -> re.Pattern[bytes]:
    body = _BODIES[kind]
    envelope = {
        "at": f'"({_AT})"',
        "id": f'"({UUID7_PATTERN.pattern})"',
        "kind": f'"{kind}"',
        "prev": f'"({_HASH})"',
        "seq": f"({_INDEX})",
        "v": "1",
    }
    return re.compile(_object(envelope | _members(body, "source")).encode())


def _members(of: type[Members], captured: str) -> dict[str, str]:
    """The pattern of each member's value; those of the member `captured` are groups."""
    return {name: _value(form, captured=name == captured) for name, form in forms_of(of)}


def _value(form: Form, *, captured: bool = False) -> str:
    match form:
        case TextForm(pattern=pattern):
            return f'"(?:{pattern.pattern})"'
        case HashForm():
            return f'"{_HASH}"'
        case CountForm():
            return f"(?:{_COUNT})"
        case NestedForm(of=of):
            inner = _object({name: _value(each) for name, each in forms_of(of)})
            return inner.replace("(?:", "(") if captured else inner
        case _:
            raise TypeError("a member of this form has no pattern")


def _object(members: dict[str, str]) -> str:
    inside = ",".join(f'"{name}":{members[name]}' for name in sorted(members))
    return rf"\{{{inside}\}}"
