"""Retention: until when what is kept, and the expiry of what is due. Two officers with keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from service.commands.erasures import acts, officer
from service.commands.terminal import opened, print_json, reading, reads, settings, speaks

if TYPE_CHECKING:
    from ledger.operate.retention_class import Resolution
    from service.retiring import Retiring

__all__ = ["retention"]

_SCOPE = click.option(
    "--of",
    "scope",
    default="decisions",
    show_default=True,
    type=click.Choice(("decisions", "access")),
    help="Decisions with what is attached to them, or details of the access log.",
)


@click.group()
def retention() -> None:
    """See until when records are kept, and expire what is due."""


@retention.command()
@speaks
def rules() -> None:
    """List the rules: floor or ceiling, period, start, source, mark, and whether it counts."""
    from service.retention import rule_book

    today = datetime.now(UTC).date()
    for _, each in sorted(rule_book(settings()).rules.items()):
        why = each.standing(today)
        click.echo(
            f"{each.id:<24} {each.bound:<7} {each.period!s:<16} from {each.start:<16}"
            f" {each.jurisdiction:<5} {each.source} (read {each.read_on}, {each.mark})"
            + (f"; does not count: {why}" if why else "")
        )


@retention.command()
@click.argument("name")
@reads
@speaks
def explain(name: str, *, purpose: str, case: str) -> None:
    """Show the arithmetic for a class, a policy (NAME@VERSION), or a decision (its id)."""
    from ledger.entries.identifiers import UUID7_PATTERN

    with opened() as runtime:
        if UUID7_PATTERN.fullmatch(name):
            reader = reading(runtime, purpose, case)
            view = reader.decision(name)
            found = runtime.expiring.of_policy(view.payload.policy)
            _say(found, view.payload.decided_at)
            hold = reader.held(name)
            if hold:
                click.echo(f"kept by the legal hold {hold} until it is released")
        elif "@" in name:
            _say(runtime.expiring.of_policy(name))
        else:
            _say(runtime.expiring.of_class(name))


@retention.command()
@click.argument("dry_run_id", required=False)
@click.option("--dry-run", is_flag=True, help="Only find out what is due, and plan it.")
@_SCOPE
@acts
@speaks
def run(dry_run_id: str | None, *, dry_run: bool, scope: str, **who: Any) -> None:
    """Plan what is due with --dry-run; later, as another officer, run that plan by its id.

    A dry run counts for 7 days. The run cannot be taken back.
    """
    from ledger.errors import HoldInForce
    from ledger.operate.expiry import Scope

    if dry_run == (dry_run_id is not None):
        raise click.UsageError("give --dry-run, or the id of a dry run")
    with _retiring(**who) as acting:
        if dry_run_id is None:
            report = acting.dry_run(Scope(scope))
            click.echo(report.run)
            _say_planned(dict(report.members))
            return
        try:
            done = acting.run(dry_run_id)
        except HoldInForce:
            click.echo("Legal holds keep all of it by now.", err=True)
            raise
    click.echo(
        f"{done.id}: expired, key destroyed: {done.decisions:,} records and {done.attached:,} that"
        f" were attached to them; {done.held:,} stay under a legal hold."
    )


@retention.command("list")
@_SCOPE
@acts
@speaks
def list_runs(*, scope: str, **who: Any) -> None:
    """List dry runs and runs: id, stage, when, records, held."""
    from ledger.operate.expiry import Scope

    with _retiring(**who) as acting:
        for each in acting.runs(Scope(scope)):
            click.echo(
                f"{each.id}  {each.stage:<9}  {each.requested_at:%Y-%m-%d %H:%M}"
                f"  {each.decisions:>8,} {each.held:>6,} held"
            )


@retention.command()
@click.argument("run_id")
@acts
@speaks
def show(run_id: str, **who: Any) -> None:
    """Show a run as JSON: the report of the dry run, what went, and where the log says so."""
    with _retiring(**who) as acting:
        print_json(dict(acting.outcome(run_id)))


@retention.command()
@_SCOPE
@speaks
def status(*, scope: str) -> None:
    """Show as JSON how much is due and when the last run was, for monitoring."""
    from ledger.operate.expiry import Scope
    from ledger.operate.retention_report import written
    from service.retiring import overdue

    with opened() as runtime:
        found = overdue(runtime, Scope(scope))
    print_json(
        {
            "of": scope,
            "overdue": found.records,
            "oldest": written(found.oldest),
            "last_dry_run": written(found.last_dry_run),
            "last_run": written(found.last_run),
        }
    )


def _say(found: "Resolution | None", at: datetime | None = None) -> None:
    if found is None:
        click.echo("No class is stated: nothing of it expires. State one under LEDGER_RETENTION.")
        return
    for line in found.lines(at):
        click.echo(line)


def _say_planned(report: dict[str, Any]) -> None:
    for share in report["shares"]:
        why = f"; kept: {share['kept_because']}" if share["kept_because"] else ""
        before = f" from before {share['due_before']}" if share["due_before"] else ""
        click.echo(f"{share['name']}: {share['due']:,} due{before}{why}", err=True)
    held = ", ".join(f"{count:,} by {why}" for why, count in report["held_back"].items()) or "none"
    click.echo(
        f"Would expire: {report['listed']:,}. Held back: {held}. Left for the next run:"
        f" {report['left']:,}. Nothing was erased; another officer has to run it within 7 days.",
        err=True,
    )


@contextmanager
def _retiring(**who: Any) -> "Iterator[Retiring]":
    """Somebody who acts on retention in a name."""
    from service.retiring import Retiring

    with officer(**who) as acting:
        yield Retiring(acting.runtime, acting.caller)
