"""Who looked: the patterns of a month, for whoever reviews accesses."""

from typing import Any

import click

from service.commands.erasures import acts
from service.commands.terminal import print_json, speaks

__all__ = ["access"]


@click.group()
def access() -> None:
    """Review who looked at records: by pseudonym, never by name."""


@access.command()
@click.option("--month", required=True, help="Such as 2026-05: pseudonyms change with it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with a row for each day.")
@acts
@speaks
def report(month: str, *, as_json: bool, **who: Any) -> None:
    """Say what stands out in a month of looks: something to ask about, no proof of a wrong."""
    from service.access_patterns import report as reported
    from service.commands.disclosing import caller_of

    with caller_of(**who) as (runtime, caller):
        found = reported(runtime, caller, month)
    if as_json:
        print_json({
            "month": month,
            "looks": found.looks,
            "actors": found.actors,
            "without_case": found.without_case,
            "days": [
                {"day": str(day), "actor": actor, "role": role, "purpose": purpose,
                 "looks": looks, "records": records}
                for (day, actor, role, purpose), (looks, records) in found.rows.items()
            ],
            "findings": [
                {"code": each.code, "day": str(each.day), "actor": each.actor, "role": each.role,
                 "count": each.count, "usual": each.usual}
                for each in found.findings
            ],
        })  # fmt: skip
        return
    click.echo(f"{month}: {found.looks:,} looks by {found.actors:,} pseudonyms of this month;")
    click.echo(f"{found.without_case:,} named no case. Findings: {len(found.findings):,}")
    for each in found.findings:
        usual = "" if each.usual is None else f", usually {each.usual:g}"
        click.echo(f"  {each.day}  {each.code:<10}  {each.actor}  {each.role}  {each.count}{usual}")
