"""The pages about sources: numbers that name nobody, so that nothing is noted on the access log."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from ledger.entries import SourceTotal
from ledger.errors import MalformedError
from ledger.operate.completeness import OPERATOR, OperatorReason, SourceGapAt, StripCell
from ledger.roles import Permission, Principal
from ledger.verify.completeness import (
    Family,
    Filling,
    Gap,
    Reconciled,
    SourceSummary,
    Verdict,
    families,
)
from service.runtime import Runtime
from service.ui import wording
from service.ui.drawing import WIDTH
from service.ui.source_views import (
    ExplainForm,
    FamilyRow,
    GapRow,
    LaneRow,
    LateRow,
    SourcePage,
    SourcesPage,
    Strip,
    StripPiece,
    TotalRow,
)
from service.ui.views import Choice, Fact, Icon, Moment, Tag, Tone

__all__ = ["missing_tag", "parse_choice", "source_page", "sources_page"]

CELLS: Final = 100  # of a strip: one is some six pixels
STRIPS: Final = 100  # drawn on one page
LANES: Final = 50  # of one page, the worst first
GAPS: Final = 50  # of one page
LATE: Final = 20  # the newest
TOTALS: Final = 20  # the newest
_VERDICTS: Final = {
    Verdict.AGREES: Tag("Agrees", Tone.PLAIN, Icon.TICK),
    Verdict.MORE: Tag("More than stated", Tone.CAUTION, Icon.CROSS),
    Verdict.SHORT: Tag("Short", Tone.CAUTION, Icon.HOURGLASS),
    Verdict.UNKNOWN: Tag("Cannot be told", Tone.CAUTION, Icon.DASH),
}

Address = Callable[[str], str]
"""The address of the page of one source."""


def sources_page(runtime: Runtime, address: Address) -> SourcesPage:
    """Return every source by the name that its lanes share."""
    known, now = runtime.completeness, runtime.clock()
    summaries = known.summaries()
    found = families(summaries)
    rows = []
    for at, family in enumerate(found):
        lanes = [each for each in summaries if _is_of(each, family)]
        worst = max(lanes, key=lambda each: (each.unexplained, each.missing, each.recorded))
        strip = _strip(runtime, worst) if at < STRIPS else None
        rows.append(_family(family, worst, strip, address, now))
    open_ones = sum(each.unexplained for each in found)
    explained = sum(each.explained for each in found)
    facts = (
        Fact("Received", wording.counted(sum(e.decisions for e in found), "decision", "decisions")),
        Fact("Missing without a reason", wording.number(open_ones)),
        Fact("Missing with a reason", wording.number(explained)),
    )
    totals = tuple(_total(each) for each in known.totals(limit=TOTALS))
    return SourcesPage(facts, tuple(rows), totals)


def source_page(
    runtime: Runtime,
    name: str,
    principal: Principal,
    *,
    cursor: str,
    home: str,
    action: str,
    here: str,
    problem: str = "",
) -> SourcePage:
    """Return one source, or all lanes of a family, with a page of its gaps.

    Raises:
        NotFoundError: nothing is known of it.
        MalformedError: the cursor is not one of ours.
    """
    known, now = runtime.completeness, runtime.clock()
    lanes = known.lanes(name)
    (family,) = families(lanes)
    page = known.gaps(name, cursor=cursor or None, limit=GAPS)
    totals = known.totals(name, TOTALS)
    worst = sorted(lanes, key=lambda each: (-each.unexplained, -each.missing, each.source))
    more = len(lanes) - LANES
    beyond = [gap for gap in known.beyond(name, GAPS) if not cursor]
    return SourcePage(
        name=name,
        home=home,
        facts=_facts(family, now),
        lanes=tuple(_lane(runtime, each) for each in worst[:LANES]),
        more_lanes=f"and {wording.counted(more, 'lane more', 'lanes more')}" if more > 0 else "",
        gaps=tuple(map(_gap, page.gaps)),
        beyond=tuple(map(_gap, beyond)),
        next=f"{here}?cursor={page.next_cursor}" if page.next_cursor else "",
        late=_late(runtime, name, principal),
        totals=tuple(map(_total, totals)),
        explain=_form(page.gaps, totals, action, problem)
        if principal.may(Permission.SOURCES_STATE)
        else None,
    )


def parse_choice(text: str) -> tuple[str, int, int]:
    """Return the source and the range of a choice of the form.

    Raises:
        MalformedError: it is none.
    """
    source, *ends = text.rsplit(":", 2)
    if len(ends) != 2 or not all(e.isascii() and e.isdigit() and len(e) < 17 for e in ends):  # noqa: PLR2004  two ends of at most 16 digits
        raise MalformedError("choose what to explain")
    return source, int(ends[0]), int(ends[1])


def missing_tag(unexplained: int, explained: int) -> Tag:
    """Return how much is missing, and of how much somebody said why."""
    if not unexplained + explained:
        return Tag("None", Tone.PLAIN, Icon.TICK)
    text = f"{wording.number(unexplained + explained)} missing"
    if not unexplained:
        return Tag(f"{text}, all explained", Tone.PLAIN, Icon.DASH)
    more = f", {wording.number(explained)} explained" if explained else ""
    return Tag(f"{text}{more}", Tone.CAUTION, Icon.HOURGLASS)


def _is_of(source: SourceSummary, family: Family) -> bool:
    return source.source == family.name or source.source.rpartition(".")[0] == family.name


def _family(
    family: Family, worst: SourceSummary, strip: Strip | None, address: Address, now: datetime
) -> FamilyRow:
    heard = family.arrivals.heard
    several = family.lanes > 1
    return FamilyRow(
        name=family.name,
        href=address(family.name),
        received=wording.number(family.decisions),
        lanes=wording.number(family.lanes),
        missing=missing_tag(family.unexplained, family.explained),
        late=wording.number(family.arrivals.late),
        heard=_moment(heard),
        silent="" if heard is None else f"{_span(now - heard)} ago",
        lane=worst.source if several else "",
        strip=strip,
    )


def _facts(family: Family, now: datetime) -> tuple[Fact, ...]:
    how = family.arrivals
    late = wording.number(how.late)
    if how.longest is not None:
        late += f", by up to {_span(how.longest)}"
    heard = "never"
    if how.heard is not None:
        heard = f"{wording.minute(how.heard)}, {_span(now - how.heard)} ago"
    stated = [Fact("Stated besides", wording.number(family.outside))] if family.outside else []
    return (
        Fact("Received", wording.number(family.decisions)),
        Fact("Missing without a reason", wording.number(family.unexplained)),
        Fact("Missing with a reason", wording.number(family.explained)),
        *stated,
        Fact("Repeated", wording.number(how.repeated)),
        Fact("Late", late),
        Fact("Out of order", wording.number(how.out_of_order)),
        Fact("Last heard of", heard),
    )


def _lane(runtime: Runtime, lane: SourceSummary) -> LaneRow:
    return LaneRow(
        name=lane.source,
        counters="" if lane.last is None else _range(lane.first or 0, lane.last),
        missing=missing_tag(lane.unexplained, lane.explained),
        repeated=wording.number(lane.repeated),
        heard=_moment(lane.arrivals.heard),
        strip=_strip(runtime, lane),
    )


def _strip(runtime: Runtime, lane: SourceSummary) -> Strip | None:
    cells = runtime.completeness.strip(lane.source, CELLS)
    if not cells or lane.last is None:
        return None
    pieces, at = [], 0
    for state, alike in groupby(cells):
        before, at = at, at + len(list(alike))
        x, end = before * WIDTH // len(cells), at * WIDTH // len(cells)
        pieces.append(StripPiece(x, end - x, str(StripCell(state))))
    return Strip(tuple(pieces), wording.number(lane.first or 0), wording.number(lane.last))


def _gap(found: SourceGapAt) -> GapRow:
    gap = found.gap
    return GapRow(
        source=found.source,
        counters=_range(gap.first, gap.last),
        size=wording.number(gap.size),
        state=_reason(gap),
        since=_moment(gap.since),
        stated=_moment(gap.stated),
    )


def _reason(gap: Gap) -> Tag:
    if gap.reason is None:
        return Tag("No reason given", Tone.CAUTION, Icon.HOURGLASS)
    words = wording.words(gap.reason.removeprefix(OPERATOR))
    who = "operator" if gap.reason.startswith(OPERATOR) else "source"
    return Tag(f"{words} (says the {who})", Tone.PLAIN, Icon.DASH)


def _late(runtime: Runtime, name: str, principal: Principal) -> tuple[LateRow, ...]:
    found = runtime.completeness.fillings(name)[:LATE]
    may = principal.may(Permission.DECISIONS_FIND)
    decided = runtime.completeness.decided([each for _, each in found]) if may else {}
    return tuple(_filled(source, each, decided.get(each.index)) for source, each in found)


def _filled(source: str, filling: Filling, decided: datetime | None) -> LateRow:
    return LateRow(
        source=source,
        counters=_range(filling.first, filling.last),
        since=_at(filling.since),
        arrived=_at(filling.arrived),
        delay=_span(filling.arrived - filling.since),
        decided=_moment(decided),
    )


def _total(total: Reconciled) -> TotalRow:
    body = total.stated.body
    if isinstance(body, SourceTotal):
        span = f"counters {_range(body.first, body.last)}"
    else:
        span = f"{wording.minute(body.since)} to {wording.minute(body.until)}"
    return TotalRow(
        source=body.source,
        span=span,
        stated=wording.number(body.count),
        held="" if total.held is None else wording.number(total.held),
        verdict=_VERDICTS[total.verdict],
        detail=_detail(total),
        at=_at(total.stated.at),
    )


def _detail(total: Reconciled) -> str:
    if total.undatable:
        count = wording.counted(total.undatable, "decision", "decisions")
        return f"of {count} it was erased when they were made"
    said = []
    if total.verdict in {Verdict.SHORT, Verdict.MORE}:
        said.append(f"by {wording.number(abs(total.short))}")
    if total.explained:
        said.append(f"{wording.number(total.explained)} missing with a reason")
    return ", ".join(said)


def _form(
    gaps: Sequence[SourceGapAt], totals: Sequence[Reconciled], action: str, problem: str
) -> ExplainForm | None:
    """Everything on the page that is missing and has no reason, the ends of lanes included."""
    wanted = {(each.source, each.gap.first, each.gap.last): None for each in gaps if _open(each)}
    for total in totals:
        source = total.stated.body.source
        ends = [gap for gap in total.missing if gap.reason is None and gap.since is None]
        wanted |= {(source, gap.first, gap.last): None for gap in ends}
    if not wanted and not problem:
        return None
    return ExplainForm(
        action=action,
        gaps=tuple(
            Choice(f"{source}:{first}:{last}", f"{source}, {_range(first, last)}")
            for source, first, last in wanted
        ),
        reasons=tuple(
            Choice(str(each), wording.words(each.removeprefix(OPERATOR))) for each in OperatorReason
        ),
        problem=problem,
    )


def _open(found: SourceGapAt) -> bool:
    return found.gap.reason is None


def _range(first: int, last: int) -> str:
    if first == last:
        return wording.number(first)
    return f"{wording.number(first)} to {wording.number(last)}"


def _moment(at: datetime | None) -> Moment | None:
    return None if at is None else _at(at)


def _at(at: datetime) -> Moment:
    return Moment(wording.minute(at), wording.iso(at))


def _span(span: timedelta) -> str:
    """Return a span in the largest unit of which there are at least two."""
    seconds = max(int(span.total_seconds()), 0)
    for one, many, size in (("day", "days", 86_400), ("hour", "hours", 3_600)):
        if seconds >= 2 * size:
            return wording.counted(seconds // size, one, many)
    return wording.counted(seconds // 60, "minute", "minutes")
