"""The logs themselves: where they stand, and that they grew."""

from pathlib import Path

import click

from service.commands.terminal import opened, speaks

__all__ = ["log"]

LOGS = ("access", "decisions")  # service.runtime.LOGS, without what that imports

_NAME = click.argument("name", metavar="LOG", type=click.Choice(LOGS))


@click.group()
def log() -> None:
    """Look after the logs: decisions, access."""


@log.command()
@_NAME
@click.option(
    "--from",
    "older",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint of this log that somebody kept.",
)
@click.option(
    "--cose",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the receipt to this file, X.cose.",
)
@speaks
def growth(name: str, older: Path, cose: Path) -> None:
    """Prove that LOG grew out of an older checkpoint, as a COSE receipt (RFC 9942).

    Check it anywhere with: python -m ledger.verify X.cose --checkpoint OLDER --policy FILE
    """
    from ledger.tlog.policy import Policy

    if cose.suffix != ".cose":
        raise click.BadParameter("end the name in .cose, by which the verifier knows it")
    with opened() as runtime:
        # Only a checkpoint that this log signed is worth an answer; anything else is refused.
        kept = Policy.parse(runtime.policy_text).check(older.read_text("utf-8"))
        cose.write_bytes(runtime.cose[name].of_growth(kept).encode())
    click.echo(f"{cose}: check it with python -m ledger.verify {cose} --checkpoint {older}"
               " --policy policy.txt", err=True)  # fmt: skip
