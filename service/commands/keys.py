"""Keys: who may do what."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from service.commands.terminal import opened, speaks

if TYPE_CHECKING:
    from ledger.operate.credentials import ApiKey

__all__ = ["key"]

_DAYS: Final = re.compile(r"([1-9][0-9]{0,4})d")

ROLES = (
    "administrator",
    "auditor",
    "case_handler",
    "data_protection_officer",
    "model_owner",
    "model_risk",
    "regulator",
    "source",
)


def _days(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _DAYS.fullmatch(value)
    if match is None:
        raise click.BadParameter("give a number of days, such as 90d")
    return int(match[1])


@click.group()
def key() -> None:
    """Issue, list and revoke keys of the HTTP interface and the audit UI."""


@key.command()
@click.option("--name", required=True, help="A function or system; it is shown, never logged.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What the key may do.")
@click.option(
    "--expires",
    "days",
    metavar="DAYS",
    callback=_days,
    help="End it by itself after so many days, such as 90d.  [default: never]",
)
@speaks
def issue(name: str, role: str, days: int | None) -> None:
    """Issue a key. It is shown once and stored only as a hash."""
    from ledger.roles import Role

    with opened() as runtime:
        text, key_id = runtime.api_keys.issue(name, Role(role), days)
    click.echo(text)
    ends = "" if days is None else f" It ends in {days} day{'s' * (days > 1)}."
    click.echo(f"Key {key_id} for {name} ({role}).{ends} It will not be shown again.", err=True)


@key.command("list")
@speaks
def list_keys() -> None:
    """List keys: id, role, name, state."""
    with opened() as runtime:
        now = runtime.clock()
        for each in runtime.api_keys.list():
            click.echo(f"{each.id}  {each.role:<24} {_state(each, now):<20} {each.name}")


@key.command()
@click.argument("key_id")
@speaks
def revoke(key_id: str) -> None:
    """Revoke the key with this id, at once."""
    with opened() as runtime:
        runtime.api_keys.revoke(key_id)
    click.echo(f"Key {key_id} is revoked.")


def _state(key: "ApiKey", now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.in_force(now):
        return "expired"
    if key.expires_at is None:
        return "in force"
    days = (key.expires_at - now).days
    if days == 0:
        return "expires today"
    return f"expires in {days} day{'s' * (days > 1)}"
