"""From a class, its regimes and where they hold to a day: until when a record is kept.

`until = max(floors) + buffer <= ceiling`. Without a floor the operator's ceiling is the time,
as data protection law alone sets none but necessity. Rules that contradict each other are refused,
never averaged. A floor whose beginning this ledger does not know keeps records open.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from ledger.canonical import JsonValue
from ledger.errors import MalformedError, RefusedError
from ledger.operate.periods import Period, end_of, zone_of
from ledger.operate.retention_rules import PLACE, Bound, RetentionClass, Rule, RuleBook

__all__ = ["Resolution", "check_class", "resolve", "resolve_policy"]

_FIRST_DAYS: Final = (date(2023, 1, 1), date(2096, 1, 1))  # cycles with and without a leap day
_CYCLE_DAYS: Final = 9 * 366
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPERATOR: Final = "the class's own ceiling"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What holds for the records of one class on one day.

    Attributes:
        of: the class.
        on: the day.
        floors: the floors that count, with a beginning that is known.
        open_floors: floors that count, with a beginning that this ledger does not know.
        ceilings: ceilings of law that count.
        uncounted: rules that would hold here but do not count, each with why.
    """

    of: RetentionClass
    on: date
    floors: tuple[Rule, ...]
    open_floors: tuple[Rule, ...]
    ceilings: tuple[Rule, ...]
    uncounted: tuple[tuple[Rule, str], ...]

    def last_day(self, day: date) -> date | None:
        """The last day that a record of this local day is kept; None: no end is known."""
        if self.open_floors:
            return None
        if not self.floors:
            return min(each.after(day) for each in self._limits())
        longest = max(rule.period.after(day) for rule in self.floors)
        return self.of.buffer.after(longest) if self.of.buffer else longest

    def until(self, at: datetime) -> datetime | None:
        """When a record of this moment is due, in UTC; None: no end is known."""
        zone = zone_of(self.of.zone)
        last = self.last_day(at.astimezone(zone).date())
        return None if last is None else end_of(last, zone)

    def due_before(self, now: datetime) -> datetime | None:
        """The moment before which a record has to be from to be due now; None: none is.

        The last day never falls when the first one rises, so there is one such moment.
        """
        if self.open_floors:
            return None
        low, high = _EPOCH, now
        if (self.until(low) or now) > now:
            return None
        zone = zone_of(self.of.zone)
        days = (high.astimezone(zone).date() - low.astimezone(zone).date()).days + 1
        first = low.astimezone(zone).date()
        due, not_due = 0, days  # by days from the first one
        while not_due - due > 1:
            middle = (due + not_due) // 2
            last = self.last_day(first + timedelta(days=middle))
            if last is not None and end_of(last, zone) <= now:
                due = middle
            else:
                not_due = middle
        day = datetime.combine(first + timedelta(days=not_due), time(), zone)
        return day.astimezone(UTC)

    def lines(self, at: datetime | None = None) -> Iterator[str]:
        """The arithmetic, a line each; with dates for a record of this moment."""
        zone = zone_of(self.of.zone)
        day = None if at is None else at.astimezone(zone).date()
        yield f"class {self.of.id}, days in {self.of.zone}, rules as on {self.on}"
        for rule in (*self.floors, *self.ceilings):
            yield f"  {rule.bound:<8}{_told(rule)}{_to(rule.period, day)}  [{rule.mark}]"
            if rule.note:
                yield f"          {rule.note}"
        for rule in self.open_floors:
            yield f"  floor   {_told(rule)}: from its {rule.start}, which is not on record: open"
        own = self.of
        yield f"  ceiling {own.ceiling} (the operator's: {own.reason}){_to(own.ceiling, day)}"
        if own.buffer:
            yield f"  buffer  {own.buffer} after the longest floor"
        for rule, why in self.uncounted:
            yield f"  not counted: {rule.bound} {_told(rule)}: {why}"
        if at is not None:
            until = self.until(at)
            yield f"until {until:%Y-%m-%dT%H:%M:%SZ}" if until else "until: open, it never expires"
        elif self.open_floors:
            yield "until: open, nothing of it expires"
        else:
            yield f"until {self._formula()}"

    def to_json(self) -> dict[str, JsonValue]:
        """Which rules count, by id."""
        return {
            "class": self.of.id,
            "floors": [rule.id for rule in (*self.floors, *self.open_floors)],
            "ceilings": [rule.id for rule in self.ceilings],
        }

    def _limits(self) -> tuple[Period, ...]:
        return (self.of.ceiling, *(rule.period for rule in self.ceilings))

    def _formula(self) -> str:
        if not self.floors:
            return "the ceiling: no floor holds"
        longest = max(self.floors, key=lambda rule: rule.period.after(self.on))
        buffer = f" and {self.of.buffer}" if self.of.buffer else ""
        return f"{longest.period}{buffer} after the {longest.start}, by {longest.id}"


def resolve(
    book: RuleBook,
    class_id: str,
    on: date,
    regimes: Iterable[str] = (),
    jurisdictions: Iterable[str] = (),
) -> Resolution:
    """What holds for a class on a day, under further regimes and in further places.

    Raises:
        RefusedError: there is no such class, a regime has no rule in these places, or a floor is
            longer than a ceiling; the text names the rules and what to change.
    """
    own = book.classes.get(class_id)
    if own is None:
        raise RefusedError(
            f"retention: there is no class {class_id}; state it in a file of LEDGER_RETENTION",
            member="retention_class",
        )
    named, here = own.regimes | set(regimes), own.jurisdictions | set(jurisdictions)
    for each in sorted(named):
        _check_regime(book, each, here, class_id)
    fit = _fitting(book, own, named, here)
    _check_bounds(own, fit, on)
    counted = [rule for rule in fit if not rule.standing(on)]
    floors = [rule for rule in counted if rule.bound is Bound.FLOOR]
    return Resolution(
        of=own,
        on=on,
        floors=tuple(rule for rule in floors if rule.countable),
        open_floors=tuple(rule for rule in floors if not rule.countable),
        ceilings=tuple(rule for rule in counted if rule.bound is Bound.CEILING),
        uncounted=tuple((rule, rule.standing(on)) for rule in fit if rule.standing(on)),
    )


def check_class(book: RuleBook, class_id: str, on: date) -> None:
    """Return if a stated class does not contradict itself, whatever policies add to it.

    Raises:
        RefusedError: it does; the text names the rules.
    """
    own = book.classes[class_id]
    _check_bounds(own, _fitting(book, own, own.regimes, own.jurisdictions), on)


def resolve_policy(
    book: RuleBook, manifest: Mapping[str, JsonValue], on: date
) -> Resolution | None:
    """What holds for the decisions of a policy, by its manifest.

    None if an operator stated nothing, so that there are no classes to name.

    Raises:
        MalformedError: `retention_class`, `regimes` or `countries` is not what it must be.
        RefusedError: as :func:`resolve`, or it names no class while classes are stated.
    """
    class_id = manifest.get("retention_class", "")
    if not isinstance(class_id, str):
        raise MalformedError("manifest: not a text", member="retention_class")
    regimes, countries = _names(manifest, "regimes"), _names(manifest, "countries")
    if not all(map(PLACE.fullmatch, countries)):
        raise MalformedError("manifest: not a place as DE or US-NY", member="countries")
    if class_id not in book.classes and not book.stated:
        return None
    found = resolve(book, class_id, on, regimes, countries)
    if found.of.kinds.isdisjoint({"decision"}):
        raise RefusedError(
            f"retention: the class {class_id} is not one of decisions", member="retention_class"
        )
    return found


def _fitting(
    book: RuleBook, own: RetentionClass, regimes: Collection[str], here: Collection[str]
) -> list[Rule]:
    """The rules of these regimes on such records in these places, by name."""
    return [
        rule
        for _, rule in sorted(book.rules.items())
        if rule.regime in regimes and rule.kinds & own.kinds and rule.holds_in(here)
    ]


def _check_regime(book: RuleBook, name: str, here: Iterable[str], class_id: str) -> None:
    """Return if the regime is known and, if it has rules, has one in these places."""
    if name not in book.regimes:
        raise RefusedError(
            f"retention: class {class_id}: there is no regime {name}; known are"
            f" {', '.join(sorted(book.regimes))}",
            member="regimes",
        )
    theirs = [rule for rule in book.rules.values() if rule.regime == name]
    if theirs and not any(rule.holds_in(here) for rule in theirs):
        places = ", ".join(sorted({rule.jurisdiction for rule in theirs}))
        raise RefusedError(
            f"retention: class {class_id}: the rules of {name} hold in {places}, and neither the"
            " class nor the policy names such a place: add it to jurisdictions or countries",
            member="countries",
        )


def _check_bounds(own: RetentionClass, rules: Iterable[Rule], on: date) -> None:
    """Return if no floor, in force now or later, is longer than a ceiling."""
    lasting = [rule for rule in rules if not (rule.ended and rule.ended <= on)]
    active = [rule for rule in lasting if rule.active and rule.countable]
    ceilings = [(_OPERATOR, own.ceiling)]
    ceilings += [(_told(r), r.period) for r in active if r.bound is Bound.CEILING]
    for rule in active:
        if rule.bound is Bound.FLOOR:
            for named, ceiling in ceilings:
                if _may_exceed(rule.period, own.buffer, ceiling):
                    buffer = f" and a buffer of {own.buffer}" if own.buffer else ""
                    raise RefusedError(
                        f"retention: class {own.id}: the floor {_told(rule)}{buffer} is longer"
                        f" than {named} ({ceiling}). Raise that ceiling with its reason, shorten"
                        " the buffer, or give these records a class of their own",
                        member="retention_class",
                    )


@lru_cache(maxsize=4_096)
def _may_exceed(floor: Period, buffer: Period | None, ceiling: Period) -> bool:
    """Whether there is a day from which the floor, with the buffer, ends after the ceiling."""
    for first in _FIRST_DAYS:
        for count in range(_CYCLE_DAYS):
            day = first + timedelta(days=count)
            end = floor.after(day)
            if (buffer.after(end) if buffer else end) > ceiling.after(day):
                return True
    return False


def _told(rule: Rule) -> str:
    return f"{rule.id}: {rule.period} ({rule.source})"


def _to(period: Period, day: date | None) -> str:
    return "" if day is None else f" -> {period.after(day)}"


def _names(manifest: Mapping[str, JsonValue], member: str) -> list[str]:
    listed = manifest.get(member, [])
    if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
        raise MalformedError("manifest: not an array of texts", member=member)
    return [str(each) for each in listed]
