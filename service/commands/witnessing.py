"""Cosignatures: asking witnesses for them, and being a witness of other people's logs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from service.commands.terminal import NO, opened, settings, speaks

if TYPE_CHECKING:
    from ledger.operate.witness import Seen
    from ledger.operate.witnesses import Gathered
    from ledger.tlog.policy import Policy

__all__ = ["cosign", "witness"]

DEFAULT_PORT: Final = 8300
MAX_PORT: Final = 65_535
MAX_TIMEOUT: Final = 300.0  # seconds; cron would start the next run long before

_DIRECTORY = click.argument("directory", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Witnesses with their addresses, and the quorum.  [default: witnesses.txt in LEDGER_DATA]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, MAX_TIMEOUT),
    default=10.0,
    show_default=True,
    help="Seconds that a witness has for one answer.",
)
@speaks
def cosign(policy_path: Path | None, timeout: float) -> None:
    """Ask witnesses to cosign the newest checkpoint of both logs, once.

    Run it from cron, every few minutes. The cosigned checkpoint is kept apart, shown at
    /log/<name>/checkpoint and put into receipts. Exit status 1: the quorum was not
    reached, or a witness knows of another history of the log (FORK SUSPECTED). Then
    nothing is written any more, by a running service either: see decision-ledger fork.
    """
    from functools import partial

    from ledger.errors import ForkSuspected
    from ledger.operate.witness_exchange import post
    from ledger.operate.witnesses import gather, keep
    from service.outside import alarm
    from service.policies import read_policy
    from service.runtime import cosigned_checkpoint

    chosen = settings()
    policy = read_policy(policy_path or chosen.witnesses_path)
    ask = partial(post, seconds=timeout)
    accepted = True
    with opened() as runtime:
        for name, log in runtime.logs.items():
            try:
                gathered = gather(log, runtime.verifier_keys[name], policy, ask=ask)
            except ForkSuspected as fork:
                alarm(runtime, fork, policy, timeout)
                raise
            if gathered.accepted:
                keep(gathered, cosigned_checkpoint(chosen, name))
            _report(name, gathered)
            accepted = accepted and gathered.accepted
    if not accepted:
        raise click.exceptions.Exit(NO)


@click.group()
def witness() -> None:
    """Be a witness: cosign other people's logs, so that they cannot show two histories."""


@witness.command("init")
@_DIRECTORY
@click.option(
    "--name",
    required=True,
    metavar="HOST/PATH",
    help="The witness's name in its cosignatures, e.g. authority.example/w1.",
)
@click.option(
    "--policy",
    "policy_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A trust policy with the keys of the logs to cosign. Compare them elsewhere.",
)
@click.option("--url", default="", help="Where logs will reach it, e.g. https://authority.example.")
@speaks
def init_witness(directory: Path, name: str, policy_path: Path, url: str) -> None:
    """Make a witness in DIRECTORY: its keys, and witness.txt with the logs it cosigns."""
    from ledger.operate.witness import found_witness
    from service.policies import read_policy

    passphrase = settings().key_passphrase
    made = found_witness(directory, name, read_policy(policy_path).logs, url, passphrase)
    click.echo(f"A new witness, {name}, stands in {directory}/. It cosigns:", err=True)
    for origin in dict.fromkeys(log.key.name for log in made.logs):
        click.echo(f"  {origin}", err=True)
    click.echo("Logs and relying parties add these lines to their policy:\n", err=True)
    click.echo(_lines(made), nl=False)


@witness.command("serve")
@_DIRECTORY
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, MAX_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="TCP port; 0 takes a free one.",
)
@speaks
def serve_witness(directory: Path, host: str, port: int) -> None:
    """Serve the witness in DIRECTORY over HTTP (c2sp.org/tlog-witness) until it is stopped."""
    import logging
    import signal

    from ledger.operate.witness import Witness
    from ledger.operate.witness_server import WitnessServer

    def stop(*_: object) -> None:
        raise SystemExit(0)

    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    one = Witness.open(directory, _now, settings().key_passphrase)
    origins = tuple(each.origin for each in one.seen())
    with WitnessServer(one, origins, host, port) as server:
        signal.signal(signal.SIGTERM, stop)
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"Witness {one.name} of {len(origins)} logs at http://{shown}:{server.port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


@witness.command("show")
@_DIRECTORY
@speaks
def show_witness(directory: Path) -> None:
    """Print the witness's lines for a policy, and where each log stood when last cosigned.

    Exit status 1: it holds two signed checkpoints of a log that no history explains.
    """
    from ledger.operate.witness import Witness, read_policy

    one = Witness.open(directory, _now, settings().key_passphrase)
    click.echo(_lines(read_policy(directory)), nl=False)
    forked = False
    for seen in one.seen():
        click.echo(f"# {seen.origin}: {_standing(seen)}")
        if seen.fork is not None:
            forked = True
            click.echo(f"FORK of {seen.origin}: keep this and publish it\n{seen.fork}", err=True)
    if forked:
        raise click.exceptions.Exit(NO)


def _now() -> datetime:
    # Not the runtime's clock: importing that brings databases, which a witness does without.
    return datetime.now(UTC)


def _lines(policy: "Policy") -> str:
    """What others add to their policy: the witness, by either of its keys."""
    lines = policy.format().splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(("witness ", "group ")))


def _standing(seen: "Seen") -> str:
    if seen.checkpoint is None or seen.at is None:
        return "never cosigned"
    at = datetime.fromtimestamp(seen.at, UTC)
    return f"{seen.checkpoint.size:,} entries, cosigned at {at:%Y-%m-%d %H:%M:%S} UTC"


def _report(name: str, gathered: "Gathered") -> None:
    cosigned = sum(not each.trouble for each in gathered.said)
    verdict = "quorum reached" if gathered.accepted else "QUORUM NOT REACHED, nothing kept"
    click.echo(
        f"{name}: {gathered.checkpoint.size:,} entries,"
        f" cosigned by {cosigned} of {len(gathered.said)} witnesses, {verdict}"
    )
    for each in gathered.said:
        if each.trouble:
            click.echo(f"  {each.url}: {each.trouble}", err=True)
