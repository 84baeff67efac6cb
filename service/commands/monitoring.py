"""What a model does over time, in figures that name nobody."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from service.commands.terminal import opened, reading, speaks

if TYPE_CHECKING:
    from service.over_time.figures import OverTime
    from service.over_time.groups import Grouped

__all__ = ["monitor"]

PURPOSE: Final = "model_monitoring"


@click.command()
@click.option("--model", required=True, help="The model version, as name@version or digest.")
@click.option(
    "--by",
    type=click.Choice(["month", "quarter", "year"]),
    default="month",
    show_default=True,
    help="How long a period is.",
)
@click.option(
    "--reference",
    metavar="PERIOD",
    help="What the other periods are compared with, as 2026-05, 2026-Q2 or 2026.  "
    "[default: the first with 20 decisions]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="How the figures are written.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them to this file.  [default: print them]",
)
@click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a header: decision id, then a column of groups for each trait. Approval by "
    "group is printed with the figures, and not kept.",
)
@click.option("--groups-source", default="a file kept apart", help="Where that file comes from.")
@click.option("--anew", is_flag=True, help="Count every decision again, also those kept as counts.")
@click.option("--case", default="", help="The case it belongs to: a reference.")
@speaks
def monitor(
    *,
    model: str,
    by: str,
    reference: str | None,
    form: str,
    output: Path | None,
    groups: Path | None,
    groups_source: str,
    anew: bool,
    case: str,
) -> None:
    """Work out what a model did in each period, and how that moved.

    Opens every decision once, with the purpose model_monitoring, and keeps counts: the next
    run opens what is new, and counts again what was erased. Figures of fewer than 20
    decisions are left out, and said to be.
    """
    from service.over_time.figures import Period
    from service.over_time.groups import grouped
    from service.over_time.monitoring import as_csv
    from service.over_time.monitoring import monitor as monitored

    with (
        opened() as runtime,
        click.progressbar(length=1, label="Counting", file=sys.stderr) as bar,
    ):

        def told(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        reader = reading(runtime, PURPOSE, case)
        found = monitored(
            runtime, reader, model, by=Period(by), reference=reference, anew=anew, told=told
        )
        by_group = None
        if groups is not None:
            version = runtime.registry.model(model)
            by_group = grouped(runtime, reader, version, found, groups, groups_source)
    if form == "csv":
        _write(as_csv(found, by_group), output)
    else:
        shown = found.to_json() | ({"by_group": by_group.to_json()} if by_group else {})
        _write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n", output)
    _tell(found, by_group)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _tell(found: "OverTime", by_group: "Grouped | None") -> None:
    """Say on the terminal what is in no figure."""
    unseen = found.unseen
    click.echo(
        f"{found.decisions:,} decisions, periods: {len(found.periods):,}; in no figure:"
        f" {unseen.erased:,} erased, {unseen.restricted:,} restricted, {unseen.undated:,} undated;"
        f" without contributions: {unseen.without:,}, pending: {unseen.pending:,}",
        err=True,
    )
    if found.followed is not None:
        whole = found.followed.whole
        click.echo(
            f"outcomes: known of {whole.known:,} of {whole.decided:,} that are counted;"
            f" {found.followed.other:,} of other events, {found.followed.restricted:,} restricted",
            err=True,
        )
    if by_group is not None:
        click.echo(
            f"groups: {by_group.rows:,} rows, of which {by_group.unknown:,} name no decision that"
            f" is counted, and {by_group.restricted:,} one whose use is restricted",
            err=True,
        )
