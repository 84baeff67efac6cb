"""Patterns in who looked: counts by pseudonym, role, purpose and day, and what stands out.

From the entries of the access log: no name is looked up, and no detail is opened but of looks
that may be at the own records of whoever declared some (`own_looks`). A pseudonym is
somebody's for one month, so nothing here reaches over its end. Days are UTC's.

A day stands out when its records are more than `LIMIT` robust deviations above the median of
the other days of the same actor, or of all days of the role if the actor has too few. The
deviation is 1.4826 times the median absolute deviation, at least one record, so that somebody
who always reads three is not reported for reading ten: `FLOOR` is the least that counts.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from operator import attrgetter
from statistics import median
from typing import Any, Final

from ledger.entries import Access, AccessDenied, Entry, parse_entry
from ledger.errors import MalformedError
from ledger.operate.access_log import Manner
from ledger.operate.published_log import PublishedLog
from ledger.roles import Permission
from service.own_looks import own_looks
from service.reading import Caller
from service.runtime import Runtime

__all__ = ["CODES", "Finding", "Patterns", "Seen", "Tally", "as_json", "patterns", "report"]

CODES: Final = ("denials", "one_by_one", "out_of_hours", "own_records", "spike")

LIMIT: Final = 6.0  # robust deviations
FLOOR: Final = 20  # records in a day
FEW: Final = 5  # days that a history needs
DENIALS: Final = 5  # in a day
ONE_BY_ONE: Final = 30  # looks at single records within an hour
_HOUR: Final = timedelta(hours=1)
_CONSISTENT: Final = 1.4826  # makes the MAD of a normal distribution its standard deviation


@dataclass(frozen=True, slots=True)
class Seen:
    """One look, as the log has it; and whether it was out of hours, or at one's own records."""

    at: datetime
    actor: str
    role: str
    purpose: str
    size: int
    denied: bool
    has_case: bool
    outside: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many looks there were, at how many records, and how many of the looks were what.

    Lists and exports count each record that they show.
    """

    looks: int = 0
    records: int = 0
    denied: int = 0
    without_case: int = 0
    outside: int = 0
    own: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        names = [each.name for each in fields(self)]
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))

    @classmethod
    def of(cls, look: Seen) -> "Tally":
        """One look."""
        flags = (look.denied, not look.has_case, look.outside, look.own)
        return cls(1, look.size, *map(int, flags))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to ask about: no proof of a wrong."""

    code: str  # one of `CODES`
    day: date
    actor: str
    role: str
    count: int
    usual: float | None = None  # the median that it stands out from


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a month of looks shows.

    Attributes:
        total: all of them.
        actors: by how many pseudonyms.
        rows: (day, actor, role, purpose) → what they come to.
        findings: what stands out, by day.
    """

    total: Tally
    actors: int
    rows: Mapping[tuple[date, str, str, str], Tally]
    findings: tuple[Finding, ...]

    @property
    def by_day(self) -> Mapping[date, Tally]:
        """What the looks of each day come to."""
        found: dict[date, Tally] = defaultdict(Tally)
        for (day, *_), tally in self.rows.items():
            found[day] += tally
        return found

    @property
    def by_actor(self) -> Mapping[tuple[str, str], Tally]:
        """What the looks of each pseudonym in each role come to."""
        found: dict[tuple[str, str], Tally] = defaultdict(Tally)
        for (_, actor, role, _purpose), tally in self.rows.items():
            found[actor, role] += tally
        return found


def report(runtime: Runtime, caller: Caller, month: str) -> Patterns:
    """The patterns of a month, such as `2026-05`; on the access log itself.

    Raises:
        PermissionRefused: the caller may not review accesses.
        MalformedError: not a month.
        LedgerError: it could not be logged, so nothing is shown.
    """
    caller.principal.require(Permission.ACCESSES_REVIEW)
    first = _first(month)
    log = runtime.access_log
    log.record(
        caller.principal, purpose=caller.purpose, case=caller.case, records=(),
        fields=("accesses",), size=0, manner=Manner.ACT,
    )  # fmt: skip
    return patterns(_seen(runtime, first))


def patterns(looks: Iterable[Seen]) -> Patterns:
    """What these looks of one month show."""
    every = sorted(looks, key=lambda each: each.at)
    rows: dict[tuple[date, str, str, str], Tally] = defaultdict(Tally)
    for each in every:
        rows[each.at.date(), each.actor, each.role, each.purpose] += Tally.of(each)
    findings = [
        *_spikes(every),
        *_counted(every, "denials", "denied", DENIALS),
        *_counted(every, "out_of_hours", "outside", 1),
        *_counted(every, "own_records", "own", 1),
        *_one_by_one(every),
    ]
    return Patterns(
        total=sum(rows.values(), Tally()),
        actors=len({each.actor for each in every}),
        rows=rows,
        findings=tuple(sorted(findings, key=lambda each: (each.day, each.code, each.actor))),
    )


def as_json(month: str, found: Patterns) -> dict[str, Any]:
    """The patterns of a month for programs, with a row for each day, actor, role and purpose."""
    return {
        "month": month,
        "actors": found.actors,
        **_figures(found.total),
        "days": [
            {"day": str(day), "actor": actor, "role": role, "purpose": purpose, **_figures(tally)}
            for (day, actor, role, purpose), tally in sorted(found.rows.items())
        ],
        "findings": [
            {"code": each.code, "day": str(each.day), "actor": each.actor, "role": each.role,
             "count": each.count, "usual": each.usual}
            for each in found.findings
        ],
    }  # fmt: skip


def _figures(tally: Tally) -> dict[str, int]:
    return {each.name: getattr(tally, each.name) for each in fields(tally)}


def _first(month: str) -> datetime:
    try:
        first = datetime.strptime(f"{month}-01 +0000", "%Y-%m-%d %z")
    except ValueError:
        first = None
    if first is None or f"{first:%Y-%m}" != month:
        raise MalformedError("not a month, as 2026-05", member="month")
    return first


def _seen(runtime: Runtime, first: datetime) -> Iterator[Seen]:
    hours, no_case = runtime.settings.office_hours, runtime.access_log.case_pseudonym("", first)
    entries = list(_of_month(runtime.logs["access"], first))
    looks: dict[str, list[str]] = defaultdict(list)
    for entry, body in entries:
        looks[body.actor].append(entry.id)
    own = own_looks(runtime, first, looks)
    for entry, body in entries:
        yield Seen(
            at=entry.at,
            actor=body.actor,
            role=body.role,
            purpose=body.purpose,
            size=body.size,
            denied=isinstance(body, AccessDenied),
            has_case=body.case != no_case,
            outside=hours is not None and not hours.covers(entry.at),
            own=entry.id in own,
        )


def _of_month(log: PublishedLog, first: datetime) -> Iterator[tuple[Entry, Access | AccessDenied]]:
    """The looks of a month, found by their times, which never fall along a log."""
    at = bisect_left(range(log.size()), first, key=lambda seq: _entry_at(log, seq).at)
    for raw in log.entries(at):
        entry = parse_entry(raw)
        if (entry.at.year, entry.at.month) != (first.year, first.month):
            return
        if isinstance(entry.body, Access | AccessDenied):
            yield entry, entry.body


def _entry_at(log: PublishedLog, seq: int) -> Entry:
    return parse_entry(next(log.entries(seq)))


def _spikes(looks: Iterable[Seen]) -> Iterable[Finding]:
    days: dict[tuple[str, str], Counter[date]] = defaultdict(Counter)
    for each in looks:
        days[each.role, each.actor][each.at.date()] += each.size
    for (role, actor), mine in days.items():
        for day, count in mine.items():
            history = [size for other, size in mine.items() if other != day]
            if len(history) < FEW:
                history = [
                    size
                    for (its_role, whose), theirs in days.items()
                    for other, size in theirs.items()
                    if its_role == role and (whose, other) != (actor, day)
                ]
            if len(history) < FEW or count < FLOOR:
                continue
            usual = median(history)
            spread = max(1.0, _CONSISTENT * median(abs(size - usual) for size in history))
            if count > usual + LIMIT * spread:
                yield Finding("spike", day, actor, role, count, usual)


def _counted(looks: Iterable[Seen], code: str, flag: str, least: int) -> Iterable[Finding]:
    """Who has at least so many looks of a kind in a day."""
    such = filter(attrgetter(flag), looks)
    counted = Counter((each.at.date(), each.actor, each.role) for each in such)
    for (day, actor, role), count in counted.items():
        if count >= least:
            yield Finding(code, day, actor, role, count)


def _one_by_one(looks: Iterable[Seen]) -> Iterable[Finding]:
    """The most single records that somebody looked at within an hour, of each day."""
    singles: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for each in looks:
        if each.size == 1:
            singles[each.actor, each.role].append(each.at)
    for (actor, role), times in singles.items():
        most: dict[date, int] = {}
        start = 0
        for end, at in enumerate(times):
            while at - times[start] > _HOUR:
                start += 1
            most[at.date()] = max(most.get(at.date(), 0), end - start + 1)
        for day, count in most.items():
            if count >= ONE_BY_ONE:
                yield Finding("one_by_one", day, actor, role, count)
