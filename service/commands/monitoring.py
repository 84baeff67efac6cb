"""What a model does over time, in figures that name nobody."""

import json
import sys
from pathlib import Path
from typing import Final

import click

from service.commands.terminal import opened, print_json, reading, speaks

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
    anew: bool,
    case: str,
) -> None:
    """Work out what a model did in each period, and how that moved.

    Opens every decision once, with the purpose model_monitoring, and keeps counts: the next
    run opens what is new, and counts again what was erased. Figures of fewer than 20
    decisions are left out, and said to be.
    """
    from service.over_time.figures import Period
    from service.over_time.monitoring import as_csv
    from service.over_time.monitoring import monitor as monitored

    with (
        opened() as runtime,
        click.progressbar(length=1, label="Counting", file=sys.stderr) as bar,
    ):

        def told(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        found = monitored(
            runtime,
            reading(runtime, PURPOSE, case),
            model,
            by=Period(by),
            reference=reference,
            anew=anew,
            told=told,
        )
    if output is None and form == "json":
        print_json(found.to_json())
        return
    text = as_csv(found) if form == "csv" else json.dumps(found.to_json(), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    unseen = found.unseen
    click.echo(
        f"{found.decisions:,} decisions in {len(found.periods):,} periods; in no figure:"
        f" {unseen.erased:,} erased, {unseen.restricted:,} restricted, {unseen.undated:,} undated;"
        f" without contributions: {unseen.without:,}, pending: {unseen.pending:,}",
        err=True,
    )
