"""Attributions that decisions came without: how they stand, and working them out."""

from datetime import UTC, datetime

import click

from service.commands.terminal import NO, opened, print_json, speaks

__all__ = ["attributions"]


@click.group()
def attributions() -> None:
    """Look after attributions that are worked out after the decision."""


@attributions.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@speaks
def status(*, as_json: bool) -> None:
    """Say what is still to be worked out, by model, and what keeps it waiting.

    Exit status 1 if a model version waits for a person.
    """
    from service.attributing import State

    with opened() as runtime:
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
        print_json(rows)
    elif not rows:
        click.echo("Nothing is pending: every decision has its attributions, or says why not.")
    for row in [] if as_json else rows:
        click.echo(f"{row['model']}: {row['pending']:,} pending, the oldest since {row['oldest']}")
        if row["set_aside"]:
            click.echo("  SET ASIDE: its files took the worker down three times; look at them,"
                       " then run decision-ledger attributions retry")  # fmt: skip
        if row["why"]:
            click.echo(f"  waits: {row['why']}")
    if any(row["set_aside"] or row["why"] for row in rows):
        raise click.exceptions.Exit(NO)


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


def _written(microseconds: int) -> str:
    at = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
