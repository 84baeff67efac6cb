"""What the audit report's template lays out: rates, intervals, charts and the summary.

Pure. Each figure is derived once, here, from the report's counts, and is text afterwards.
"""

from dataclasses import dataclass
from fractions import Fraction

from reports.charts import Bar, bars
from reports.columns import Column, ColumnWords, columns
from reports.completeness_view import CompletenessView, view_completeness
from reports.documents.audit_report import AuditReport, FairnessTable, Recomputation
from reports.documents.movement import ItemMoved, Movement, ScoresMoved
from reports.formatting import NOTHING, Formatting
from reports.lineage_chart import lineage
from reports.proportions import rate, ratio, wilson_interval

__all__ = ["Figure", "GroupRow", "GroupTable", "MonthRow", "ReportView", "view_report"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the first page, and what it counts."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month of the table of volumes."""

    month: str
    decisions: str
    approved: str
    declined: str
    rate: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of a fairness table."""

    group: str
    decisions: str
    approved: str
    rate: str
    interval: str
    ratio: str
    reference: bool


@dataclass(frozen=True, slots=True)
class GroupTable:
    """A fairness table with its rates."""

    trait: str
    source: str
    reference: str
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True, slots=True)
class MovedRow:
    """One month, or one item of the last month: how it moved, and what chance does."""

    name: str
    decisions: str
    index: str
    chance: str
    verdict: str


@dataclass(frozen=True, slots=True)
class MovementView:
    """What moved, in words and rows; `last` is the month of the items."""

    said: str
    last: str
    months: tuple[MovedRow, ...]
    items: tuple[MovedRow, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything that a template of the report needs beside the report itself."""

    title: str
    period: str
    figures: tuple[Figure, ...]
    summary: tuple[str, ...]
    months: tuple[MonthRow, ...]
    total: MonthRow
    lineage: str
    volumes: str
    weights: str
    groups: tuple[GroupTable, ...]
    reason_rates: tuple[str, ...]
    completeness: CompletenessView
    movement: MovementView


def view_report(report: AuditReport, write: Formatting) -> ReportView:
    """Return what the template lays out.

    Raises:
        DocumentError: a figure that cannot be drawn.
    """
    months = tuple(
        _month_row(write.month(month.first), month.decisions, month.approved, write)
        for month in report.months
    )
    return ReportView(
        title=f"Audit report: {report.card.name} {report.card.version}",
        period=f"{write.day(report.since)} to {write.day(report.until)}",
        figures=_figures(report, write),
        summary=_summary(report, write),
        months=months,
        total=_month_row("Whole period", report.decisions, report.approved, write),
        lineage=_lineage(report),
        volumes=_volumes(report, write),
        weights=_weights(report, write),
        groups=tuple(_group_table(table, write) for table in report.fairness),
        reason_rates=tuple(
            write.percent(rate(reason.count, report.declined)) for reason in report.reasons
        ),
        completeness=view_completeness(report.verification.completeness, write),
        movement=_movement(report.movement, write),
    )


def _month_row(name: str, decisions: int, approved: int, write: Formatting) -> MonthRow:
    return MonthRow(
        month=name,
        decisions=write.count(decisions),
        approved=write.count(approved),
        declined=write.count(decisions - approved),
        rate=write.percent(rate(approved, decisions)),
    )


def _figures(report: AuditReport, write: Formatting) -> tuple[Figure, ...]:
    check, again = report.verification, report.recomputation
    return (
        Figure(write.count(report.decisions), "decisions in the period"),
        Figure(write.percent(rate(report.approved, report.decisions)), "of them approved"),
        Figure(write.count(check.last - check.first + 1), "log entries verified"),
        Figure(
            f"{write.count(again.matched)} of {write.count(again.sample)}",
            "sampled decisions reproduced",
        ),
    )


def _summary(report: AuditReport, write: Formatting) -> tuple[str, ...]:
    check = report.verification
    counted = check.completeness.sources
    missing = sum(source.missing for source in counted)
    without = sum(source.unexplained for source in counted)
    sources = _counted(write, len(counted), "source")
    entries = _counted(write, check.last - check.first + 1, "entry", "entries")
    kept = (
        f"The log was verified from the bytes of {entries}: "
        f"{_counted(write, check.findings, 'finding')}. "
        f"The counters of {sources} show "
        f"{_counted(write, missing, 'missing number')}"
        + (f", {write.count(without)} without a reason." if missing else ".")
    )
    said = (
        f"The model decided {_counted(write, report.decisions, 'application')}; "
        f"{write.count(report.approved)} were approved "
        f"({write.percent(rate(report.approved, report.decisions))})."
    )
    return (
        said,
        kept,
        _recomputed(report.recomputation, write),
        *_fairness(report, write),
        _open(report, write),
    )


def _recomputed(again: Recomputation, write: Formatting) -> str:
    return (
        f"Of {_counted(write, again.population, 'decision')}, {write.count(again.sample)} drawn at "
        f"random were computed again on the archived model; {write.count(again.matched)} gave the "
        f"recorded score and contributions within the tolerance."
    )


def _fairness(report: AuditReport, write: Formatting) -> tuple[str, ...]:
    """Say for each trait which group's rate is furthest below the reference group's."""
    said = []
    for table in report.fairness:
        base = next(group for group in table.groups if group.group == table.reference)
        ratios = [
            (found, group.group)
            for group in table.groups
            if group.group != table.reference
            and (found := ratio(group.approved, group.decisions, base.approved, base.decisions))
            is not None
        ]
        if ratios:
            lowest, name = min(ratios)
            said.append(
                f"By {table.trait.lower()}, the lowest approval rate relative to "
                f"“{table.reference}” is that of “{name}”: {write.ratio(lowest)} "
                f"({'under' if lowest < Fraction(4, 5) else 'not under'} four fifths)."
            )
    return tuple(said)


def _open(report: AuditReport, write: Formatting) -> str:
    if not report.findings:
        judged = " Whether differences between groups are justified is for people to judge."
        return "This report lists no findings." + (judged if report.fairness else "")
    return f"This report lists {_counted(write, len(report.findings), 'finding')}; see section 8."


def _counted(write: Formatting, count: int, one: str, many: str = "") -> str:
    if not count:
        return f"no {many or one + 's'}"
    return f"{write.count(count)} {one if count == 1 else many or one + 's'}"


def _lineage(report: AuditReport) -> str:
    if not report.card.lineage:
        return ""
    return lineage(report.card.lineage, chart_id="lineage", title="From data to decisions")


def _volumes(report: AuditReport, write: Formatting) -> str:
    several = len({month.first.year for month in report.months}) > 1
    shown = [
        Column(
            write.short_month(month.first) + (f" {month.first.year}" if several else ""),
            month.decisions,
            month.approved,
            write.count(month.decisions),
            write.percent(rate(month.approved, month.decisions)),
        )
        for month in report.months
    ]
    shares = (Fraction(0), Fraction(1, 2), Fraction(1))
    none, half, every = (write.percent(share, 0) for share in shares)
    words = ColumnWords("Decisions", "Approval rate", "approved", "declined", (none, half, every))
    return columns(shown, words, chart_id="volumes", title="Decisions and approval rate by month")


def _weights(report: AuditReport, write: Formatting) -> str:
    if not report.weights:
        return ""
    shown = [
        Bar(weight.label, weight.points, write.decimal(weight.points, 1))
        for weight in report.weights
    ]
    title = "How far each item moves the score on average, in points"
    return bars(shown, chart_id="weights", title=title)


def _movement(found: Movement | None, write: Formatting) -> MovementView:
    if found is None:
        return MovementView("Nobody looked whether it moved.", "", (), ())
    few = f"fewer than {write.count(found.fewest)} decisions"
    if found.reference is None:
        return MovementView(f"Not compared: every month of the period has {few}.", "", (), ())
    said = (
        f"Compared with {write.month(found.reference)}, the first month of the period with enough"
        f" decisions ({write.count(found.reference_decisions)})."
    )
    if not found.scores:
        said += " No later month has enough to be compared."
    if found.left_out:
        said += f" Not compared: {_counted(write, found.left_out, 'month')} with {few}."
    return MovementView(
        said,
        write.month(found.last) if found.last else "",
        tuple(_moved_row(write.month(each.first), each, write) for each in found.scores),
        tuple(_moved_row(each.label, each, write) for each in found.items),
    )


def _moved_row(name: str, moved: ScoresMoved | ItemMoved, write: Formatting) -> MovedRow:
    return MovedRow(
        name=name,
        decisions=write.count(moved.decisions),
        index=write.decimal(moved.index, 3),
        chance=write.decimal(moved.chance, 3),
        verdict="more than chance" if moved.index > moved.chance else "within chance",
    )


def _group_table(table: FairnessTable, write: Formatting) -> GroupTable:
    base = next(group for group in table.groups if group.group == table.reference)
    rows = []
    for group in table.groups:
        interval = wilson_interval(group.approved, group.decisions)
        ends = (
            f"{write.percent(Fraction(interval.low))} to {write.percent(Fraction(interval.high))}"
            if interval
            else NOTHING
        )
        own = ratio(group.approved, group.decisions, base.approved, base.decisions)
        rows.append(
            GroupRow(
                group=group.group,
                decisions=write.count(group.decisions),
                approved=write.count(group.approved),
                rate=write.percent(rate(group.approved, group.decisions)),
                interval=ends,
                ratio=write.ratio(own),
                reference=group.group == table.reference,
            )
        )
    return GroupTable(table.trait, table.source, table.reference, tuple(rows))
