"""Decisions: find, show, explain and prove them. Every read goes on the access log."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.terminal import opened, print_json, reading, reads, speaks

if TYPE_CHECKING:
    from explain.explanation import Explanation
    from ledger.operate.timestamps import Evidence
    from reports.documents.letter import SubjectLetter
    from service.explaining import Issued
    from service.runtime import Runtime

__all__ = ["decisions", "explain", "letter", "proof"]

_OUT = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file."
)
# As reports.required_content.Law, which is imported when it is asked for.
LAWS = ("ai_act_86", "ccd2_18", "dsa_17", "fcra_615", "gdpr_15", "reg_b_9")
_LANGUAGE = click.option(
    "--language", default="", help="In this language.  [default: the one it was told in]"
)


@click.group()
def decisions() -> None:
    """Find and show recorded decisions."""


@decisions.command()
@click.option(
    "--subject", help="Your reference to a person; - asks for it, so that no shell keeps it."
)
@click.option("--model", help="Model version, as name@version or digest.")
@click.option("--policy", help="Policy version, as name@version or digest.")
@click.option("--outcome", help="The outcome's code.")
@click.option("--since", help="Decided at or after, e.g. 2026-05-14T00:00:00Z.")
@click.option("--until", help="Decided before.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reads
@speaks
def find(purpose: str, case: str, *, as_json: bool, **asked: Any) -> None:
    """Find decisions, newest first."""
    if asked["subject"] == "-":
        asked["subject"] = click.prompt("Reference", hide_input=True)
    with opened() as runtime:
        page = reading(runtime, purpose, case).page(asked)
        if as_json:
            from service.api.decisions import listed

            print_json(listed(page))
            return
        for row in page.rows:
            click.echo(
                f"{row.id}  {row.decided_at:%Y-%m-%d %H:%M}  {row.outcome:<12} {row.margin:>12}"
            )
        click.echo(f"{len(page.rows)} of {page.total:,}", err=True)


@decisions.command()
@click.argument("decision_id")
@reads
@speaks
def show(decision_id: str, purpose: str, case: str) -> None:
    """Show one decision as it was recorded, as JSON."""
    from service.api.decisions import shown

    with opened() as runtime:
        view = reading(runtime, purpose, case).decision(decision_id)
        later = runtime.corrections.of(decision_id)
        print_json(shown(view, runtime.attributions.of(view), later))


@click.command()
@click.argument("decision_id")
@click.option("--json", "as_json", is_flag=True, help="Print the whole explanation as JSON.")
@_LANGUAGE
@click.option(
    "--audience",
    type=click.Choice(["subject", "reviewer", "regulator"]),
    default="subject",
    show_default=True,
    help="For whom; a reviewer also gets the checks, a regulator codes and integers.",
)
@reads
@speaks
def explain(
    decision_id: str, language: str, audience: str, purpose: str, case: str, *, as_json: bool
) -> None:
    """Explain a decision in words; issues the explanation if nobody has."""
    with opened() as runtime:
        reading(runtime, purpose, case).note([decision_id], ("explanation",))
        issued = _issued(runtime, decision_id, language)
    if as_json:
        print_json(issued.explanation.to_json())
        return
    for line in _told(issued.explanation, audience):
        click.echo(line)


def _issued(runtime: "Runtime", decision_id: str, language: str) -> "Issued":
    if language:
        return runtime.explaining.issue_in(decision_id, language)
    return runtime.explaining.issue(decision_id, runtime.settings.language)


def _told(explanation: "Explanation", audience: str) -> "Iterator[str]":
    from explain.catalogue import load_catalogue
    from explain.layers import Audience, layers

    speech = load_catalogue(explanation.language)
    for layer in layers(explanation, Audience(audience), speech):
        yield layer.title
        yield from (f"  {text}" for text in layer.texts)
        yield ""
    if explanation.failed:
        yield "No letter is made automatically: a person writes it, because a check failed"
        yield from (f"  {gate.name}: {gate.detail}" for gate in explanation.failed)


@click.command()
@click.argument("decision_id")
@_OUT
@click.option("--html", "as_html", is_flag=True, help="Write HTML instead of PDF.")
@click.option(
    "--contents",
    type=click.Choice(LAWS),
    help="Write no letter; say where in it the contents stand that a law asks for.",
)
@_LANGUAGE
@reads
@speaks
def letter(
    decision_id: str,
    output: Path | None,
    contents: str | None,
    language: str,
    purpose: str,
    case: str,
    *,
    as_html: bool,
) -> None:
    """Write the letter that explains a decision to the person, as PDF with its evidence."""
    from ledger.operate.access_log import Manner

    fields = ("attributions", "context", "explanation", "input", "output")  # with its attachments
    with opened() as runtime:
        reading(runtime, purpose, case).note([decision_id], fields, manner=Manner.PRINT)
        issued = _issued(runtime, decision_id, language)
        if contents:
            for line in _contents(runtime.reporting.letter(decision_id, issued), contents):
                click.echo(line)
            return
        issued.explanation.check_automatic()
        if as_html:
            written = runtime.reporting.letter_html(decision_id, issued).encode()
        else:
            written = runtime.reporting.letter_pdf(decision_id, issued)
    suffix = "html" if as_html else "pdf"
    target = output or Path(f"explanation-{decision_id}.{suffix}")
    target.write_bytes(written)
    click.echo(f"{target}: {len(written):,} bytes", err=True)


def _contents(written: "SubjectLetter", law: str) -> "Iterator[str]":
    """A checklist in lines: what a law asks for, where it stands, and what has to be added."""
    from reports.required_content import Law, prepared

    yield "Prepared to support the work of whoever answers for the letter; no legal advice."
    for each in prepared(written, Law(law)):
        place = ", ".join(each.parts) if each.present else "NOT IN THE LETTER"
        added = f" (to add: {each.missing})" if each.missing else ""
        yield f"{each.article}: {each.content}: {place}{added}"


@click.command()
@click.argument("decision_id")
@_OUT
@click.option(
    "--openings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the openings of every section to this file: personal data.",
)
@click.option(
    "--timestamp",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a timestamp (.tsr) to this file; the proof is then under the earliest"
    " checkpoint that an authority dated.",
)
@click.option(
    "--cose",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a COSE receipt (RFC 9942) to this file, X.cose, instead of a tlog-proof.",
)
@reads
@speaks
def proof(
    decision_id: str,
    *,
    output: Path | None,
    openings: Path | None,
    timestamp: Path | None,
    cose: Path | None,
    purpose: str,
    case: str,
) -> None:
    """Write the proof that a decision is in the log (a C2SP tlog-proof).

    Check it anywhere with: python -m ledger.verify FILE --policy policy.txt
    """
    if cose is not None and cose.suffix != ".cose":
        raise click.BadParameter("end the name in .cose, by which the verifier knows it")
    from ledger.operate.access_log import Manner

    with opened() as runtime:
        reader = reading(runtime, purpose, case)
        reader.note([decision_id], ("proof",), manner=Manner.EXPORT)
        if cose is not None:
            cose.write_bytes(runtime.cose["decisions"].of_entry(decision_id).encode())
            _say_how_to_check(cose)
        if timestamp is None:
            text = runtime.logs["decisions"].receipt(decision_id).format()
        else:
            evidence = _dated(runtime, decision_id)
            text = evidence.receipt.format()
            timestamp.write_bytes(evidence.token)
            click.echo(f"{timestamp}: it {evidence.timestamp}", err=True)
        if openings is not None:
            sections = ("attributions", "context", "input", "output")
            reader.note([decision_id], sections, manner=Manner.EXPORT)
            openings.write_bytes(runtime.reporting.openings(decision_id))
    if output is not None:
        output.write_text(text, encoding="utf-8")
        _say_how_to_check(output)
    elif cose is None:
        click.echo(text, nl=False)


def _say_how_to_check(path: Path) -> None:
    click.echo(f"{path}: check it with python -m ledger.verify {path} --policy policy.txt",
               err=True)  # fmt: skip


def _dated(runtime: "Runtime", decision_id: str) -> "Evidence":
    from ledger.operate.timestamps import earliest
    from service.commands.dating import read_trusted
    from service.rotation import every_key
    from service.runtime import kept_timestamps

    name = "decisions"
    roots = read_trusted(runtime.settings.authority_roots_path, needed=False)
    kept = kept_timestamps(runtime.settings, name)
    return earliest(runtime.logs[name], decision_id, every_key(runtime, name), kept, roots)
