"""Reports about many decisions, and the check that needs nobody's trust."""

import csv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.terminal import opened, reading, reads, speaks

if TYPE_CHECKING:
    from reports.documents import AuditReport

__all__ = ["report", "verify"]

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option("--model", required=True, help="The model version, as name@version or digest.")
@click.option("--since", required=True, type=_DAY, help="First day, by the time of decision.")
@click.option("--until", required=True, type=_DAY, help="Last day, included.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("audit-report.pdf"),
    show_default=True,
    help="Write it to this file.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Decisions to run again on the archived model and to list.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sample's draw.")
@click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a header: decision id, then a column of groups for each trait. Traits are "
    "kept apart from the ledger; they are used for the fairness tables and not stored.",
)
@click.option("--groups-source", default="a file kept apart", help="Where that file comes from.")
@click.option("--html", "as_html", is_flag=True, help="Write HTML instead of PDF.")
@reads
@speaks
def report(
    *,
    model: str,
    since: datetime,
    until: datetime,
    output: Path,
    sample: int,
    seed: int,
    groups: Path | None,
    groups_source: str,
    purpose: str,
    case: str,
    as_html: bool,
) -> None:
    """Write the audit report on a model's decisions, as PDF.

    Opens every decision of the period, runs a sample again, and re-derives the whole log.
    """
    from service.auditing import AuditRequest, audit_report
    from service.contacts import read_contacts

    request = AuditRequest(
        model=model,
        since=since.date(),
        until=until.date(),
        sample=sample,
        seed=seed,
        groups=_groups(groups) if groups else {},
        groups_source=groups_source,
    )
    with opened() as runtime:
        organisation = read_contacts(runtime.settings.contacts_path).controller.name
        value = audit_report(runtime, reading(runtime, purpose, case), request, organisation)
        _write(value, output, runtime.clock(), as_html=as_html)
    click.echo(f"{output}: {value.decisions:,} decisions, {len(value.findings)} findings", err=True)


def _write(value: "AuditReport", output: Path, created: datetime, *, as_html: bool) -> None:
    """Write the report; files that go with it are inside a PDF, and beside HTML."""
    from reports.html import report_html

    page = report_html(value)
    if as_html:
        output.write_text(page, encoding="utf-8")
        for file in value.attachments:
            beside = output.with_name(file.name)
            beside.write_bytes(file.content)
            click.echo(f"{beside}: {file.description}", err=True)
        return
    from reports.pdf import render

    title = f"Audit report on {value.card.name} {value.card.version}"
    pdf = render(
        page,
        title=title,
        created=created,
        author=value.organisation,
        attachments=value.attachments,
    )
    output.write_bytes(pdf)


def _groups(path: Path) -> dict[str, dict[str, str]]:
    """Trait → decision id → group."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        id_column, *traits = rows.fieldnames or [""]
        if not traits:
            raise click.BadParameter("needs an id column and a trait", param_hint="--groups")
        found: dict[str, dict[str, str]] = {trait: {} for trait in traits}
        for row in rows:
            for trait in traits:
                if row[trait]:
                    found[trait][row[id_column]] = row[trait]
    return found


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Check a log or a receipt offline: the same as python -m ledger.verify.

    It needs a trust policy that you got another way; try verify --help.
    """
    from ledger.verify.__main__ import main

    raise click.exceptions.Exit(main(list(arguments)))
