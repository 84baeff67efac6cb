"""Making a ledger, serving it, and publishing its logs as files."""

import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ledger.errors import LedgerError
from service.commands.incidents import MAX_REASON
from service.commands.terminal import main_only, opened, settings, speaks

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["continue_", "export", "init", "serve"]

KEY_CHARS: Final = 70  # shown of a verifier key: its name, its id and a beginning to compare


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


@click.command("continue")
@click.option(
    "--origin", required=True, metavar="HOST/PATH", help="Base of the new logs' names; another one."
)
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The old ledger's data directory, or a backup of it. It is only read.",
)
@click.option("--reason", required=True, help="What happened: a sentence or two, sealed.")
@click.option("--role", default="administrator", show_default=True, help="Who decides: a function.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A signed checkpoint of the old ledger that somebody kept. May be given again.",
)
@click.option(
    "--code",
    type=click.Choice(["fork_acknowledged", "history_lost", "keys_compromised"]),
    help="What happened.  [default: what the checkpoints tell]",
)
@speaks
def continue_(
    *,
    origin: str,
    source: Path,
    reason: str,
    role: str,
    checkpoints: tuple[Path, ...],
    code: str | None,
) -> None:
    """Continue a ledger that was lost or forked under a new origin, in an empty LEDGER_DATA.

    Makes a new ledger with new keys. Behind the first entry of each log stands an incident
    that commits to the old origin, what is left of it, the last checkpoint that anybody is
    known to hold, and the reason. Nothing else lets a ledger go on past a fork.
    """
    from dataclasses import replace

    from ledger.operate.incidents import IncidentCode
    from service.continuing import continue_under, ended

    if not 0 < len(reason) <= MAX_REASON:
        raise click.BadParameter(f"1 to {MAX_REASON:,} characters", param_hint="--reason")
    chosen = replace(settings(), origin=origin)
    old = ended(source, checkpoints)
    continue_under(chosen, old, reason, role, code=IncidentCode(code) if code else None)
    click.echo(f"A new ledger stands in {chosen.data}/ under {chosen.origin}.")
    for name, log in old.items():
        here = log.here.checkpoint.size if log.here is not None else 0
        last = log.last.checkpoint
        click.echo(
            f"{chosen.log_origin(name)} says in entry 1 ({code or log.code}) that it"
            f" continues {last.origin}: {here:,} entries are left, {last.size:,} were signed"
            f" ({log.last.who})."
        )
    click.echo("\nKeep the old ledger as it is. Next:")
    click.echo(f"  give {chosen.policy_path} to relying parties and witnesses, and say why")
    click.echo("  register models and policies again, and issue keys")
    click.echo("  decision-ledger incident list, then show --openings, for those who ask")


@click.command()
@speaks
def serve() -> None:
    """Serve the HTTP interface and the audit UI (PORT, LEDGER_HOST).

    LEDGER_WORKERS web processes with LEDGER_THREADS threads each, and one that writes: a
    log has exactly one writer, and what arrives together shares a commit. On SIGTERM or
    Ctrl-C requests under way are answered, and what was accepted is written, first.

    Tenants are served under /NAME/. Every witness in witnesses.txt is asked first, for a few
    seconds: one that holds more of a log than is here stops the start; of a tenant, that
    tenant alone.
    """
    from service.log_lines import configure
    from service.meters import DIRECTORY_VARIABLE, clear
    from service.supervision import supervise
    from service.tenants import names

    main_only("serve serves every tenant")
    chosen = settings()
    configure(chosen.log_format)
    with opened() as runtime:  # fails here, with a sentence, rather than in a worker
        _check_port(chosen.host, chosen.port)
        _compare(runtime)
    host = "localhost" if chosen.host in {"0.0.0.0", "127.0.0.1", "::"} else chosen.host  # noqa: S104  # compared, not bound
    click.echo(f"Decision ledger {chosen.origin} at http://{host}:{chosen.port}/")
    for name in names(chosen):
        click.echo(f"Tenant {name} at http://{host}:{chosen.port}/{name}/{_tenant_trouble(name)}")
    if chosen.metrics_port:
        click.echo(f"Metrics at http://{chosen.metrics_host}:{chosen.metrics_port}/metrics")
    click.echo("Sign in with a key: decision-ledger key issue --name you --role case_handler")
    click.echo(f"The interface is described at http://{host}:{chosen.port}/openapi.json")
    sys.stdout.flush()
    writer = [sys.executable, "-m", "service.writer"]
    web = [sys.executable, "-m", "service.web"]
    asides = [[sys.executable, "-m", "service.attributor"]]
    if chosen.metrics_port:
        clear(chosen.metrics_dir)
        os.environ[DIRECTORY_VARIABLE] = str(chosen.metrics_dir)
        asides.append([sys.executable, "-m", "service.exporter"])
    raise click.exceptions.Exit(supervise(chosen.writer_path, writer, web, *asides))


def _compare(runtime: "Runtime") -> None:
    """Ask the witnesses; a silent one is a warning.

    Raises:
        ForkSuspected: one proves that more was signed than is here, or something else.
    """
    from service.commands.forks import print_heard
    from service.outside import compare

    if not runtime.settings.witnesses_path.is_file():
        click.echo("There is no witnesses.txt, so nobody outside was asked for a later state.")
    heard = compare(runtime)
    print_heard(heard)
    for each in heard:
        if each.fork is not None:
            raise each.fork


def _tenant_trouble(name: str) -> str:
    """Ask a tenant's witnesses, and say why it will not be served: the others are all the same."""
    from service.runtime import Runtime
    from service.settings import SettingsError
    from service.tenants import settings_of

    try:
        with closing(Runtime.open(settings_of(os.environ, name))) as runtime:
            _compare(runtime)
    except (LedgerError, SettingsError) as error:
        return f" does not start: {error}"
    except Exception as error:  # noqa: BLE001  # whatever it is, the others are served
        return f" does not start: {type(error).__name__}"
    return ""


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
