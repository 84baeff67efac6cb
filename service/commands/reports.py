"""Reports about many decisions, and the check that needs nobody's trust."""

import click

from service.commands.terminal import speaks

__all__ = ["report", "verify"]


@click.command()
@speaks
def report() -> None:
    """Write the audit report."""


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Check a log or a receipt offline: the same as python -m ledger.verify.

    It needs a trust policy that you got another way; try verify --help.
    """
    from ledger.verify.__main__ import main

    raise click.exceptions.Exit(main(list(arguments)))
