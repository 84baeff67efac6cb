"""The overview: counts that name nobody, and what needs attention.

Nothing here opens a record, so nothing is noted on the access log.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ledger.operate.decisions import DecisionQuery, Page
from ledger.operate.registry import ModelVersion, PolicyVersion
from ledger.verify.completeness import Family
from service.runtime import Runtime
from service.ui import drawing, wording
from service.ui.filters import Filter
from service.ui.source_pages import missing_tag
from service.ui.views import (
    Fact,
    ModelRow,
    Moment,
    MonthRow,
    Months,
    Notice,
    OverviewPage,
    SourceRow,
    Tag,
    Tone,
)

MONTHS: Final = 12  # rows of the chart: a year's rhythm
FIRST_MONTH: Final = date(1970, 2, 1)  # the first that a filter can name from its first day
RANGES_TOLD: Final = 5  # missing ranges named per source; the log holds them all
SOURCES: Final = 50  # of the table; the page of sources has all
SUSPENDED: Final = "suspended"

Address = Callable[[Filter], str]
"""The address of the decision list under a filter."""

SourceAddress = Callable[[str], str]
"""The address of the page of one source, or of one model version."""


def overview(
    runtime: Runtime, address: Address, source_at: SourceAddress, model_at: SourceAddress
) -> OverviewPage:
    """Return the state of the ledger as this server has it now."""
    everything = runtime.decisions.find(DecisionQuery(limit=1))
    sources = runtime.completeness.families()
    models = runtime.registry.models()
    entries, reads = runtime.logs["decisions"].size(), runtime.logs["access"].size()
    notices = (
        *_gap_notices(sources, source_at),
        *_quarantine_notices(runtime, models),
        *_model_notices(models),
    )
    return OverviewPage(
        verdict=f"{wording.counted(entries, 'entry', 'entries')} under a signed checkpoint",
        detail="The checkpoint covers every entry that this server has acknowledged. It cannot "
        "vouch for itself: the offline verifier checks it from outside.",
        tone=Tone.FAVOURABLE,
        facts=_facts(everything, reads),
        notices=notices,
        months=_months(runtime, everything, address),
        sources=tuple(_source(runtime, each, source_at(each.name)) for each in sources[:SOURCES]),
        models=_models(runtime, models, everything, address, model_at),
    )


def _facts(everything: Page, reads: int) -> tuple[Fact, ...]:
    newest = [Fact("Last decision", wording.minute(row.decided_at)) for row in everything.rows]
    return (
        Fact("Decisions", wording.number(everything.total)),
        *newest,
        Fact("Entries of the access log", wording.number(reads)),
    )


def _months(runtime: Runtime, everything: Page, address: Address) -> Months | None:
    # A source states the times of its decisions. One that is wrong, in the year 9999 say, must
    # not take the chart away from everybody else's, so it ends with the month that it is now.
    end = _midnight(_next(runtime.clock().astimezone(UTC).date().replace(day=1)))
    dated = DecisionQuery(since=_midnight(FIRST_MONTH), until=end, limit=1)
    newest = runtime.decisions.find(dated).rows
    if not newest:
        return None
    sides = tones(runtime.registry.policies())
    outcomes = sorted(
        (outcome for outcome, _ in everything.facets.outcome),
        key=lambda outcome: (sides.get(outcome) is not Tone.FAVOURABLE, outcome),
    )
    counted: list[tuple[date, dict[str, int]]] = []
    for first in _last_months(newest[0].decided_at):
        query = DecisionQuery(since=_midnight(first), until=_midnight(_next(first)), limit=1)
        counted.append((first, dict(runtime.decisions.find(query).facets.outcome)))
    while not counted[0][1]:
        counted.pop(0)
    most = max(sum(counts.values()) for _, counts in counted)
    rows = []
    for first, counts in reversed(counted):
        parts = [(counts.get(outcome, 0), sides.get(outcome, Tone.CAUTION)) for outcome in outcomes]
        span = Filter(since=first, until=_next(first) - timedelta(days=1))
        rows.append(
            MonthRow(
                month=wording.month(first),
                href=address(span),
                segments=drawing.stack(parts, most),
                counts=tuple(wording.number(count) for count, _ in parts),
                total=wording.number(sum(counts.values())),
            )
        )
    shown = sum(sum(counts.values()) for _, counts in counted)
    months = wording.counted(len(rows), "month", "months")
    return Months(
        outcomes=tuple(Tag(wording.words(o), sides.get(o, Tone.CAUTION)) for o in outcomes),
        rows=tuple(rows),
        summary=f"{wording.counted(shown, 'decision', 'decisions')} in {months}, newest first.",
    )


def tones(policies: tuple[PolicyVersion, ...]) -> dict[str, Tone]:
    """Return the tone of every outcome that a policy calls passed or failed."""
    found: dict[str, Tone] = {}
    for policy in policies:
        outcomes = policy.manifest.get("outcomes")
        sides = outcomes if isinstance(outcomes, Mapping) else {}
        found[str(sides.get("pass"))] = Tone.FAVOURABLE
        found[str(sides.get("fail"))] = Tone.ADVERSE
    return found


def _source(runtime: Runtime, family: Family, href: str) -> SourceRow:
    open_ones = runtime.completeness.gaps(family.name, limit=RANGES_TOLD, explained=False).gaps
    ranges = [_range(each.gap.first, each.gap.last) for each in open_ones]
    more = family.ranges - len(ranges)
    if more > 0:
        ranges.append(f"and {wording.counted(more, 'range more', 'ranges more')}")
    return SourceRow(
        name=family.name,
        href=href,
        received=wording.number(family.decisions),
        lanes=wording.number(family.lanes),
        gaps=missing_tag(family.unexplained, family.explained),
        missing=", ".join(ranges),
    )


def _range(first: int, last: int) -> str:
    if first == last:
        return wording.number(first)
    return f"{wording.number(first)} to {wording.number(last)}"


def _gap_notices(sources: tuple[Family, ...], source_at: SourceAddress) -> tuple[Notice, ...]:
    notices = []
    for family in sources:
        if family.unexplained:
            count = wording.counted(family.unexplained, "prediction", "predictions")
            notices.append(
                Notice(
                    title=f"{count} of {family.name} never arrived",
                    text="The counter of the source went on, and no reason was given. "
                    "Ask its operator.",
                    tone=Tone.CAUTION,
                    href=source_at(family.name),
                    link="Look at the gaps",
                )
            )
    return tuple(notices)


def _quarantine_notices(runtime: Runtime, models: tuple[ModelVersion, ...]) -> tuple[Notice, ...]:
    apart = runtime.quarantine.all()
    return tuple(
        Notice(
            title=f"{model.name} {model.version} is set apart",
            text="It does not answer here as when it was registered, so nothing is explained or "
            "replayed with it. Decisions are recorded as before. The operator has to look: "
            "decision-ledger model check.",
            tone=Tone.CAUTION,
        )
        for model in models
        if model.digest in apart
    )


def _model_notices(models: tuple[ModelVersion, ...]) -> tuple[Notice, ...]:
    return tuple(
        Notice(
            title=f"{model.name} {model.version} is suspended",
            text="New decisions by it are refused; recorded ones stay readable.",
            tone=Tone.CAUTION,
        )
        for model in models
        if model.status == SUSPENDED
    )


def _models(
    runtime: Runtime,
    models: tuple[ModelVersion, ...],
    everything: Page,
    address: Address,
    model_at: SourceAddress,
) -> tuple[ModelRow, ...]:
    counts = dict(everything.facets.model)
    rows = []
    for model in sorted(models, key=lambda model: -counts.get(model.digest, 0)):
        newest = runtime.decisions.find(DecisionQuery(model=model.digest, limit=1)).rows
        last = newest[0].decided_at if newest else None
        rows.append(
            ModelRow(
                name=f"{model.name} {model.version}",
                page=model_at(model.reference),
                digest=wording.short_digest(model.digest),
                status=wording.words(model.status),
                decisions=wording.number(counts.get(model.digest, 0)),
                href=address(Filter(model=model.digest)),
                last=Moment(wording.minute(last), wording.iso(last)) if last else None,
            )
        )
    return tuple(rows)


def _last_months(newest: datetime) -> list[date]:
    """The first days of the months up to and with the newest decision's, oldest first."""
    month = newest.astimezone(UTC).date().replace(day=1)
    months = [month]
    while len(months) < MONTHS and month > FIRST_MONTH:
        month = (month - timedelta(days=1)).replace(day=1)
        months.append(month)
    return months[::-1]


def _next(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
