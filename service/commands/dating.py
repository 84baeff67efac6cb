"""Timestamps: having the logs' checkpoints dated by authorities outside."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from service.commands.terminal import NO, opened, settings, speaks

if TYPE_CHECKING:
    from ledger.operate.timestamps import StampedCheckpoint
    from ledger.verify.timestamps import Roots

__all__ = ["timestamp"]

MAX_TIMEOUT: Final = 300.0  # seconds; cron would start the next run long before


@click.command()
@click.option(
    "--tsa",
    "addresses",
    multiple=True,
    metavar="URL",
    help="An authority's address; repeat it.  [default: those in tsa.txt in LEDGER_DATA]",
)
@click.option(
    "--roots",
    "roots_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Root certificates to check tokens against (PEM).  [default: tsa-roots.pem in"
    " LEDGER_DATA, if it is there]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, MAX_TIMEOUT),
    default=10.0,
    show_default=True,
    help="Seconds that an authority has for one answer.",
)
@speaks
def timestamp(addresses: tuple[str, ...], roots_path: Path | None, timeout: float) -> None:
    """Have the newest checkpoint of both logs timestamped (RFC 3161), once.

    Run it from cron, every hour or every day, after cosign. Tokens are kept in timestamps/,
    published, and given out by proof --timestamp. Exit status 1: a checkpoint got no token;
    nothing else is the worse for it.
    """
    from ledger.operate.timestamper import HttpTimestamper
    from ledger.operate.timestamps import stamp
    from service.rotation import every_key
    from service.runtime import kept_timestamps, system_clock

    chosen = settings()
    roots = read_trusted(roots_path or chosen.authority_roots_path, needed=roots_path is not None)
    authorities = [
        HttpTimestamper(address, roots, system_clock, timeout)
        for address in addresses or _addresses(chosen.authorities_path)
    ]
    if not roots:
        click.echo("Signatures are not checked: there are no root certificates.", err=True)
    done = True
    with opened() as runtime:
        for name, log in runtime.logs.items():
            kept = kept_timestamps(chosen, name)
            for each in stamp(log, every_key(runtime, name), authorities, kept, roots):
                _report(name, each)
                done = done and each.stamped
    if not done:
        raise click.exceptions.Exit(NO)


def read_trusted(path: Path, *, needed: bool) -> "Roots":
    """The root certificates of a file; () if it is absent and not needed.

    Raises:
        OSError: it cannot be read.
        MalformedError: not a PEM file of certificates.
    """
    from ledger.verify.timestamps import MAX_ROOTS_BYTES, read_roots

    if not needed and not path.exists():
        return ()
    with path.open("rb") as file:
        return read_roots(file.read(MAX_ROOTS_BYTES + 1))


def _addresses(path: Path) -> tuple[str, ...]:
    from ledger.errors import LedgerError, MalformedError
    from ledger.operate.timestamper import MAX_ADDRESSES_BYTES, read_addresses

    if not path.exists():
        raise LedgerError(f"no timestamp authority is named: give --tsa URL, or write {path}")
    with path.open("rb") as file:
        data = file.read(MAX_ADDRESSES_BYTES + 1)
    if len(data) > MAX_ADDRESSES_BYTES:
        raise MalformedError(f"{path.name}: longer than {MAX_ADDRESSES_BYTES:,} bytes")
    try:
        return read_addresses(data.decode())
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path.name}: not UTF-8") from error


def _report(name: str, checkpoint: "StampedCheckpoint") -> None:
    size = checkpoint.checkpoint.size
    for each in checkpoint.said:
        said = each.trouble or f"{'stamped before, ' if each.before else ''}{each.timestamp}"
        click.echo(f"{name}: size {size:,}, {each.address}: {said}", err=bool(each.trouble))
    if not checkpoint.stamped:
        click.echo(f"{name}: size {size:,} HAS NO TIMESTAMP")
