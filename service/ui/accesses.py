"""The pages about who looked: a month of looks by pseudonym, and whose own records are declared.

What they show is written to the access log first (`report`, `Declaring`). References travel in
forms only, and none is shown again.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Final

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ledger.errors import MalformedError, NotFoundError, SecondPersonNeeded
from ledger.roles import Permission, Role
from service.access_patterns import Finding, Patterns, Tally, report
from service.api.routes import runtime
from service.own_looks import Declaring
from service.reading import Caller
from service.ui import drawing, rendering, wording
from service.ui.session import PURPOSES, Visit
from service.ui.views import Choice, Fact, Icon, Segment, Tag, Tone

__all__ = ["add_to"]

FINDINGS: Final = 100  # of one page; the report has all
ACTORS: Final = 100  # of one page, those who saw most first
FIRST_YEAR: Final = 1970  # of the links from month to month
_TAGS: Final[Mapping[str, Tag]] = {
    "denials": Tag("Refused again and again", Tone.ADVERSE, Icon.CROSS),
    "one_by_one": Tag("One by one", Tone.CAUTION, Icon.HOURGLASS),
    "out_of_hours": Tag("Out of hours", Tone.CAUTION, Icon.HOURGLASS),
    "own_records": Tag("Own records", Tone.ADVERSE, Icon.CROSS),
    "spike": Tag("Many more than usual", Tone.CAUTION, Icon.HOURGLASS),
}
_NO_LINK: Final = Fact("", "")


@dataclass(frozen=True, slots=True)
class FindingRow:
    """Something to ask about."""

    day: str
    what: Tag
    text: str
    actor: str
    role: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day's looks: a bar of the records seen, and the figures; `ask` if something stands out."""

    day: str
    segments: tuple[Segment, ...]
    records: str
    looks: str
    denied: str
    ask: Tag | None


@dataclass(frozen=True, slots=True)
class ActorRow:
    """What the looks of one pseudonym in one role come to."""

    actor: str
    role: str
    purposes: str
    records: str
    looks: str
    denied: str
    without_case: str
    outside: str
    own: str


@dataclass(frozen=True, slots=True)
class AccessesPage:
    """A month of looks; `more_findings` and `more_actors` say what is left out, or are empty."""

    month: str
    code: str
    earlier: Fact
    later: Fact
    own: str
    facts: tuple[Fact, ...]
    summary: str
    findings: tuple[FindingRow, ...]
    more_findings: str
    days: tuple[DayRow, ...]
    actors: tuple[ActorRow, ...]
    more_actors: str
    hours: bool


@dataclass(frozen=True, slots=True)
class OwnPage:
    """For whose keys references are declared, and the form for another.

    `problem` is what went wrong with the last try, or empty.
    """

    back: str
    rows: tuple[Fact, ...]
    holders: tuple[Choice, ...]
    problem: str = ""


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    for rule, view, method in (
        ("/accesses", accesses, "GET"),
        ("/accesses/own", own_references, "GET"),
        ("/accesses/own", declare_own, "POST"),
        ("/accesses/own/withdraw", withdraw_own, "POST"),
    ):
        blueprint.add_url_rule(rule, view_func=view, methods=[method])


def accesses() -> Response:
    """Who looked in a month, this one unless another is named, and what stands out."""
    month = request.args.get("month", "") or f"{runtime().clock().astimezone(UTC):%Y-%m}"
    found = report(runtime(), _caller(), month)
    value = _page(date.fromisoformat(f"{month}-01"), found)
    return rendering.page("accesses", value, here="accesses", exact="month" not in request.args)


def own_references() -> Response:
    """For whose keys own references are declared, and how many."""
    return _own_page()


def declare_own() -> AnyResponse:
    """Declare a reference as that of a key's holder, or of somebody close to them."""
    key, subject = (request.form.get(name, "").strip() for name in ("key", "subject"))
    try:
        _declaring().declare(key, subject)
    except (MalformedError, NotFoundError) as error:
        return _own_page(f"Not declared: {error}.", 422)
    return redirect(url_for("ui.own_references"), 303)


def withdraw_own() -> AnyResponse:
    """Forget a declared reference, or all of a key if none is named."""
    key, subject = (request.form.get(name, "").strip() for name in ("key", "subject"))
    try:
        _declaring().withdraw(key, subject or None)
    except (MalformedError, NotFoundError, SecondPersonNeeded) as error:
        return _own_page(f"Not withdrawn: {error}.", 422)
    return redirect(url_for("ui.own_references"), 303)


def _own_page(problem: str = "", status: int = 200) -> Response:
    rows = tuple(
        Fact(each.name or "A key that is gone", wording.number(each.count), each.key)
        for each in _declaring().all()
    )
    now = runtime().clock()
    holders = tuple(
        Choice(each.id, f"{each.name}, {wording.words(each.role).lower()}")
        for each in sorted(runtime().api_keys.list(), key=lambda each: each.name.casefold())
        if each.role is not Role.SOURCE and each.in_force(now)
    )
    value = OwnPage(url_for("ui.accesses"), rows, holders, problem)
    return rendering.page("own_references", value, here="accesses", exact=False, status=status)


def _page(first: date, found: Patterns) -> AccessesPage:
    last = date(first.year, first.month, monthrange(first.year, first.month)[1])
    hours = runtime().settings.office_hours is not None
    actors = sorted(found.by_actor.items(), key=lambda each: (-each[1].records, each[0]))
    return AccessesPage(
        month=wording.month(first),
        code=f"{first:%Y-%m}",
        earlier=_link(first - timedelta(days=1)) if first.year > FIRST_YEAR else _NO_LINK,
        later=_link(last + timedelta(days=1)) if last < date.max else _NO_LINK,
        own=url_for("ui.own_references"),
        facts=_facts(found, hours=hours),
        summary=_summary(found),
        findings=tuple(map(_finding, found.findings[:FINDINGS])),
        more_findings=_more(len(found.findings) - FINDINGS, "finding", "findings"),
        days=tuple(_days(first, last, found)),
        actors=tuple(_actor(*each, found, hours=hours) for each in actors[:ACTORS]),
        more_actors=_more(len(actors) - ACTORS, "pseudonym", "pseudonyms"),
        hours=hours,
    )


def _facts(found: Patterns, *, hours: bool) -> tuple[Fact, ...]:
    total = found.total
    outside = wording.number(total.outside) if hours else "no hours are set"
    declared = runtime().own_references.counts()
    own = wording.number(total.own) if declared else "none are declared"
    return (
        Fact("Looks", wording.number(total.looks)),
        Fact("By pseudonyms", wording.number(found.actors)),
        Fact("Records seen", wording.number(total.records)),
        Fact("Refused", wording.number(total.denied)),
        Fact("Without a case", wording.number(total.without_case)),
        Fact("Out of hours", outside),
        Fact("At own records", own),
    )


def _summary(found: Patterns) -> str:
    if not found.total.looks:
        return "Nobody looked at anything in this month."
    peak = max(found.by_day.items(), key=lambda each: (each[1].records, each[0]))
    most = wording.counted(peak[1].records, "record", "records")
    return f"Most were seen on {wording.day(peak[0])}: {most}. Lists and exports count each one."


def _days(first: date, last: date, found: Patterns) -> Iterable[DayRow]:
    """Every day of the month that has been, newest first."""
    by_day = found.by_day
    today = runtime().clock().astimezone(UTC).date()
    end = min(last, max([today, *by_day]))
    most = max((tally.records for tally in by_day.values()), default=0)
    for back in range((end - first).days + 1):
        day = end - timedelta(days=back)
        tally = by_day.get(day, Tally())
        asked = sum(each.day == day for each in found.findings)
        tone = Tone.CAUTION if asked else Tone.FAVOURABLE
        yield DayRow(
            day=wording.weekday(day),
            segments=drawing.stack([(tally.records, tone)], most),
            records=wording.number(tally.records),
            looks=wording.number(tally.looks),
            denied=wording.number(tally.denied),
            ask=Tag(wording.counted(asked, "finding", "findings"), tone, Icon.HOURGLASS)
            if asked
            else None,
        )


def _finding(each: Finding) -> FindingRow:
    count = wording.number(each.count)
    text = {
        "denials": f"refused {count} times",
        "one_by_one": f"{count} single records within an hour",
        "out_of_hours": wording.counted(each.count, "look", "looks"),
        "own_records": wording.counted(each.count, "look", "looks")
        + " at records of their own, or of people close to them",
        "spike": f"{count} records, usually {each.usual or 0:g}",
    }[each.code]
    return FindingRow(
        wording.weekday(each.day), _TAGS[each.code], text, each.actor, wording.words(each.role)
    )


def _actor(who: tuple[str, str], tally: Tally, found: Patterns, *, hours: bool) -> ActorRow:
    actor, role = who
    purposes = sorted({each[3] for each in found.rows if (each[1], each[2]) == who})
    return ActorRow(
        actor=actor,
        role=wording.words(role),
        purposes=", ".join(PURPOSES.get(each, wording.words(each)) for each in purposes),
        records=wording.number(tally.records),
        looks=wording.number(tally.looks),
        denied=wording.number(tally.denied),
        without_case=wording.number(tally.without_case),
        outside=wording.number(tally.outside) if hours else "",
        own=wording.number(tally.own),
    )


def _link(day: date) -> Fact:
    """The page of the month of a day, as a link; without an address where none is offered."""
    if day > runtime().clock().astimezone(UTC).date():
        return _NO_LINK
    return Fact("", wording.month(day), href=url_for("ui.accesses", month=f"{day:%Y-%m}"))


def _more(count: int, singular: str, plural: str) -> str:
    if count <= 0:
        return ""
    return f"{wording.counted(count, f'{singular} more', f'{plural} more')} in the report."


def _caller() -> Caller:
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    visit.caller.principal.require(Permission.ACCESSES_REVIEW)
    return visit.caller


def _declaring() -> Declaring:
    return Declaring(runtime(), _caller())
