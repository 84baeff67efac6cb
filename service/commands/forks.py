"""A suspected fork: asking the witnesses, and dismissing a false alarm on the record."""

from typing import TYPE_CHECKING

import click

from service.commands.incidents import MAX_REASON
from service.commands.terminal import NO, UNABLE, settings, speaks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.canonical import JsonValue
    from ledger.operate.fork_marks import Suspicion
    from ledger.operate.head_comparison import Heard
    from service.runtime import Runtime

__all__ = ["fork", "print_heard"]


@click.group()
def fork() -> None:
    """Look at a suspected fork of a log, and dismiss a false alarm."""


@fork.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 300.0),
    default=5.0,
    show_default=True,
    help="Seconds that a witness has for one answer.",
)
@speaks
def check(timeout: float) -> None:
    """Ask every witness for its newest checkpoint, and show what is suspected.

    Exit status 1: a fork is suspected, and nothing is written until it is dismissed. 2: a
    witness could not be asked, so nothing is known of what it holds.
    """
    from service.outside import compare
    from service.runtime import Runtime, fork_marks

    chosen = settings()
    runtime = Runtime.open(chosen, despite_fork=True)
    try:
        heard = compare(runtime, timeout)
    finally:
        runtime.close()
    print_heard(heard)
    suspected = fork_marks(chosen).all()
    for each in suspected:
        click.echo(f"\n{each.at}  {each.said}", err=True)
        for note in each.notes:
            click.echo(f"\n{note}", err=True)
    if suspected:
        raise click.exceptions.Exit(NO)
    if not chosen.witnesses_path.is_file():
        click.echo("There is no witnesses.txt, so nobody was asked.", err=True)
        raise click.exceptions.Exit(UNABLE)
    if any(each.head is None for each in heard):
        raise click.exceptions.Exit(UNABLE)


@fork.command()
@click.option("--reason", required=True, help="Why it is no fork: a sentence or two, sealed.")
@click.option("--role", default="administrator", show_default=True, help="Who decides: a function.")
@speaks
def dismiss(reason: str, role: str) -> None:
    """Dismiss the suspicion: log an incident with the reason, and let writers write again.

    For a false alarm, such as a witness's word that nothing signed supports. A checkpoint
    that this log's own keys signed is no false alarm: dismissing it is refused as long as
    the log here does not contain it. The evidence is kept in fork-dismissed/.
    """
    from ledger.operate.incidents import IncidentCode
    from service.runtime import Runtime, fork_marks

    if not 0 < len(reason) <= MAX_REASON:
        raise click.BadParameter(f"1 to {MAX_REASON:,} characters", param_hint="--reason")
    chosen = settings()
    marks = fork_marks(chosen)
    suspected = marks.all()
    runtime = Runtime.open(chosen, despite_fork=True)
    try:
        _refuse_proof(runtime, suspected)
        if not chosen.fork_marks_dir.exists():
            marks.dismiss(runtime.clock())  # says that there are none
        detail: dict[str, JsonValue] = {
            "reason": reason,
            "role": role,
            "suspected": [each.to_json() for each in suspected],
        }
        # First on the record, then out of the way: a crash in between leaves both.
        entry = runtime.incidents["decisions"].record(IncidentCode.FORK_DISMISSED, detail)
        kept = marks.dismiss(runtime.clock())
    finally:
        runtime.close()
    click.echo(f"Dismissed. The reason is sealed with the incident {entry.id}, entry {entry.seq}.")
    click.echo(f"The evidence is kept in {kept}/.")


def print_heard(heard: "Iterable[Heard]") -> None:
    """Say what each witness showed of each log."""
    for each in heard:
        name = each.origin.rpartition("/")[2]
        if each.head is not None:
            verdict = "NOT IN THE LOG HERE" if each.fork else "contained in the log here"
            size = each.head.checkpoint.size
            click.echo(f"{each.url}: {name}, {size:,} entries, {verdict}", err=True)
        else:
            click.echo(f"{each.url}: {name}, nothing to compare with: {each.trouble}", err=True)


def _refuse_proof(runtime: "Runtime", suspected: "tuple[Suspicion, ...]") -> None:
    """Return if no mark holds a checkpoint that is signed and not in the log.

    Raises:
        ForkSuspected: one does.
    """
    from ledger.operate.head_comparison import KnownHead, hold_against
    from service.rotation import every_key

    for each in suspected:
        for name, log in runtime.logs.items():
            if log.origin != each.origin:
                continue
            keys = every_key(runtime, name)
            for note, checkpoint in each.signed(keys):
                hold_against(KnownHead("the evidence", note, checkpoint), log)
