"""Pages from documents: one self-contained HTML text each, for a browser and for print.

Templates escape every value; a name that a template does not know is an error and not an
empty place.
"""

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.documents.audit_report import AuditReport
from reports.documents.letter import SubjectLetter
from reports.documents.subject_copy import CopiedDecision, SubjectCopy
from reports.formatting import Formatting
from reports.letter_view import view_letter
from reports.report_view import view_report
from reports.wording import load_wording

__all__ = ["copy_html", "copy_page_html", "letter_html", "report_html"]

COPY: Final = "copy"  # the folder of its catalogues

HERE: Final = Path(__file__).parent
REPORT_LANGUAGE: Final = "en"  # an audit report is an internal document of one house


def letter_html(letter: SubjectLetter) -> str:
    """Return the letter as a page in the language of its explanation, the way that it runs.

    Raises:
        DocumentError: no catalogue speaks that language, or lacks a sentence.
    """
    language = letter.explanation.language
    wording, formatting = load_wording(language), Formatting(language)
    view = view_letter(letter, wording, formatting)
    return (
        _environment()
        .get_template("letter.html")
        .render(
            language=language,
            letter=letter,
            view=view,
            chart=Markup(view.chart),  # noqa: S704 - our own drawing, its texts escaped
            say=wording.say,
            write=formatting,
            style=_style("letter"),
        )
    )


def report_html(report: AuditReport) -> str:
    """Return the audit report as a page.

    Raises:
        DocumentError: a figure that cannot be drawn.
    """
    formatting = Formatting(REPORT_LANGUAGE)
    view = view_report(report, formatting)
    return (
        _environment()
        .get_template("report.html")
        .render(
            language=REPORT_LANGUAGE,
            report=report,
            view=view,
            lineage=Markup(view.lineage),  # noqa: S704 - our own drawing, its texts escaped
            volumes=Markup(view.volumes),  # noqa: S704 - our own drawing, its texts escaped
            weights=Markup(view.weights),  # noqa: S704 - our own drawing, its texts escaped
            missing=Markup(view.completeness.chart),  # noqa: S704 - likewise
            write=formatting,
            style=_style("report"),
            base64=_base64,
        )
    )


def copy_html(copy: SubjectCopy, decisions: Sequence[CopiedDecision], language: str) -> str:
    """Return the first page of a copy, with the decisions that stand on it.

    Raises:
        DocumentError: no catalogue speaks that language, or lacks a sentence.
    """
    return _copy_page("subject_copy.html", language, copy=copy, decisions=decisions)


def copy_page_html(
    reference: str, number: int, decisions: Sequence[CopiedDecision], language: str
) -> str:
    """Return a further page of a copy. Raises as :func:`copy_html`."""
    return _copy_page(
        "subject_copy_page.html", language,
        reference=reference, number=number, decisions=decisions,
    )  # fmt: skip


def _copy_page(template: str, language: str, **values: object) -> str:
    wording = load_wording(language, COPY)
    return (
        _environment()
        .get_template(template)
        .render(
            language=language,
            say=wording.say,
            has=wording.has,
            rights=wording.items("copy", "rights"),
            write=Formatting(language),
            style=_style("copy"),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style(document: str) -> Markup:
    sheets = ("document.css", f"{document}.css")
    text = "".join((HERE / "styles" / sheet).read_text("utf-8") for sheet in sheets)
    return Markup(text)  # noqa: S704 - files of this package


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
