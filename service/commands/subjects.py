"""What a person is entitled to: a copy of everything that is held about them."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ledger.private_files import FILE_MODE
from service.commands.erasures import acts, officer, reference
from service.commands.terminal import opened, speaks

__all__ = ["subject"]


@click.group()
def subject() -> None:
    """Answer a person's requests about their data."""


@subject.command()
@click.option(
    "--subject", "whom", default="-", show_default=True,
    help="Your reference to the person; - asks for it, so that no shell keeps it.",
)  # fmt: skip
@click.option(
    "--received", type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which the request came.  [default: today]",
)  # fmt: skip
@click.option("--language", help="Of the pages.  [default: the ledger's own]")
@click.option(
    "--withhold", multiple=True, metavar="context.NAME",
    help="A member of the decisions' contexts that is about somebody else; as often as you like.",
)  # fmt: skip
@click.option("--case", default="", help="The case it belongs to: a reference.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file.  [default: copy-ID.zip]",
)  # fmt: skip
@speaks
def export(
    whom: str,
    received: datetime | None,
    language: str | None,
    withhold: tuple[str, ...],
    case: str,
    output: Path | None,
) -> None:
    """Write a copy of everything about one person: pages, data, and the proofs of both.

    It goes on the access log as data_subject_request, and on the log that it was handed out. It
    holds personal data and is not encrypted: send it by a way that only the person can open.
    """
    from ledger.roles import Principal, Role
    from service.reading import Caller
    from service.subject_copy.making import CopyRequest, make_copy

    if output is not None and output.exists():  # before the log says that it was handed out
        raise click.BadParameter("there is such a file: give another name", param_hint="-o")
    name = reference(whom) or ""
    operator = Principal("terminal", "operator at the terminal", Role.DATA_PROTECTION_OFFICER)
    with opened() as runtime:
        day = received.date() if received else runtime.clock().date()
        asked = CopyRequest(name, day, language or runtime.settings.language, withhold)
        copy = make_copy(runtime, Caller(operator, "data_subject_request", case), asked)
        target = output or Path(f"copy-{copy.id}.zip")
        with copy.file, os.fdopen(_private(target), "wb") as file:
            shutil.copyfileobj(copy.file, file)
    held = "it says that no decision is held"
    if copy.decisions:
        held = f"{copy.decisions:,} decision{'s' if copy.decisions > 1 else ''}"
    click.echo(f"{target}: {held}")
    days = copy.deadlines
    click.echo(
        f"Answer by {days.answer_by}, or say by then why it takes until {days.extended_by}.",
        err=True,
    )


GROUNDS = ("accuracy_contested", "needed_by_person", "objection", "unlawful_processing")


@subject.command()
@click.option(
    "--subject",
    "whom",
    help="Your reference to a person; - asks for it, so that no shell keeps it.",
)
@click.option("--record", "records", multiple=True, help="A decision's id; as often as you like.")
@click.option("--ground", required=True, type=click.Choice(GROUNDS), help="Why, by law.")
@click.option(
    "--review-days", default=90, show_default=True, type=click.IntRange(1, 366),
    help="In how many days it is looked at again.",
)  # fmt: skip
@acts
@speaks
def restrict(
    *, whom: str | None, records: tuple[str, ...], ground: str, review_days: int, **who: Any
) -> None:
    """Restrict the use of a person's data (GDPR Art. 18). Lift it with hold release."""
    whom = reference(whom)
    review = datetime.now(UTC) + timedelta(days=review_days)
    with officer(**who) as acting:
        found = acting.restrict(ground, review, subject=whom, records=records)
    click.echo(found.id)
    click.echo("Restricted. Tell the person before it is lifted.", err=True)


@subject.command()
@click.argument("hold_id")
@acts
@speaks
def informed(hold_id: str, **who: Any) -> None:
    """Note that the person was told that a restriction is to be lifted."""
    with officer(**who) as acting:
        acting.informed(hold_id)
    click.echo("Noted. Two officers lift it with: decision-ledger hold release")


def _private(path: Path) -> int:
    """Open a new file that only its owner may read."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
