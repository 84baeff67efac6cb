"""Corrections: set wrong data right, see what it would change, close the task to decide again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from service.commands.erasures import acts, caller
from service.commands.terminal import print_json, speaks

if TYPE_CHECKING:
    from service.correcting import Correcting

__all__ = ["correction"]


@click.group()
def correction() -> None:
    """Set wrong data right, and decide again."""


@correction.command()
@click.argument("decision_id")
@click.option(
    "--set", "changes", multiple=True, required=True, metavar="input.NAME=VALUE",
    help="A field and its right value, as JSON or text; as often as you like.",
)  # fmt: skip
@click.option("--why", required=True, help="What shows that it is right.")
@acts
@speaks
def make(decision_id: str, *, changes: tuple[str, ...], why: str, **who: Any) -> None:
    """Correct fields of a decision's data. The decision stays as it was logged."""
    read = dict(map(_change, changes))
    with _acting(**who) as acting:
        entry = acting.correct(decision_id, read, why)
    click.echo(entry.id)
    click.echo("Corrected. Somebody has to decide again.", err=True)


@correction.command()
@click.argument("decision_id")
@acts
@speaks
def show(decision_id: str, **who: Any) -> None:
    """Show a decision's corrections, and what the archived model gives with them, as JSON."""
    from service.api.corrections import shown_case

    with _acting(**who) as acting:
        print_json(shown_case(acting.case(decision_id)))


@correction.command()
@click.argument("decision_id")
@click.argument("correction_id")
@click.option("--why", required=True, help="Why it is so.")
@click.option("--decision", help="The new decision.  [default: the old one stands]")
@acts
@speaks
def close(
    decision_id: str, correction_id: str, *, why: str, decision: str | None, **who: Any
) -> None:
    """Close the task to decide again."""
    with _acting(**who) as acting:
        click.echo(acting.close(decision_id, correction_id, why, decision).id)


@correction.command("list")
@acts
@speaks
def list_tasks(**who: Any) -> None:
    """List the decisions that wait to be decided again."""
    with _acting(**who) as acting:
        for each in acting.tasks():
            click.echo(each)


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter("give NAME=VALUE", param_hint="--set")
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    return name, read


@contextmanager
def _acting(**who: Any) -> Iterator["Correcting"]:
    from service.correcting import Correcting

    with caller(**who) as (runtime, found):
        yield Correcting(runtime, found)
