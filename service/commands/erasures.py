"""Erasures: ask, agree, look, and clean up after them. Two officers with keys of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.terminal import Arguments, Result, opened, print_json, reads, speaks

if TYPE_CHECKING:
    from ledger.operate.erasure import Erasure
    from service.erasing import Officer
    from service.reading import Caller
    from service.runtime import Runtime

__all__ = ["GROUNDS", "REFUSALS", "acts", "caller", "erasure", "officer", "reference"]

GROUNDS = (
    "authority_order",
    "child_information_service",
    "consent_withdrawn",
    "legal_obligation",
    "no_longer_necessary",
    "objection",
    "unlawful_processing",
)
REFUSALS = (
    "archiving_or_research",
    "freedom_of_expression",
    "identity_not_shown",
    "legal_claims",
    "legal_obligation_to_keep",
    "manifestly_unfounded",
    "public_health",
    "withdrawn",
)


def acts(command: Callable[Arguments, Result]) -> Callable[..., Result]:
    """Give a command the options of somebody who acts in a name: key, purpose and case."""
    return click.option(
        "--key-file",
        default="-",
        help="A file with your API key; - asks for it.  [default: -]",
        type=click.Path(allow_dash=True, path_type=Path),
    )(reads(command))


@contextmanager
def caller(key_file: Path, purpose: str, case: str) -> Iterator[tuple["Runtime", "Caller"]]:
    """The ledger, and the holder of a key.

    The terminal is nobody in particular, and four eyes need two people: so these commands take a
    key, as the doors over HTTP do.
    """
    from service.reading import Caller

    if str(key_file) == "-":
        text = click.prompt("Your key", hide_input=True, err=True)
    else:
        text = key_file.read_text("utf-8")
    with opened() as runtime:
        principal = runtime.api_keys.authenticate(text.strip())
        yield runtime, Caller(principal, purpose, case)


@contextmanager
def officer(key_file: Path, purpose: str, case: str) -> Iterator["Officer"]:
    """What the holder of a key does about erasures and holds."""
    from service.erasing import Officer

    with caller(key_file, purpose, case) as (runtime, found):
        yield Officer(runtime, found)


def reference(subject: str | None) -> str | None:
    """The reference that was given, or asked for when it is -, so that no shell keeps it."""
    if subject == "-":
        return str(click.prompt("Reference", hide_input=True, err=True))
    return subject


@click.group()
def erasure() -> None:
    """Erase people and records for good: one officer asks, another agrees."""


@erasure.command()
@click.option(
    "--subject", help="Your reference to a person; - asks for it, so that no shell keeps it."
)
@click.option("--record", "records", multiple=True, help="A decision's id; as often as you like.")
@click.option("--ground", required=True, type=click.Choice(GROUNDS), help="Why, by law.")
@acts
@speaks
def request(*, subject: str | None, records: tuple[str, ...], ground: str, **who: Any) -> None:
    """Ask for the erasure of a person, or of decisions. Nothing is erased yet."""
    subject = reference(subject)
    with officer(**who) as acting:
        found, new = acting.request(ground, subject=subject, records=records)
    click.echo(found.id)
    said = "Asked. Another officer has to approve it." if new else "It was asked for already."
    click.echo(said, err=True)


@erasure.command()
@click.argument("erasure_id")
@acts
@speaks
def approve(erasure_id: str, **who: Any) -> None:
    """Agree to somebody else's request, and erase. It cannot be taken back."""
    from ledger.errors import HoldInForce
    from service.erasing import COMPLAIN

    try:
        with officer(**who) as acting:
            found = acting.approve(erasure_id)
    except HoldInForce:
        click.echo(COMPLAIN, err=True)
        raise
    _say_done(found)


@erasure.command()
@click.argument("erasure_id")
@click.option("--reason", required=True, type=click.Choice(REFUSALS), help="Why, by law.")
@acts
@speaks
def refuse(erasure_id: str, *, reason: str, **who: Any) -> None:
    """Refuse a request."""
    from service.erasing import COMPLAIN

    with officer(**who) as acting:
        acting.refuse(erasure_id, reason)
    click.echo(f"Refused: {reason}. {COMPLAIN}")


@erasure.command("list")
@acts
@speaks
def list_erasures(**who: Any) -> None:
    """List the requests: id, stage, when, scope, ground, decisions, held."""
    with officer(**who) as acting:
        for each in acting.erasures():
            scope = "person" if each.whole_person else "records"
            click.echo(
                f"{each.id}  {each.stage:<9}  {each.requested_at:%Y-%m-%d %H:%M}  {scope:<7}"
                f"  {each.ground:<25} {each.decisions:>8,} {each.held:>6,} held"
            )


@erasure.command()
@click.argument("erasure_id")
@acts
@speaks
def show(erasure_id: str, **who: Any) -> None:
    """Show one request as JSON, with the holds that keep decisions of it."""
    from service.api.retirement import shown_erasure

    with officer(**who) as acting:
        found, kept = acting.erasure(erasure_id)
    told = {"kept": [{"decision": record, "hold": hold} for record, hold in kept]}
    print_json(shown_erasure(found) | told)


@erasure.command()
@click.argument("erasure_id")
@acts
@speaks
def certificate(erasure_id: str, **who: Any) -> None:
    """Print the certificate of an erasure that is done, as JSON, for the person concerned.

    Its receipts are checked with python -m ledger.verify; no value of the person is in it.
    """
    with officer(**who) as acting:
        print_json(acting.certificate(erasure_id).to_json())


@erasure.command()
@speaks
def resume() -> None:
    """Go on with every erasure that was cut short. The service does it when it starts."""
    with opened() as runtime:
        waiting = [
            (erasing, each) for erasing in runtime.expiring.erasings for each in erasing.under_way()
        ]
        for erasing, each in waiting:
            _say_done(erasing.resume(each.id))
    if not waiting:
        click.echo("No erasure was cut short.")


@erasure.command("clean-up")
@speaks
def clean_up() -> None:
    """Write the databases anew, so that their files hold nothing of what was erased.

    Takes room for a second copy and keeps writers out meanwhile; on PostgreSQL run it as the
    owner of the tables. Say it within the time that your answer to a request promises.
    """
    from service.erasing import clean_up as clean

    with opened() as runtime:
        count = clean(runtime)
    click.echo(f"Clean: {count:,} erasures were waiting for it.")


def _say_done(found: "Erasure") -> None:
    held = f"; {found.held:,} stay under a legal hold" if found.held else ""
    click.echo(
        f"{found.id}: erased, key destroyed: {found.decisions:,} decisions and {found.attached:,}"
        f" records that were attached to them{held}."
    )
