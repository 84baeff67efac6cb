"""Who looked: the patterns of a month, for whoever reviews accesses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from service.commands.erasures import acts, caller, reference
from service.commands.terminal import print_json, speaks

if TYPE_CHECKING:
    from service.own_looks import Declaring

__all__ = ["access"]


@click.group()
def access() -> None:
    """Review who looked at records: by pseudonym, never by name."""


@access.command()
@click.option("--month", required=True, help="Such as 2026-05: pseudonyms change with it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with a row for each day.")
@acts
@speaks
def report(month: str, *, as_json: bool, **who: Any) -> None:
    """Say what stands out in a month of looks: something to ask about, no proof of a wrong."""
    from service.access_patterns import as_json as written
    from service.access_patterns import report as reported

    with caller(**who) as (runtime, acting):
        found = reported(runtime, acting, month)
    if as_json:
        print_json(written(month, found))
        return
    total = found.total
    click.echo(f"{month}: {total.looks:,} looks by {found.actors:,} pseudonyms of this month;")
    click.echo(
        f"{total.without_case:,} named no case, {total.denied:,} were refused, {total.outside:,}"
        f" were out of hours, {total.own:,} at own records. Findings: {len(found.findings):,}"
    )
    for each in found.findings:
        usual = "" if each.usual is None else f", usually {each.usual:g}"
        click.echo(f"  {each.day}  {each.code:<12}  {each.actor}  {each.role}  {each.count}{usual}")


@access.command()
@click.argument("key_id", metavar="KEY")
@click.option("--subject", default="-", help="The reference; - asks for it.  [default: -]")
@acts
@speaks
def declare(key_id: str, subject: str, **who: Any) -> None:
    """Declare a reference as that of the holder of a key, or of somebody close to them.

    From then on the report marks their looks at it, earlier ones too. KEY is the id that key
    list prints. What is kept is a keyed hash: it can be compared, and not read again.
    """
    with _declaring(**who) as declaring:
        done = declaring.declare(key_id, reference(subject) or "")
    click.echo(f"{done.count:,} of {done.name}")


@access.command()
@click.argument("key_id", metavar="KEY")
@click.option("--subject", help="The reference; - asks for it.")
@click.option("--all", "every", is_flag=True, help="All of this key.")
@acts
@speaks
def withdraw(key_id: str, subject: str | None, *, every: bool, **who: Any) -> None:
    """Forget a reference that was declared, or all of a key; never one's own."""
    if (subject is None) != every:
        raise click.UsageError("give --subject or --all")
    with _declaring(**who) as declaring:
        done = declaring.withdraw(key_id, None if every else reference(subject))
    click.echo(f"{done.count:,} of {done.name}")


@access.command()
@acts
@speaks
def declared(**who: Any) -> None:
    """List for whose keys references were declared, and how many: never which."""
    with _declaring(**who) as declaring:
        for each in declaring.all():
            click.echo(f"{each.key}  {each.count:>4,}  {each.name}")


@contextmanager
def _declaring(**who: Any) -> "Iterator[Declaring]":
    from service.own_looks import Declaring

    with caller(**who) as (runtime, found):
        yield Declaring(runtime, found)
