"""Keys: who may do what."""

import click

from service.commands.terminal import opened, speaks

__all__ = ["key"]

ROLES = (
    "administrator",
    "auditor",
    "case_handler",
    "data_protection_officer",
    "model_owner",
    "regulator",
    "source",
)


@click.group()
def key() -> None:
    """Issue, list and revoke keys of the HTTP interface and the audit UI."""


@key.command()
@click.option("--name", required=True, help="A function or system; it is shown, never logged.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What the key may do.")
@speaks
def issue(name: str, role: str) -> None:
    """Issue a key. It is shown once and stored only as a hash."""
    from ledger.roles import Role

    with opened() as runtime:
        text, key_id = runtime.api_keys.issue(name, Role(role))
    click.echo(text)
    click.echo(f"Key {key_id} for {name} ({role}). It will not be shown again.", err=True)


@key.command("list")
@speaks
def list_keys() -> None:
    """List keys: id, role, name, state."""
    with opened() as runtime:
        for each in runtime.api_keys.list():
            state = "revoked" if each.revoked_at else "in force"
            click.echo(f"{each.id}  {each.role:<24} {state:<9} {each.name}")


@key.command()
@click.argument("key_id")
@speaks
def revoke(key_id: str) -> None:
    """Revoke the key with this id, at once."""
    with opened() as runtime:
        runtime.api_keys.revoke(key_id)
    click.echo(f"Key {key_id} is revoked.")
