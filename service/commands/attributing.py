"""Attributions that decisions came without: how they stand, and working them out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.terminal import NO, opened, print_json, reading, reads, speaks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.operate.attributions import Counts

__all__ = ["attributions"]

_REASONS: Final = {
    "does_not_add_up": "the contributions do not add up to the model's own score",
    "input_incomplete": "what was recorded of the input is not complete",
    "input_not_kept": "the source sent a hash of the input, not the input",
    "not_reproduced": "the archived model gives another score than was recorded",
    "not_taken_apart": "the model was registered for scoring only",
}


@click.group()
def attributions() -> None:
    """Look after attributions that are worked out after the decision."""


@attributions.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@speaks
def status(*, as_json: bool) -> None:
    """Say what is still to be worked out, what was, what cannot be, and what waits for whom.

    Exit status 1 if a model version waits for a person.
    """
    from service.attributing import State

    with opened() as runtime:
        counts = runtime.attributions.counts()
        standing = runtime.attributions.standing()
        names = {each.model: runtime.registry.model(each.model).reference for each in standing}
        troubles = State(runtime.settings.attributions_path).read()
    rows = [
        {
            "model": names[each.model],
            "pending": each.count,
            "oldest": _written(each.oldest_us),
            "set_aside": each.model in troubles and troubles[each.model].set_aside,
            "why": troubles[each.model].why if each.model in troubles else "",
        }
        for each in standing
    ]
    if as_json:
        oldest = None if counts.oldest_us is None else _written(counts.oldest_us)
        print_json(
            {"pending": counts.pending, "done": counts.done,
             "impossible": dict(counts.impossible), "oldest": oldest, "waiting": rows}
        )  # fmt: skip
    else:
        _tell(counts, rows)
    if any(row["set_aside"] or row["why"] for row in rows):
        raise click.exceptions.Exit(NO)


def _tell(counts: "Counts", rows: "Sequence[Mapping[str, Any]]") -> None:
    click.echo(f"{counts.pending:,} pending, {counts.done:,} worked out and attached.")
    for reason, count in counts.impossible.items():
        if count:
            click.echo(f"{count:,} cannot be: {_REASONS[reason]}.")
    for row in rows:
        click.echo(f"{row['model']}: {row['pending']:,} pending, the oldest since {row['oldest']}")
        if row["set_aside"]:
            click.echo("  SET ASIDE: its files took the worker down three times; look at them,"
                       " then run decision-ledger attributions retry")  # fmt: skip
        if row["why"]:
            click.echo(f"  waits: {row['why']}")


@attributions.command()
@speaks
def work() -> None:
    """Work out what is pending now, in this process. `serve` does so by itself."""
    from service.attributing import Attributing

    with opened() as runtime:
        task, done = Attributing.of(runtime), 0
        while now := task.work():
            done += now
        left = sum(each.count for each in runtime.attributions.standing())
    click.echo(f"{done:,} settled, {left:,} left.")
    if left:
        click.echo("Why: decision-ledger attributions status", err=True)
        raise click.exceptions.Exit(NO)


@attributions.command()
@speaks
def retry() -> None:
    """Try model versions again that were set aside."""
    from service.attributing import State

    with opened() as runtime:
        state = State(runtime.settings.attributions_path)
        for digest in state.read():
            state.note(digest, None)
    click.echo("Every model version is tried again.")


@attributions.command()
@click.argument("decision_id")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file."
)
@click.option(
    "--openings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the opening to this file: personal data.",
)
@click.option(
    "--show",
    multiple=True,
    metavar="FIELD",
    help="Open this field alone, such as values.income; repeat it for more.",
)
@reads
@speaks
def proof(
    decision_id: str,
    *,
    output: Path | None,
    openings: Path | None,
    show: tuple[str, ...],
    purpose: str,
    case: str,
) -> None:
    """Write the proof that a decision's attributions were attached later, and when.

    Check it anywhere with: python -m ledger.verify FILE --policy policy.txt
    """
    from ledger.operate.access_log import Manner

    with opened() as runtime:
        reader = reading(runtime, purpose, case)
        fields = ("proof",) if openings is None else ("attributions",)
        reader.note([decision_id], fields, manner=Manner.EXPORT)
        text = runtime.reporting.later_receipt(decision_id)
        if openings is not None:
            openings.write_bytes(runtime.reporting.later_openings(decision_id, show or None))
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _written(microseconds: int) -> str:
    at = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
