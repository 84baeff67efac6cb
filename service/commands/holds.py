"""Legal holds: set one, list them, release one by two officers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from service.commands.erasures import acts, officer, reference
from service.commands.terminal import NO, speaks

__all__ = ["hold"]


@click.group()
def hold() -> None:
    """Keep a person's decisions, or some decisions, for a named legal matter."""


@hold.command("set")
@click.option(
    "--subject", help="Your reference to a person; - asks for it, so that no shell keeps it."
)
@click.option("--record", "records", multiple=True, help="A decision's id; as often as you like.")
@click.option("--matter", required=True, help="The matter by name or file number; sealed.")
@click.option("--ground", required=True, help="Why they are needed: the claim or the act; sealed.")
@click.option("--owner", required=True, help="The function that answers for it; sealed.")
@click.option(
    "--review-days", default=180, show_default=True, type=click.IntRange(1, 366),
    help="In how many days it is looked at again.",
)  # fmt: skip
@acts
@speaks
def set_hold(
    *,
    subject: str | None,
    records: tuple[str, ...],
    matter: str,
    ground: str,
    owner: str,
    review_days: int,
    **who: Any,
) -> None:
    """Set a hold: nothing that it covers is erased, and its use is restricted."""
    from ledger.operate.erasure import HoldTerms

    subject = reference(subject)
    review = datetime.now(UTC) + timedelta(days=review_days)
    with officer(**who) as acting:
        terms = HoldTerms(matter, ground, owner, review)
        found = acting.set_hold(terms, subject=subject, records=records)
    click.echo(found.id)
    click.echo(f"In force, on record; to be looked at again by {review:%Y-%m-%d}.", err=True)


@hold.command()
@click.argument("hold_id")
@click.option("--reason", required=True, help="Why it ends: a sentence, sealed.")
@acts
@speaks
def release(hold_id: str, *, reason: str, **who: Any) -> None:
    """Ask for the release of a hold; when a second officer asks as well, it is released."""
    with officer(**who) as acting:
        found = acting.release_hold(hold_id, reason)
    if found.released_at is None:
        click.echo("Asked. It stays in force until another officer asks as well.")
    else:
        click.echo("Released.")


@hold.command("list")
@click.option("--overdue", is_flag=True, help="Only those to be looked at; exit with 1 if any.")
@acts
@speaks
def list_holds(*, overdue: bool, **who: Any) -> None:
    """List the holds: id, state, review, scope, matter."""
    late = False
    with officer(**who) as acting:
        now = datetime.now(UTC)
        for each, terms in acting.holds():
            is_late = each.released_at is None and each.review_at <= now
            late = late or is_late
            if overdue and not is_late:
                continue
            state = "released" if each.released_at else "OVERDUE" if is_late else "in force"
            state = state if each.logged else f"{state}, not on record"
            scope = "a person" if each.whole_person else f"{each.records:,} records"
            matter = terms["matter"] if terms else "?"
            click.echo(f"{each.id}  {state:<9} {each.review_at:%Y-%m-%d}  {scope:<13} {matter}")
    if overdue and late:
        raise click.exceptions.Exit(NO)
