"""Disclosures: chosen fields of chosen decisions to somebody outside, in a file that proves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.erasures import acts
from service.commands.terminal import opened, print_json, speaks

if TYPE_CHECKING:
    from service.disclosing import Disclosing
    from service.reading import Caller
    from service.runtime import Runtime

__all__ = ["caller_of", "disclose"]

GROUNDS = (
    "authority_order",
    "consent",
    "contract",
    "data_subject_request",
    "legal_claims",
    "legal_obligation",
    "legitimate_interests",
    "public_task",
)


@click.group()
def disclose() -> None:
    """Show chosen fields to an outsider, who checks them without the rest."""


def _wanted(command: Any) -> Any:
    for option in (
        click.option("--reason", required=True, help="What the recipient needs it for, in a line."),
        click.option("--ground", required=True, type=click.Choice(GROUNDS), help="What allows it."),
        click.option("--recipient", required=True, help="Who gets it."),
        click.option(
            "--field",
            "fields",
            multiple=True,
            required=True,
            help="Such as input.income, or a section: output, explanation. As often as you like.",
        ),
        click.option(
            "--record", "records", multiple=True, required=True, help="A decision's id; as often "
            "as you like."
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@disclose.command()
@_wanted
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("disclosure.zip"),
    show_default=True,
    help="Write it to this file: personal data.",
)
@click.option("--token", default="", help="What ask gave to another officer.")
@acts
@speaks
def issue(*, output: Path, token: str, **given: Any) -> None:
    """Write a disclosure, and log that it was issued.

    The recipient checks it with: python -m ledger.verify FILE.zip --policy policy.txt
    """
    if output.suffix != ".zip":
        raise click.BadParameter("end the name in .zip, by which the verifier knows it")
    with _disclosing(given) as (acting, wanted):
        manifest, package = acting.issue(wanted, token)
    output.write_bytes(package)
    click.echo(manifest.id)
    click.echo(f"{output}: {len(manifest.records):,} records, {len(package):,} bytes", err=True)


@disclose.command()
@_wanted
@acts
@speaks
def ask(**given: Any) -> None:
    """Ask for a disclosure of many records; prints a token for the officer who agrees.

    That officer runs issue with the same options and --token, within a week.
    """
    with _disclosing(given) as (acting, wanted):
        click.echo(acting.ask(wanted))


@disclose.command("list")
@click.argument("decision_id")
@acts
@speaks
def list_(decision_id: str, **who: Any) -> None:
    """List to whom a decision was disclosed, when and what for."""
    with _acting(**who) as acting:
        found = acting.about(decision_id)
    print_json([
        {"id": each.id, "at": at.isoformat(), "recipient": each.recipient,
         "ground": each.ground.value, "purpose": each.purpose}
        for at, each in found
    ])  # fmt: skip


@contextmanager
def _acting(**who: Any) -> "Iterator[Disclosing]":
    from service.disclosing import Disclosing

    with caller_of(**who) as (runtime, caller):
        yield Disclosing(runtime, caller)


@contextmanager
def caller_of(key_file: Path, purpose: str, case: str) -> "Iterator[tuple[Runtime, Caller]]":
    """The ledger, and the holder of the key in this file."""
    from service.reading import Caller

    if str(key_file) == "-":
        text = click.prompt("Your key", hide_input=True, err=True)
    else:
        text = key_file.read_text("utf-8")
    with opened() as runtime:
        principal = runtime.api_keys.authenticate(text.strip())
        yield runtime, Caller(principal, purpose, case)


@contextmanager
def _disclosing(given: dict[str, Any]) -> Iterator[tuple["Disclosing", Any]]:
    from service.disclosing import Wanted

    who = {name: given.pop(name) for name in ("key_file", "purpose", "case")}
    wanted = Wanted(purpose=given.pop("reason"), **given)
    with _acting(**who) as acting:
        yield acting, wanted
