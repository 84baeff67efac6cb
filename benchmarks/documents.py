"""The letter as a PDF/A-3a and PDF/UA-1 file, against WeasyPrint's own plain rendering."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measuring import Measured, at_most, time_ratios, timed
from reports.html import letter_html
from reports.pdf import render
from tests.reports.samples import MOMENT, letter


def measure() -> Iterator[Measured]:
    from weasyprint import HTML

    page = letter_html(letter())

    def ours() -> bytes:
        return render(page, title="Letter", created=MOMENT)

    def theirs() -> object:
        return HTML(string=page).write_pdf()

    ours()
    theirs()
    yield Measured("pdf_letter", at_most(1.2), time_ratios(timed(ours), timed(theirs), 5))
