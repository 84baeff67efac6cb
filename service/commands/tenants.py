"""Tenants: further ledgers of this deployment, each with keys, databases and people of its own."""

import os

import click

from service.commands.terminal import NO, main_only, opened, settings, speaks

__all__ = ["tenant"]


@click.group()
def tenant() -> None:
    """Add and list tenants: further ledgers, each whole and apart.

    Every other command works on one of them with --tenant NAME in front:
    decision-ledger --tenant bank-a key issue …
    """
    main_only("leave --tenant and LEDGER_TENANT out")


@tenant.command()
@click.argument("name")
@speaks
def add(name: str) -> None:
    """Make the ledger of the tenant NAME, to be served under /NAME/.

    It gets keys, databases and a session key of its own, in LEDGER_DATA/tenants/NAME. On
    PostgreSQL, LEDGER_DATABASE_URL and LEDGER_VAULT_URL need {tenant} in the database's name.
    """
    from service.assembly import assemble
    from service.tenants import add as make

    chosen = settings(name)
    with opened() as runtime:
        make(assemble(runtime), chosen)
    click.echo(f"Tenant {name} has a ledger in {chosen.data}/ under {chosen.origin}.\n")
    click.echo(f"Trust policy for its relying parties: {chosen.policy_path}")
    click.echo("\nNext:")
    click.echo(f"  decision-ledger --tenant {name} key issue --name you --role case_handler")
    click.echo(f"  start the service again: it serves {chosen.mount}/")
    click.echo(
        f"\nBack up {chosen.data}/ as you do {chosen.data.parent.parent}/, and as much apart."
    )


@tenant.command("list")
@speaks
def list_tenants() -> None:
    """List tenants: name, origin, and whether the ledger starts. Exit status 1 if one does not."""
    from ledger.errors import LedgerError
    from service.runtime import Runtime
    from service.settings import SettingsError
    from service.tenants import names, settings_of

    well = True
    for name in names(settings("")):
        try:
            chosen = settings_of(os.environ, name)
            Runtime.open(chosen).close()
        except (LedgerError, SettingsError, OSError) as error:
            well = False
            click.echo(f"{name:<31} does not start: {error}")
        else:
            click.echo(f"{name:<31} {chosen.origin}")
    if not well:
        raise click.exceptions.Exit(NO)
