"""Backups and what comes back from them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from service.commands.terminal import NO, settings, speaks

if TYPE_CHECKING:
    from service.inspecting import Inspected
    from service.restoring import Compared

__all__ = ["backup", "restore"]

CLEAR_TO_END: Final = "\x1b[K"  # of a terminal's line
STEP: Final = 50  # of progress, in parts of a whole: a terminal sees no more

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--part",
    type=click.Choice(["ledger", "vault"]),
    help="Only this part; the two are kept for different times.  [default: both]",
)
@speaks
def backup(directory: Path, part: str | None) -> None:
    """Copy the ledger and the vault to DIRECTORY/ledger and DIRECTORY/vault.

    The service may be running: each copy is of one moment, and the vault's is the later
    one, so that it opens every record of the ledger's. Neither holds keys, vault.kek,
    session.key or the checkpoint lock. A directory without manifest.json is no backup.
    """
    from ledger.operate.backup_manifest import Part
    from service.backing_up import backed_up

    chosen = settings()
    parts = list(Part) if part is None else [Part(part)]
    with _Line() as line:
        made = backed_up(chosen, directory, parts, line.show)
    for each in made:
        size = sum(file.bytes for file in each.files)
        count = len(each.files)
        click.echo(f"{directory / each.part}: {count:,} files, {size:,} bytes, {each.created}")
        if each.part is Part.LEDGER:
            for log in each.logs:
                click.echo(f"  {log.origin}: {log.size:,} entries")
    click.echo("Back up keys/ and vault.kek apart, and keep the two parts apart from each other.")
    click.echo(f"Try it: decision-ledger restore {directory} --check")


@click.command()
@click.argument(
    "directories",
    nargs=-1,
    required=True,
    metavar="DIRECTORY…",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--check", is_flag=True, help="Check the backup where it lies, and restore nothing.")
@click.option(
    "--policy",
    "policy_path",
    type=_FILE,
    help="Trust policy from elsewhere.  [default: the one in the backup]",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_FILE,
    help="A signed checkpoint kept elsewhere, to compare with. May be given again.",
)
@click.option(
    "--witnesses",
    type=_FILE,
    help="Whom to ask for their newest checkpoint.  [default: witnesses.txt in the backup]",
)
@click.option(
    "--write-checkpoint-lock",
    is_flag=True,
    help="State that nothing was signed after this backup, and make checkpoints/ from it.",
)
@speaks
def restore(
    *,
    directories: tuple[Path, ...],
    check: bool,
    policy_path: Path | None,
    checkpoints: tuple[Path, ...],
    witnesses: Path | None,
    write_checkpoint_lock: bool,
) -> None:
    """Put a backup back into an empty LEDGER_DATA, or check it.

    DIRECTORY is what backup wrote; the vault's part may lie in another one. Every file is
    compared and the whole log audited first. Then it is compared with this machine's
    checkpoint lock, with checkpoints kept elsewhere and with every witness: if one of them
    knows more than the backup, nothing is restored, since going on would sign a second
    history. Exit status 1: not sound, not the newest state, or not to be told.
    """
    from service.inspecting import inspected
    from service.restoring import Evidence, check_newest, compare, put_back

    if check and (checkpoints or witnesses or write_checkpoint_lock):
        raise click.UsageError("--check compares the backup with itself and a policy only")
    chosen = settings()
    evidence = Evidence(checkpoints, witnesses)
    with _Line() as line, inspected(directories, policy_path, line.show) as inspection:
        line.clear()
        _print_inspection(inspection, own_policy=policy_path is None)
        if not inspection.sound:
            raise click.exceptions.Exit(NO)
        if check:
            return
        compared = compare(chosen, inspection, evidence)
        _print_compared(compared)
        check_newest(compared, write_lock=write_checkpoint_lock)
        replayed, made = put_back(chosen, inspection, line.show, write_lock=write_checkpoint_lock)
        line.clear()
        parts = " and ".join(each.manifest.part for each in inspection.parts)
    click.echo(f"Restored the {parts} into {chosen.data}/.")
    if replayed.named:
        click.echo(
            f"Tombstones name {replayed.named:,} records: {replayed.keys:,} keys and"
            f" {replayed.payloads:,} sealed payloads that the backup brought back were destroyed."
        )
    for origin in made:
        click.echo(f"On your word the checkpoint lock of {origin} was made from this backup.")
    missing = [path.name for path in (chosen.keys_dir, chosen.kek_path) if not path.exists()]
    if missing:
        click.echo(f"Before you serve, bring back {' and '.join(missing)} from their own backups.")


class _Line:
    """One line of a terminal that says how far it is; nothing where nobody looks."""

    def __init__(self) -> None:
        self._seen = ("", -1)
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, what: str, done: int, total: int) -> None:
        """Say that so much of so much is done."""
        step = STEP * done // total if total else STEP
        if not sys.stderr.isatty() or self._seen == (what, step):
            return
        self._seen, self._drawn = (what, step), True
        sys.stderr.write(f"\r{ascii(what)[1:-1]}: {100 * done // max(total, 1)} %{CLEAR_TO_END}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write(f"\r{CLEAR_TO_END}")
            self._drawn = False


def _print_inspection(inspection: "Inspected", *, own_policy: bool) -> None:
    from ledger.verify.report import audit_lines

    for each in inspection.parts:
        manifest = each.manifest
        count = len(manifest.files)
        click.echo(
            f"{each.directory}: the {manifest.part} as of {manifest.created}, {count:,} files as"
            " they were backed up"
        )
    for log in inspection.logs:
        result = log.result
        if result.findings:
            for line in audit_lines(result):
                click.echo(line)
        else:
            click.echo(
                f"{log.origin}: {result.size:,} entries as they were signed, with"
                f" {result.checkpoints:,} checkpoints and {result.tiles:,} tiles"
            )
    if inspection.logs and own_policy:
        click.echo("The keys are those of the backup itself; compare them with --policy.")


def _print_compared(compared: "tuple[Compared, ...]") -> None:
    for each in compared:
        if each.size is None:
            click.echo(f"{each.origin}: {each.who}: {each.trouble}", err=True)
        else:
            click.echo(f"{each.origin}: {each.who} knows {each.size:,} entries, all in the backup")
