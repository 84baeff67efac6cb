"""Running decisions again on the archived model: one, a drawn sample, or all of a period."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.terminal import NO, opened, print_json, reading, reads, speaks

if TYPE_CHECKING:
    from service.replaying import Tally

__all__ = ["replay"]

_DAY = click.DateTime(formats=["%Y-%m-%d"])
STEP = 0.5  # seconds between two lines of progress on a terminal


@click.command()
@click.argument("decision_id", required=False)
@click.option(
    "--sample", type=click.IntRange(min=1), help="Draw so many decisions and run them again."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the draw.")
@click.option("--all", "everything", is_flag=True, help="Run every decision again.")
@click.option("--model", help="Only of this model version: name@version or digest.")
@click.option("--policy", help="Only of this policy version: name@version or digest.")
@click.option("--since", type=_DAY, help="First day, by the time of decision.")
@click.option("--until", type=_DAY, help="Last day, included.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("replay.jsonl"),
    show_default=True,
    help="The verdicts, one a line; a run that was cut off goes on there.",
)
@reads
@speaks
def replay(
    decision_id: str | None,
    *,
    sample: int | None,
    seed: int,
    everything: bool,
    model: str | None,
    policy: str | None,
    since: datetime | None,
    until: datetime | None,
    output: Path,
    purpose: str,
    case: str,
) -> None:
    """Run the archived model on the recorded input again and compare.

    Of one decision; or of a sample or all of a period, into a file. Exits with 0 if it
    reproduces all that was recorded, else with 1.
    """
    if (decision_id is not None) + (sample is not None) + everything != 1:
        raise click.UsageError("name a decision, or ask for --sample N or --all")
    if decision_id is not None:
        _replay_one(decision_id, purpose, case)
        return
    from service.replaying import ReplayRequest, replay_many, summary_path

    request = ReplayRequest(
        model=model,
        policy=policy,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) + timedelta(days=1) if until else None,
        sample=sample,
        seed=seed,
    )
    with opened() as runtime:
        tally, population = replay_many(
            runtime, reading(runtime, purpose, case), request, output, _line()
        )
    print_json(tally.to_json())
    click.echo(
        f"{tally.count:,} of {population:,} decisions: {output}, {summary_path(output)}", err=True
    )
    _end(tally)


def _replay_one(decision_id: str, purpose: str, case: str) -> None:
    with opened() as runtime:
        reading(runtime, purpose, case).note([decision_id], ("attributions", "input", "output"))
        found = runtime.explaining.replay(decision_id)
    grade = f" (grade {found.grade})" if found.grade else ""
    click.echo(f"{found.verdict}{grade}: {found.why}")
    for told in found.environment:
        click.echo(f"  {told}")
    for each in found.differences:
        click.echo(f"  {each.part}: recorded {each.recorded}, now {each.now}")
    if found.verdict != "reproduced":
        raise click.exceptions.Exit(NO)


def _end(tally: "Tally") -> None:
    if tally.verdicts["reproduced"] != tally.count:
        raise click.exceptions.Exit(NO)


def _line(clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Say how far it is and how long it takes, on a terminal's one line or at every tenth."""
    live = sys.stderr.isatty()
    began: tuple[float, int] | None = None
    told = 0.0

    def show(done: int, total: int) -> None:
        nonlocal began, told
        now = clock()
        if began is None:
            began = now, done
            if done:
                click.echo(f"{done:,} of {total:,} were done before", err=True)
            return
        tenth = total // 10 or 1
        if (now - told < STEP and done < total) if live else (done % tenth and done < total):
            return
        told = now
        text = f"{done:,} of {total:,}, {_left(now - began[0], done - began[1], total - done)}"
        click.echo(f"\r{text:<60}" if live else text, err=True, nl=not live or done == total)

    return show


def _left(spent: float, done: int, rest: int) -> str:
    """How long the rest takes, in words."""
    if not rest:
        return f"{spent:.0f} s"
    seconds = spent / done * rest
    if seconds < 90:  # noqa: PLR2004  # seconds are what a person counts up to here
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left"
