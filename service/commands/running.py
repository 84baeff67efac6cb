"""Making a ledger, serving it, and publishing its logs as files."""

import os
import socket
import sys
from pathlib import Path
from typing import Final

import click

from ledger.errors import LedgerError
from service.commands.terminal import main_only, opened, settings, speaks

__all__ = ["export", "init", "serve"]

KEEP_ALIVE_SECONDS: Final = 5
KEY_CHARS: Final = 70  # shown of a verifier key: its name, its id and a beginning to compare
TIMEOUT_SECONDS: Final = 120  # a letter takes two; a hung worker is replaced after this


@click.command()
@click.option(
    "--origin",
    metavar="HOST/PATH",
    help="Base of the logs' names, e.g. ledger.example/demo. It cannot change later.",
)
@speaks
def init(origin: str | None) -> None:
    """Make a new ledger in LEDGER_DATA (./data).

    Makes the signing keys of both logs, the key-encryption key, the databases and the
    first entry of each log, all readable by you alone, and names the trust policy that
    relying parties need. Nothing is ever overwritten.
    """
    from dataclasses import replace

    from service.founding import found

    main_only("use: decision-ledger tenant add NAME")
    chosen = settings()
    if origin is not None:
        chosen = replace(chosen, origin=origin)
    found(chosen)
    click.echo(f"A new ledger stands in {chosen.data}/ under {chosen.origin}.\n")
    click.echo(f"Trust policy with the public keys of both logs: {chosen.policy_path}")
    for line in chosen.policy_path.read_text("utf-8").splitlines():
        if line.startswith("log "):
            click.echo(f"  {line.removeprefix('log ')[:KEY_CHARS]}…")
    click.echo("Give it to relying parties by a way of its own (a contract, a gazette, a")
    click.echo("witness): keys never come from the server being checked.\n")
    click.echo("Next:")
    click.echo("  decision-ledger key issue --name you --role case_handler")
    click.echo("  decision-ledger serve")
    click.echo(f"\nBack up {chosen.kek_path.name} and keys/ apart from the databases.")


@click.command()
@speaks
def serve() -> None:
    """Serve the HTTP interface and the audit UI (PORT, LEDGER_HOST).

    One process with LEDGER_THREADS threads: a log has exactly one writer, and more
    processes would only queue behind it. Tenants are served under /NAME/.
    """
    from service.tenants import names

    main_only("serve serves every tenant")
    chosen = settings()
    with opened():
        pass  # fails here, with a sentence, rather than in a worker
    _check_port(chosen.host, chosen.port)
    host = "localhost" if chosen.host in {"0.0.0.0", "127.0.0.1", "::"} else chosen.host  # noqa: S104  # compared, not bound
    click.echo(f"Decision ledger {chosen.origin} at http://{host}:{chosen.port}/")
    for name in names(chosen):
        click.echo(f"Tenant {name} at http://{host}:{chosen.port}/{name}/")
    click.echo("Sign in with a key: decision-ledger key issue --name you --role case_handler")
    click.echo(f"The interface is described at http://{host}:{chosen.port}/openapi.json")
    sys.stdout.flush()
    # Replaces this process, so that signals reach the server directly.
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *_gunicorn(chosen.host, chosen.port, chosen.threads), "service.wsgi:application()"])  # fmt: skip  # noqa: S606, E501


def _check_port(host: str, port: int) -> None:
    """Fail with one sentence where the server would try five times and log each.

    Raises:
        LedgerError: nobody can listen there now.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            probe.bind((host, port))
    except OSError as error:
        raise LedgerError(
            f"port {port} of {host} cannot be listened on ({error.strerror});"
            " set PORT or LEDGER_HOST"
        ) from error


def _gunicorn(host: str, port: int, threads: int) -> list[str]:
    return [
        f"--bind={host}:{port}",
        "--workers=1",
        "--worker-class=gthread",
        f"--threads={threads}",
        f"--timeout={TIMEOUT_SECONDS}",
        f"--keep-alive={KEEP_ALIVE_SECONDS}",
        # No --access-logfile: addresses can name records and people; we write a log of our own.
        # Nor warnings: of a request that is no HTTP they quote the address and the headers.
        "--log-level=error",
        "--no-control-socket",
    ]


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--from-minimum",
    is_flag=True,
    help="Also delete from DIRECTORY what a pruned log no longer publishes.",
)
@speaks
def export(directory: Path, *, from_minimum: bool) -> None:
    """Write both logs to DIRECTORY as static files.

    Any web server can publish them: <DIRECTORY>/decisions and <DIRECTORY>/access hold a
    checkpoint, tiles and entry bundles as c2sp.org/tlog-tiles says, and timestamps/ if
    there are any; <DIRECTORY>/handover holds the checkpoints of rotated keys. They hold no
    personal data. Running it again adds what is new.
    """
    from service.publishing import publish, withdraw
    from service.runtime import kept_timestamps, log_retention

    with opened() as runtime:
        for name, log in runtime.logs.items():
            minimum = log_retention(runtime.settings, name).minimum()
            kept = kept_timestamps(runtime.settings, name)
            written = publish(log, directory / name, minimum, kept)
            said = f"{log.size():,} entries, {written:,} files written"
            if minimum.index:
                said += f", from entry {minimum.first:,} on"
            if from_minimum:
                said += f", {withdraw(directory / name, minimum):,} files deleted"
            click.echo(f"{directory / name}: {said}")
        (directory / "policy.txt").write_text(runtime.policy_text, encoding="utf-8")
        for note in sorted(runtime.settings.handover_dir.glob("*.note")):
            (directory / "handover").mkdir(exist_ok=True)
            (directory / "handover" / note.name).write_bytes(note.read_bytes())
