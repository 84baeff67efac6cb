"""The vault: what it holds of the logs' records, and the keys over its keys."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.terminal import NO, print_json, settings, speaks

if TYPE_CHECKING:
    from ledger.operate.vault_report import Holding
    from service.vault_keys import KekState

__all__ = ["vault"]


@click.group()
def vault() -> None:
    """Look after the vault: what it holds, and the key-encryption keys over its keys."""


@vault.command()
@click.option("--open", "opening", is_flag=True, help="Open every record, not only look for it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@speaks
def check(*, opening: bool, as_json: bool) -> None:
    """Say of which records key and payload are there, by month; exit status 1 if any are lost.

    Works with a vault that lacks records, or is empty. Reads both logs twice. A key-encryption
    key that is needed and not here is named, and is exit status 1 as well.
    """
    from dataclasses import asdict

    from service.vault_checking import checked_vault
    from service.vault_keys import missing_keks

    chosen = settings()
    missing = missing_keks(chosen)
    found = checked_vault(chosen, opening=opening and not missing)
    if as_json:
        print_json({
            **{name: [asdict(each) for each in held] for name, held in found.items()},
            "missing_keys": [{"id": each.id, "keys": each.count} for each in missing],
        })  # fmt: skip
    else:
        _print(found, missing, opening=opening and not missing)
    if missing or any(each.lost or each.damaged for held in found.values() for each in held):
        raise click.exceptions.Exit(NO)


@vault.command("keys")
@speaks
def list_keys() -> None:
    """List the key-encryption keys: id, how many keys are wrapped under it, how it is kept."""
    from service.vault_keys import kek_states

    for each in kek_states(settings()):
        state = "in force" if each.in_force else "old"
        place = each.place or "NOT HERE: bring back the file that has it"
        click.echo(f"{each.id}  {state:<8}  {each.count:>12,} keys  {place}")


@vault.command("rotate-key")
@speaks
def rotate_key() -> None:
    """Make a new key-encryption key, and wrap every key of the vault under it.

    Records and payloads stay as they are, and the ledger may be running. If it was cut
    short, do it again: what was begun is finished first.
    """
    from service.vault_keys import rotate_kek

    chosen = settings()
    with click.progressbar(length=1, label="Wrapping", file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        key_id, changed = rotate_kek(chosen, show)
    click.echo(f"The key {key_id} is in force; {changed:,} keys of the vault were wrapped anew.")
    click.echo(f"Back up {chosen.kek_path} now, apart from the databases.", err=True)
    click.echo("When every backup that needs an old key is gone: decision-ledger vault retire-key",
               err=True)  # fmt: skip


@vault.command("retire-key")
@click.argument("key_id", metavar="ID")
@click.option(
    "--keep",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the key to this file first, as it is kept here, to open old backups with.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks
def retire_key(key_id: str, keep: Path | None, *, yes: bool) -> None:
    """Destroy an old key-encryption key, under which nothing is wrapped any more.

    A backup of the vault from before the rotation opens nothing after that, which also ends
    what it could still open of records that were erased since.
    """
    from service.vault_keys import retire_kek

    if not yes:
        fate = f"keep it in {keep} only" if keep else "destroy it"
        click.confirm(
            f"Take the key {key_id} out of the ledger and {fate}? Backups of the vault from before"
            " the rotation cannot be restored without it.",
            abort=True,
            err=True,
        )
    retire_kek(settings(), key_id, keep)
    click.echo(f"The key {key_id} is not here any more.")
    if keep:
        click.echo(f"It is in {keep}: keep that apart from every backup.")


@vault.command()
@click.option(
    "--new",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the passphrase.",
)
@click.option("--service", default="", metavar="ADDRESS", help="A key of Vault's, e.g. hv:ledger.")
@speaks
def protect(path: Path | None, service: str) -> None:
    """Keep the key-encryption keys under a passphrase, or encrypted by a key service.

    The passphrase so far is in the file that LEDGER_VAULT_PASSPHRASE_FILE names.
    """
    from ledger.operate.kek_ring import Protection
    from service.settings import SettingsError, read_passphrase
    from service.vault_keys import protect as protected

    if (path is None) == (not service):
        raise click.UsageError("give --new or --service")
    try:
        new = Protection(read_passphrase("--new", str(path)) if path else None, service)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    count = protected(settings(), new)
    click.echo(f"{count} key-encryption keys are kept in the new way.")
    name, value = (
        ("LEDGER_VAULT_PASSPHRASE_FILE", path) if path else ("LEDGER_VAULT_KEY_SERVICE", service)
    )
    click.echo(f"From now on: {name}={value}")


def _print(
    found: "dict[str, tuple[Holding, ...]]", missing: "tuple[KekState, ...]", *, opening: bool
) -> None:
    word = "open" if opening else "there"
    for name, held in found.items():
        click.echo(f"{name}:")
        for each in held:
            line = f"  {each.month}  {each.kind:<22} {each.records:>10,} records: "
            parts = [f"{each.held:,} {word}"]
            for count, what in (
                (each.erased, "erased"),
                (each.lost, "LOST"),
                (each.damaged, "DAMAGED"),
            ):
                if count:
                    parts.append(f"{count:,} {what}")
            click.echo(line + ", ".join(parts))
    lost = sum(each.lost + each.damaged for held in found.values() for each in held)
    for kek in missing:
        click.echo(
            f"\nThe key-encryption key {kek.id} is not here, and {kek.count:,} keys of the vault"
            " are wrapped under it: nothing under it can be opened. Bring back the vault.kek that"
            " has it; without it all of that is lost, and what the log proves still holds."
        )
    if not lost:
        if not missing:
            click.echo("Nothing is lost.")
        return
    click.echo(
        f"\n{lost:,} records cannot be opened: what they say is lost, and nobody can show what the"
        " log's commitments to them are about. What still holds: every entry, its place, its time"
        " and its model; every receipt that was given out; and the whole log as a proof"
        " (decision-ledger verify)."
    )
    click.echo("Restore a newer backup of the vault; if there is none:"
               " decision-ledger incident vault-lost")  # fmt: skip
