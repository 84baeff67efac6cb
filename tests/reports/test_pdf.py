"""The files: conforming, the same bytes anywhere, closed to the outside, complete."""

import hashlib
import http.server
import io
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from reports.documents import Attachment, InputUsed, Regime, Relationship
from reports.errors import DocumentError, FetchRefusedError
from reports.html import letter_html, report_html
from reports.pdf import render
from tests.reports import samples
from tests.reports.conformance import problems

ROOT = Path(__file__).resolve().parents[2]
PAGE = '<!doctype html><html lang="en"><head><title>t</title></head><body>{}</body></html>'
EVIDENCE = Attachment("evidence.json", "The openings", b'{"a":1}')
PROOF = Attachment("decision.tlog-proof", "The proof", b"c2sp.org/tlog-proof@v1\n", Relationship.SUPPLEMENT)  # fmt: skip


def rendered(html: str, *attachments: Attachment) -> bytes:
    return render(
        html, title="A title", created=samples.MOMENT, author="A bank", attachments=attachments
    )


class Unheard(logging.Handler):
    """Turns what the renderer says about a template (a rule it does not know) into a failure."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def quietly(html: str, *attachments: Attachment) -> bytes:
    handler = Unheard(logging.WARNING)
    logging.getLogger("weasyprint").addHandler(handler)
    try:
        return rendered(html, *attachments)
    finally:
        logging.getLogger("weasyprint").removeHandler(handler)


@cache
def letter_pdf() -> bytes:
    return quietly(letter_html(samples.letter()), EVIDENCE, PROOF)


@cache
def report_pdf() -> bytes:
    return quietly(report_html(samples.report()))


WITHOUT_FILES = """
import resource, sys
from reports.html import letter_html
from reports.pdf import render
from tests.reports import samples
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # of every file that this process writes
try:
    with open(sys.argv[1], "wb") as file:
        file.write(b"anything")
except OSError:
    page = letter_html(samples.letter())
    made = render(page, title="A title", created=samples.MOMENT, author="A bank", attachments=())
    sys.stdout.buffer.write(made)
"""


def test_a_letter_touches_no_file_while_it_is_made(tmp_path: Path) -> None:
    """Nor does native code: the kernel writes not one byte for it into a file."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FILES, str(tmp_path / "probe")],
        cwd=ROOT, capture_output=True, check=False, timeout=120,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert "600 points" in "".join(pages(done.stdout))
    assert [(each.name, each.stat().st_size) for each in tmp_path.iterdir()] == [("probe", 0)]


def pages(data: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    try:
        found = []
        for number in range(len(document)):
            page = document[number]
            text = page.get_textpage()
            found.append(text.get_text_range())
            text.close()
            page.close()
        return found
    finally:
        document.close()


def both_regimes() -> bytes:
    return rendered(letter_html(samples.letter(regimes=(Regime.GDPR, Regime.ECOA))))


def in_polish() -> bytes:
    """Every law that a letter knows, and letters that English does not have."""
    explained = replace(samples.explanation(), language="pl")
    return quietly(letter_html(samples.letter(explained, regimes=tuple(Regime))))


@pytest.mark.parametrize("made", [letter_pdf, report_pdf, both_regimes, in_polish])
def test_documents_conform(made: object) -> None:
    assert callable(made)
    assert problems(made()) == []


def test_the_gate_sees_what_is_missing() -> None:
    with pikepdf.open(io.BytesIO(letter_pdf())) as pdf:
        del pdf.Root["/Lang"]
        broken = io.BytesIO()
        pdf.save(broken)
    assert "a language" in problems(broken.getvalue())


def test_the_letter_is_one_page_and_its_annex() -> None:
    first, second, *_ = pages(letter_pdf())
    assert "Contacts" in first
    assert second.splitlines()[0:2] != []
    assert "Annex" in second
    assert "Annex" not in first


def test_tables_repeat_their_heads_on_wide_pages() -> None:
    annex = [text for text in pages(report_pdf()) if "Leaf hash" in text]
    assert len(annex) == 2
    with pikepdf.open(io.BytesIO(report_pdf())) as pdf:
        widths = [float(page.mediabox[2]) for page in pdf.pages]
    assert [round(wide) for wide in widths[-2:]] == [842, 842]
    assert {round(wide) for wide in widths[:-2]} == {595}


def test_every_number_of_the_letter_is_one_of_its_values() -> None:
    letter = samples.letter()
    said = _texts(letter) + " May 14, 2026, 09:31 May 18, 2026 48,213 48,960"
    known = set(_numbers(said)) | _counts(letter)
    text = "\n".join(pages(letter_pdf()))
    for prescribed in _prescribed():
        text = text.replace(prescribed, "")
    shown = set(_numbers(text))
    assert shown - known == set()
    for item in letter.explanation.contributions:
        assert item.points_text in text


def _counts(letter: object) -> set[str]:
    """Numbers that count the letter's own parts: items, reasons, pages, and the chart's rest."""
    explained = samples.explanation()
    largest = sorted(explained.contributions, key=lambda item: -abs(item.amount))
    rest = sum(item.points for item in largest[5:])
    counted = {len(explained.contributions), len(explained.contributions) - 5, 1, 2, 3, 4}
    return {str(number) for number in counted} | {str(abs(rest))}


def _prescribed() -> tuple[str, ...]:
    return ("12 CFR 1002.9(a)(2)",)


def _numbers(text: str) -> list[str]:
    plain = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", " ", text)
    return [number.strip(".,") for number in re.findall(r"\d[\d.,]*", plain)]


def _texts(value: object) -> str:
    """Every text inside a frozen value."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return " ".join(map(_texts, value))
    fields = getattr(value, "__dataclass_fields__", {})
    return " ".join(_texts(getattr(value, name)) for name in fields)


def test_attachments_are_what_was_given() -> None:
    with pikepdf.open(io.BytesIO(letter_pdf())) as pdf:
        files = {name: spec.get_file() for name, spec in pdf.attachments.items()}
        found = {name: file.read_bytes() for name, file in files.items()}
        dates = {file.creation_date for file in files.values()}
        kinds = {n: str(spec.obj.AFRelationship) for n, spec in pdf.attachments.items()}
    assert found == {EVIDENCE.name: EVIDENCE.content, PROOF.name: PROOF.content}
    assert dates == {samples.MOMENT}
    assert kinds == {EVIDENCE.name: "/Source", PROOF.name: "/Supplement"}


def test_metadata_is_readable_without_unpacking() -> None:
    assert b"<pdfuaid:part>" in letter_pdf() or b'pdfuaid:part="1"' in letter_pdf()
    with pikepdf.open(io.BytesIO(letter_pdf())) as pdf:
        assert str(pdf.docinfo["/Title"]) == "A title"
        assert str(pdf.docinfo["/Author"]) == "A bank"
        assert str(pdf.docinfo["/CreationDate"]).startswith("D:20260514093107")


def test_only_our_fonts_are_used() -> None:
    with pikepdf.open(io.BytesIO(letter_pdf())) as pdf:
        dictionaries = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary)]
        names = {str(item.FontName) for item in dictionaries if "/FontName" in item}
    assert len(names) == 4
    assert all("+IBM-Plex-" in name for name in names)


SCRIPT = """
import hashlib
from tests.reports import test_pdf
print(hashlib.sha256(test_pdf.letter_pdf()).hexdigest())
"""


def test_the_same_letter_has_the_same_bytes_in_every_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(letter_pdf()).hexdigest()


def test_a_moment_is_a_moment_in_every_zone() -> None:
    html = PAGE.format("<p>text</p>")
    elsewhere = samples.MOMENT.astimezone(timezone(timedelta(hours=9)))
    one = render(html, title="t", created=samples.MOMENT)
    assert one == render(html, title="t", created=elsewhere)


# Nothing is fetched


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


VECTORS = {
    "image": '<img alt="x" src="{url}/a">',
    "import": '<style>@import "{url}/a";</style>',
    "background": '<p style="background:url({url}/a)">x</p>',
    "font": "<style>@font-face{{font-family:x;src:url({url}/a)}} p{{font-family:x}}</style><p>x</p>",
    "link attachment": '<link rel="attachment" href="file:///etc/hostname">',
    "anchor attachment": '<a rel="attachment" href="file:///etc/hostname">x</a>',
    "image in a drawing": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{url}/a" width="9" height="9"/></svg>',
    "object": '<object data="{url}/a"></object>',
    "file": '<img alt="x" src="file:///etc/passwd">',
    "data": '<img alt="x" src="data:image/png;base64,AAAA">',
}


@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_outside_is_fetched(vector: str, listener: tuple[str, list[str]]) -> None:
    url, asked = listener
    with pytest.raises(FetchRefusedError):
        rendered(PAGE.format(VECTORS[vector].format(url=url)))
    assert asked == []


# What is refused


@pytest.mark.parametrize("name", ["محمد", "王小明", "ชื่อ", "🙂"])
def test_a_name_that_no_font_draws_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match=r"no font here draws U\+"):
        rendered(PAGE.format(f"<p>{name}</p>"))


@pytest.mark.parametrize("name", ["Åsa Ødegård", "Nguyễn Thị", "Łukasz Żółć", "Ольга", "Αθηνά"])
def test_a_name_that_our_fonts_draw_is_printed(name: str) -> None:
    (text,) = pages(rendered(PAGE.format(f'<p style="font-family:IBM Plex Sans">{name}</p>')))
    assert text.strip() == name


def test_a_very_long_word_stays_on_the_page() -> None:
    word = "Donaudampfschifffahrtsgesellschaft" * 20
    explained = samples.explanation()
    made = samples.letter(inputs=(InputUsed("x", word, word, word), *samples.inputs(explained)))  # fmt: skip
    data = rendered(letter_html(made))
    assert problems(data) == []
    document = pypdfium2.PdfDocument(data)
    try:
        for number in range(len(document)):
            page = document[number]
            wide = page.get_width()
            text = page.get_textpage()
            boxes = [text.get_rect(at) for at in range(text.count_rects())]
            assert boxes
            assert all(left >= 0 and right <= wide for left, _, right, _ in boxes)
            text.close()
            page.close()
    finally:
        document.close()


def test_a_page_says_its_language() -> None:
    with pytest.raises(DocumentError) as caught:
        rendered("<html><title>t</title><p>x</p></html>")
    assert caught.value.member == "html.lang"


def test_a_time_needs_a_zone() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the fault under test
    with pytest.raises(DocumentError):
        render(PAGE.format("x"), title="t", created=naive)


def test_two_attachments_may_not_be_confused() -> None:
    other = Attachment("other.json", "d", EVIDENCE.content)
    again = Attachment(EVIDENCE.name, "d", b"2")
    for pair in ((EVIDENCE, other), (EVIDENCE, again)):
        with pytest.raises(DocumentError):
            rendered(PAGE.format("x"), *pair)


def test_a_page_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.pdf.MAX_HTML", 100)
    with pytest.raises(DocumentError, match="too long"):
        render(PAGE.format("x" * 100), title="t", created=datetime(2026, 1, 1, tzinfo=UTC))
