"""The keys that sign the logs: listing them, rotating them, and who keeps them."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from service.commands.logs import log
from service.commands.terminal import opened, settings, speaks

if TYPE_CHECKING:
    from ledger.operate.key_service import RemoteKey
    from service.rotation import KeyState

__all__ = ["log"]

LOG_NAMES: Final = ("decisions", "access")
MAX_PUBLIC_KEY_BYTES: Final = 16_384  # a PEM file of ML-DSA-44 takes 2 kB

_NAME = click.argument("name", metavar="LOG", type=click.Choice(LOG_NAMES))


@log.command("keys")
@speaks
def list_keys() -> None:
    """List the keys of both logs: id, algorithm, state, since which entry, and where kept."""
    from service.rotation import key_states

    with opened() as runtime:
        for name in LOG_NAMES:
            click.echo(f"{name}: {runtime.logs[name].origin}")
            for each in key_states(runtime, name):
                click.echo(f"  {_line(each)}")


@log.command("rotate-keys")
@_NAME
@click.option(
    "--ed25519",
    "address",
    metavar="ADDRESS",
    help="Use this key of a key service in place of a new Ed25519 key, e.g. hv:ledger-decisions.",
)
@click.option(
    "--ed25519-public",
    "public",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its public key, as PEM. Vault (hv:) is asked for it.",
)
@speaks
def rotate_keys(name: str, address: str | None, public: Path | None) -> None:
    """Make new keys for LOG and put them in force, by an entry that old and new keys sign over.

    From then on both sign, until retire-keys. Prints the lines of the new keys, for trust
    policies. If it was cut short, do it again: what was begun is finished.
    """
    from service.rotation import rotate

    if public is not None and address is None:
        raise click.UsageError("--ed25519-public goes with --ed25519")
    key = None if address is None else _remote(address, public)
    with opened() as runtime:
        done = rotate(runtime, name, ed25519=key)
        policy = runtime.settings.policy_path
    click.echo(f"The keys of {name} were rotated by entry {done.entry:,}.", err=True)
    click.echo("Old and new keys sign together from now on.\n", err=True)
    click.echo("Hand out, by a way of their own:", err=True)
    click.echo(f"  {policy}: the trust policy, with old and new keys", err=True)
    click.echo(f"  {done.checkpoint}: a checkpoint that all of them signed", err=True)
    click.echo("Witnesses add these lines to witness.txt and start again:\n", err=True)
    for each in done.new:
        click.echo(f"log {each.vkey()}")
    click.echo("\nThen ask them: decision-ledger cosign", err=True)
    click.echo(f"When everyone has them: decision-ledger log retire-keys {name}", err=True)


@log.command("retire-keys")
@_NAME
@click.option("--keep", is_flag=True, help="Keep the old key files, under another name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks
def retire_keys(name: str, keep: bool, yes: bool) -> None:  # noqa: FBT001  click passes by name
    """End the rotation of LOG: only the new keys sign, and the old ones are destroyed."""
    from service.rotation import retire

    with opened() as runtime:
        runtime.keys[name].check_retirable(runtime.logs[name].own_checkpoint())
        if not yes:
            fate = "keep" if keep else "destroy"
            click.confirm(
                f"Let only the new keys of {name} sign, and {fate} the old ones? A reader whose"
                " policy has the old ones alone will refuse new receipts.",
                abort=True,
                err=True,
            )
        kept = retire(runtime, name, keep=keep)
        policy = runtime.settings.policy_path
    click.echo(f"Only the new keys of {name} sign now.")
    click.echo(f"The old ones are kept in {kept}." if kept else "The old key files are destroyed.")
    click.echo(f"Hand out {policy} again: it has the new keys only.")


@log.command()
@click.option(
    "--new",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the new passphrase.",
)
@speaks
def passphrase(path: Path) -> None:
    """Encrypt the key files of both logs with another passphrase.

    The one so far is in the file that LEDGER_KEY_PASSPHRASE_FILE names; without it the
    files are not encrypted yet. If it was cut short, do it again.
    """
    from service.rotation import change_passphrases
    from service.settings import SettingsError, read_passphrase

    try:
        new = read_passphrase("--new", str(path))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    changed = change_passphrases(settings(), new)
    click.echo(f"{changed} key files are encrypted with the new passphrase.")
    click.echo(f"From now on: LEDGER_KEY_PASSPHRASE_FILE={path}")


def _line(state: "KeyState") -> str:
    from ledger.tlog.note import ED25519

    algorithm = "Ed25519" if state.key.kind == ED25519 else "ML-DSA-44"
    line = f"{state.key.key_id.hex()}  {algorithm:<9}  {state.state}"
    if state.since is not None:
        line += f", since entry {state.since:,} of {state.at:%Y-%m-%d}"
    return line + (f"  ({state.place})" if state.place else "")


def _remote(address: str, public: Path | None) -> "RemoteKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from ledger.errors import MalformedError
    from ledger.operate.key_service import find_ed25519

    if public is None:
        return find_ed25519(address)
    with public.open("rb") as file:
        pem = file.read(MAX_PUBLIC_KEY_BYTES)
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise MalformedError(f"{public.name}: not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise MalformedError(f"{public.name}: not an Ed25519 key")
    return find_ed25519(address, key.public_bytes_raw())
