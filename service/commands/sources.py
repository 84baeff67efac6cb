"""The sources of decisions: what is missing of each, and what is said about that."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from service.commands.terminal import NO, opened, speaks

if TYPE_CHECKING:
    # Imported for real inside: --help must not wait for databases.
    from ledger.operate.completeness import Completeness
    from ledger.verify.completeness import Family, Gap, Reconciled, SourceSummary

__all__ = ["sources"]

GAPS_SHOWN: Final = 5  # of each family in the list; `sources show` has all
TOTALS_SHOWN: Final = 20  # the newest
REASONS: Final = ("cancelled", "elsewhere", "lost", "outage", "reset", "test", "unknown")


class _Moment(click.ParamType[datetime]):
    """A moment in UTC: a day, or RFC 3339 with a Z."""

    name = "TIME"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment, aware and in UTC."""
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            at = None
        if at is None or (at.tzinfo is None and len(value) > len("2026-05-14")):
            self.fail("write 2026-05-14, or 2026-05-14T09:31:07Z", param, ctx)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@click.group(invoke_without_command=True)
@click.pass_context
@speaks
def sources(context: click.Context) -> None:
    """Say of each source what its counter shows to be missing.

    Lanes are summed by the name before their last full stop. Exits with 1 if counters are
    missing without a reason, or a stated total does not agree.
    """
    if context.invoked_subcommand is not None:
        return
    with opened() as runtime:
        known, now = runtime.completeness, runtime.clock()
        families = known.families()
        for family in families:
            click.echo(_family(family, now))
            if family.unexplained:
                _say_gaps(known, family.name, GAPS_SHOWN, family.ranges)
        totals = known.totals(limit=TOTALS_SHOWN)
        for each in totals:
            click.echo(_total(each))
    if any(each.unexplained for each in families) or not all(each.is_settled for each in totals):
        raise click.exceptions.Exit(NO)


@sources.command("show")
@click.argument("name")
@speaks
def show(name: str) -> None:
    """Show every gap of a source, or of all lanes of NAME, and what arrived late."""
    from ledger.verify.completeness import families

    with opened() as runtime:
        known = runtime.completeness
        lanes = known.lanes(name)
        (family,) = families(lanes)
        click.echo(_family(family, runtime.clock()))
        for lane in lanes:
            click.echo(f"  {lane.source}: {_counters(lane.first, lane.last)}, {_sum(lane)}")
        cursor: str | None = None
        while True:
            page = known.gaps(name, cursor=cursor)
            for gap in page.gaps:
                click.echo(f"  {gap.source} {_gap(gap.gap)}")
            cursor = page.next_cursor
            if cursor is None:
                break
        for source, late in known.fillings(name):
            click.echo(
                f"  {source} {_span(late.first, late.last)}: missing from {_moment(late.since)}, "
                f"arrived by {_moment(late.arrived)}"
            )
        totals = known.totals(name)
        for each in totals:
            click.echo(_total(each))
    if family.unexplained or not all(each.is_settled for each in totals):
        raise click.exceptions.Exit(NO)


@sources.command("explain")
@click.argument("source")
@click.argument("first", type=click.IntRange(0))
@click.argument("last", type=click.IntRange(0))
@click.argument("reason", type=click.Choice(REASONS))
@speaks
def explain(source: str, first: int, last: int, reason: str) -> None:
    """Log why the counters FIRST to LAST of SOURCE are missing, as you found out.

    The gap stays; the reason stands beside it, and begins with operator_ in the log. Where
    the source gave a reason itself, that one stays.
    """
    from ledger.operate.completeness import OPERATOR, OperatorReason

    with opened() as runtime:
        place = runtime.completeness.explain(
            source, first, last, OperatorReason(f"{OPERATOR}{reason}")
        )
    was = "On record" if place.is_new else "On record before"
    click.echo(f"{was} as entry {place.seq} ({place.id}).")


@sources.command("total")
@click.argument("source")
@click.argument("count", type=click.IntRange(0))
@click.option("--first", type=click.IntRange(0), help="The first counter of the total.")
@click.option("--last", type=click.IntRange(0), help="The last counter, included.")
@click.option("--since", type=_Moment(), help="From this time of decision on, in UTC.")
@click.option("--until", type=_Moment(), help="Before this time of decision.")
@speaks
def total(
    *,
    source: str,
    count: int,
    first: int | None,
    last: int | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Log that SOURCE made COUNT predictions, and compare that with what is here.

    Give --first and --last, or --since and --until; a period may be of all lanes of a name.
    Exits with 1 if it does not agree. It is compared anew by every decision-ledger sources.
    """
    with opened() as runtime:
        known = runtime.completeness
        if first is not None and last is not None and (since, until) == (None, None):
            place = known.state_total(source, first, last, count)
        elif since is not None and until is not None and (first, last) == (None, None):
            if until > runtime.clock():
                raise click.BadParameter("the period is not over yet", param_hint="--until")
            place = known.state_period(source, since, until, count)
        else:
            raise click.UsageError("give --first and --last, or --since and --until")
        found = known.total_at(place.seq)
    click.echo(f"{_total(found)} (entry {place.seq})")
    if not found.is_settled:
        raise click.exceptions.Exit(NO)


def _family(family: "Family", now: datetime) -> str:
    lanes = "" if family.lanes == 1 else f" in {family.lanes:,} lanes"
    text = f"{family.name}: {family.recorded:,} recorded{lanes}, {_sum(family)}"
    how = family.arrivals
    text += f", {how.repeated:,} repeated" if how.repeated else ""
    text += f", {how.late:,} late" if how.late else ""
    text += f", {how.out_of_order:,} out of order" if how.out_of_order else ""
    if how.heard is None:
        return f"{text}; never heard of"
    return f"{text}; last heard of {_moment(how.heard)}, {_ago((now - how.heard).total_seconds())}"


def _sum(of: "Family | SourceSummary") -> str:
    if of.missing:
        text = f"{of.unexplained:,} missing without a reason, {of.explained:,} with one"
    else:
        text = "none missing"
    return text + (f", {of.outside:,} besides stated to be missing" if of.outside else "")


def _say_gaps(known: "Completeness", name: str, most: int, ranges: int) -> None:
    page = known.gaps(name, limit=most, explained=False)
    for each in page.gaps:
        click.echo(f"  {each.source} {_gap(each.gap)}")
    if ranges > most:
        click.echo(f"  and {ranges - most:,} ranges more: decision-ledger sources show {name}")


def _gap(gap: "Gap") -> str:
    text = f"missing {_span(gap.first, gap.last)}: {gap.reason or 'no reason given'}"
    return text if gap.since is None else f"{text}, to be seen since {_moment(gap.since)}"


def _total(total: "Reconciled") -> str:
    from ledger.entries import SourceTotal

    body = total.stated.body
    if isinstance(body, SourceTotal):
        of = f"with counters {_span(body.first, body.last)}"
    else:
        of = f"from {_moment(body.since)} to {_moment(body.until)}"
    text = f"{body.source} stated {body.count:,} {of}: {total.verdict}, {total.held:,} are here"
    if total.undatable:
        text += f"; of {total.undatable:,} it was erased when they were made"
    if total.missing:
        shown = ", ".join(_span(gap.first, gap.last) for gap in total.missing[:GAPS_SHOWN])
        more = total.ranges - min(len(total.missing), GAPS_SHOWN)
        text += f"; not here: {shown}" + (f" and {more:,} ranges more" if more else "")
        text += f"; {total.explained:,} of these with a reason" if total.explained else ""
    return text


def _counters(first: int | None, last: int | None) -> str:
    return "nothing received" if last is None else _span(first or 0, last)


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size):,} {unit} ago"
    return "just now"
