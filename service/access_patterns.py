"""Patterns in who looked: counts by pseudonym, role, purpose and day, and what stands out.

From the entries of the access log alone: no name is looked up and no detail is opened. A
pseudonym is somebody's for one month, so nothing here reaches over its end.

A day stands out when its records are more than `LIMIT` robust deviations above the median of
the other days of the same actor, or of all days of the role if the actor has too few. The
deviation is 1.4826 times the median absolute deviation, at least one record, so that somebody
who always reads three is not reported for reading ten: `FLOOR` is the least that counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Final

from ledger.entries import Access, AccessDenied, parse_entry
from ledger.errors import MalformedError
from ledger.operate.access_log import Manner
from ledger.roles import Permission
from service.reading import Caller
from service.runtime import Runtime

__all__ = ["Finding", "Patterns", "Seen", "patterns", "report"]

LIMIT: Final = 6.0  # robust deviations
FLOOR: Final = 20  # records in a day
FEW: Final = 5  # days that a history needs
DENIALS: Final = 5  # in a day
ONE_BY_ONE: Final = 30  # looks at single records within an hour
_HOUR: Final = timedelta(hours=1)
_CONSISTENT: Final = 1.4826  # makes the MAD of a normal distribution its standard deviation


@dataclass(frozen=True, slots=True)
class Seen:
    """One look, as the log has it."""

    at: datetime
    actor: str
    role: str
    purpose: str
    size: int
    denied: bool
    has_case: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to ask about: no proof of a wrong."""

    code: str  # denials, one_by_one, spike
    day: date
    actor: str
    role: str
    count: int
    usual: float | None = None  # the median that it stands out from


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a month of looks shows.

    Attributes:
        looks: how many there were.
        actors: by how many pseudonyms.
        without_case: how many named no case.
        rows: (day, actor, role, purpose) → (looks, records).
        findings: what stands out, by day.
    """

    looks: int
    actors: int
    without_case: int
    rows: Mapping[tuple[date, str, str, str], tuple[int, int]]
    findings: tuple[Finding, ...]


def report(runtime: Runtime, caller: Caller, month: str) -> Patterns:
    """The patterns of a month, such as `2026-05`; on the access log itself.

    Raises:
        PermissionRefused: the caller may not review accesses.
        MalformedError: not a month.
        LedgerError: it could not be logged, so nothing is shown.
    """
    caller.principal.require(Permission.ACCESSES_REVIEW)
    try:
        first = datetime.strptime(f"{month}-01 +0000", "%Y-%m-%d %z")
    except ValueError:
        raise MalformedError("not a month, as 2026-05", member="month") from None
    log = runtime.access_log
    log.record(
        caller.principal, purpose=caller.purpose, case=caller.case, records=(),
        fields=("accesses",), size=0, manner=Manner.ACT,
    )  # fmt: skip
    no_case = log.case_pseudonym("", first)
    return patterns(_seen(runtime, first, no_case))


def patterns(looks: Iterable[Seen]) -> Patterns:
    """What these looks of one month show."""
    every = sorted(looks, key=lambda each: each.at)
    rows: dict[tuple[date, str, str, str], tuple[int, int]] = {}
    for each in every:
        key = (each.at.date(), each.actor, each.role, each.purpose)
        count, records = rows.get(key, (0, 0))
        rows[key] = (count + 1, records + each.size)
    findings = [*_spikes(every), *_denials(every), *_one_by_one(every)]
    return Patterns(
        looks=len(every),
        actors=len({each.actor for each in every}),
        without_case=sum(not each.has_case for each in every),
        rows=rows,
        findings=tuple(sorted(findings, key=lambda each: (each.day, each.code, each.actor))),
    )


def _seen(runtime: Runtime, first: datetime, no_case: str) -> Iterable[Seen]:
    for raw in runtime.logs["access"].entries():
        entry = parse_entry(raw)
        body = entry.body
        same = (entry.at.year, entry.at.month) == (first.year, first.month)
        if same and isinstance(body, Access | AccessDenied):
            denied = isinstance(body, AccessDenied)
            has_case = body.case != no_case
            yield Seen(
                entry.at, body.actor, body.role, body.purpose, body.size, denied, has_case
            )  # fmt: skip


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


def _denials(looks: Iterable[Seen]) -> Iterable[Finding]:
    counted = Counter((each.at.date(), each.actor, each.role) for each in looks if each.denied)
    for (day, actor, role), count in counted.items():
        if count >= DENIALS:
            yield Finding("denials", day, actor, role, count)


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
