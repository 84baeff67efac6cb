"""Events of model servers: what waits for its other half, and going on with what waited long."""

from datetime import UTC, datetime

import click

from service.commands.terminal import NO, opened, print_json, speaks

__all__ = ["events"]


@click.group()
def events() -> None:
    """Look after events of model servers whose request or answer has not come."""


@events.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@speaks
def status(*, as_json: bool) -> None:
    """Say how many requests or answers wait for their other half, by model server.

    Exit status 1 if one has waited for so long that it should have been declared as a gap.
    """
    from service.eventing import WAIT

    with opened() as runtime:
        late = runtime.clock() - 2 * WAIT
        waiting = runtime.eventing.waiting()
        known = runtime.eventing.services
    rows = [
        {
            "service": each.service,
            "waiting": each.count,
            "oldest": _written(each.oldest_us),
            "overdue": _moment(each.oldest_us) < late,
            "known": each.service in known,
        }
        for each in waiting
    ]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("Nothing waits.")
    for row in [] if as_json else rows:
        click.echo(
            f"{row['service']}: {row['waiting']:,} waiting, the oldest since {row['oldest']}"
        )
        if not row["known"]:
            click.echo("  LEDGER_EVENTS no longer names it: nothing becomes of what waits")
        elif row["overdue"]:
            click.echo("  OVERDUE: run decision-ledger events sweep, and read what it logs")
    if any(row["overdue"] for row in rows):
        raise click.exceptions.Exit(NO)


@events.command("sweep")
@speaks
def sweep() -> None:
    """Declare as gaps what waited for an hour, and go on with what a crash left.

    `serve` does so by itself for the main ledger; tenants need it on a schedule.
    """
    with opened() as runtime:
        done = runtime.eventing.sweep()
    click.echo(f"{done:,} settled.")


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)


def _written(microseconds: int) -> str:
    return f"{_moment(microseconds):%Y-%m-%dT%H:%M:%SZ}"
