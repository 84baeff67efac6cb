"""Pages from documents: one self-contained HTML text each, for a browser and for print.

Templates escape every value; a name that a template does not know is an error and not an
empty place.
"""

import base64
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.documents.audit_report import AuditReport
from reports.documents.letter import SubjectLetter
from reports.formatting import Formatting
from reports.letter_view import view_letter
from reports.report_view import view_report
from reports.wording import load_wording

__all__ = ["letter_html", "report_html"]

HERE: Final = Path(__file__).parent
REPORT_LANGUAGE: Final = "en"  # an audit report is an internal document of one house


def letter_html(letter: SubjectLetter) -> str:
    """Return the letter as a page in the language of its explanation.

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
            volumes=Markup(view.volumes),  # noqa: S704 - our own drawing, its texts escaped
            weights=Markup(view.weights),  # noqa: S704 - our own drawing, its texts escaped
            missing=Markup(view.completeness.chart),  # noqa: S704 - likewise
            write=formatting,
            style=_style("report"),
            base64=_base64,
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
