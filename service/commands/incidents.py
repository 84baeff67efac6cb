"""Incidents: what went wrong with the ledger itself, on the record."""

from datetime import UTC
from pathlib import Path

import click

from service.commands.terminal import opened, print_json, settings, speaks

__all__ = ["MAX_REASON", "incident"]

MAX_REASON = 2_000  # characters: some sentences, sealed with the entry


@click.group()
def incident() -> None:
    """Look at what went wrong with the ledger itself, and put a loss on record."""


@incident.command("list")
@speaks
def list_incidents() -> None:
    """List the incidents of both logs: log, entry, id, time, code. Reads both logs whole."""
    from ledger.entries import Incident

    with opened() as runtime:
        for name, incidents in runtime.incidents.items():
            for entry in incidents.all():
                code = entry.body.code if isinstance(entry.body, Incident) else ""
                at = f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
                click.echo(f"{name:<10} {entry.seq:>8}  {entry.id}  {at}  {code}")


@incident.command("show")
@click.argument("entry_id")
@click.option("--openings", is_flag=True, help="Print the file of openings, to give to others.")
@click.option(
    "--receipt",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the receipt that goes with it to this file.",
)
@speaks
def show_incident(entry_id: str, *, openings: bool, receipt: Path | None) -> None:
    """Print an incident's detail, checked against the log, as JSON.

    With --openings it is a file for python -m ledger.verify, beside the receipt. Read it
    before you give it away: it says why, and which function decided.
    """
    with opened() as runtime:
        (name, *_) = [name for name, log in runtime.logs.items() if log.locate([entry_id])] or [
            "decisions"
        ]
        found = runtime.incidents[name].open(entry_id)
        if receipt is not None:
            receipt.write_text(runtime.logs[name].receipt(entry_id).format(), encoding="utf-8")
    if openings:
        print_json({"decision": entry_id, "openings": [found.opening.to_json()]})
    else:
        print_json({"code": found.code, "detail": found.members})


@incident.command("vault-lost")
@click.option("--reason", required=True, help="What happened: a sentence or two, sealed.")
@click.option("--role", default="administrator", show_default=True, help="Who decides: a function.")
@speaks
def vault_lost(reason: str, role: str) -> None:
    """Go on with a vault that lacks the newest records: for good, and on the record.

    For when the start-up rule says that the vault is empty or older than the logs, and no
    newer backup of it exists. The lost records read as erased ever after. Tombstones of
    the logs are put into effect again, so that nothing erased comes back.
    """
    from service.recording import record_lost_vault
    from service.runtime import Runtime

    if not 0 < len(reason) <= MAX_REASON:
        raise click.BadParameter(f"1 to {MAX_REASON:,} characters", param_hint="--reason")
    runtime = Runtime.open(settings(), despite_gap=True)
    try:
        lost, erased = record_lost_vault(runtime, reason, role)
    finally:
        runtime.close()
    for gap, entry in lost:
        click.echo(f"On record as entry {entry.seq} ({entry.id}): {gap}.")
    if erased:
        click.echo(f"{erased:,} keys of records that the logs say are erased were destroyed again.")
