"""A language that runs from right to left, with a catalogue made up for the test.

No such catalogue is shipped. The made-up one has the English sentences, once as they are (to be
drawn with the fonts there are) and once in Hebrew letters (to be read as such a language is).
"""

import io
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

import reports.wording
from examples.demo import training
from explain.catalogue import Catalogue
from explain.explanation import Explanation
from explain.narrative import explain_decision
from explain.predictor import FeatureSchema
from reports.documents import InputUsed, Regime
from reports.errors import DocumentError
from reports.formatting import Formatting
from reports.html import letter_html
from reports.pdf import render
from reports.texts import check_text
from tests.reports import samples
from tests.reports.conformance import problems
from tests.reports.conftest import Told

RTL = "he"
HEBREW = {chr(ord("a") + n): chr(0x05D0 + n % 27) for n in range(26)}
VOID = {"br", "col", "meta", "hr", "img", "link"}


def lettered(text: str) -> str:
    """The same in Hebrew letters; placeholders stay."""
    parts = re.split(r"(\{[^{}]*\})", text)
    return "".join(
        part if part.startswith("{") else "".join(HEBREW.get(c, c) for c in part.lower())
        for part in parts
    )


def also(value: Any) -> Any:
    """A manifest that speaks the made-up language as it speaks English."""
    if isinstance(value, dict):
        spoken = {name: also(each) for name, each in value.items()}
        return spoken | {RTL: value["en"]} if isinstance(value.get("en"), str) else spoken
    return [also(each) for each in value] if isinstance(value, list) else value


def explained(told: Told) -> Explanation:
    trained, values, attribution = told
    text = (resources.files("explain") / "locale" / "en.ftl").read_text("utf-8")
    manifest = also(trained.manifest)
    model = replace(trained.model, schema=FeatureSchema.from_manifest(manifest))
    return explain_decision(
        manifest,
        also(training.policy()),
        values,
        attribution,
        model,
        language=RTL,
        catalogue=Catalogue(RTL, text),
    )


def letter(explanation: Explanation) -> Any:
    inputs = tuple(
        InputUsed(each.feature, each.label, each.value_text, "form 7")
        for each in explanation.contributions
    )
    return samples.letter(explanation, inputs=inputs, regimes=(Regime.GDPR, Regime.ECOA))


@pytest.fixture
def locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the made-up catalogue lies for one test."""
    monkeypatch.setattr(reports.wording, "LOCALE", tmp_path)
    reports.wording.load_wording.cache_clear()
    yield tmp_path
    reports.wording.load_wording.cache_clear()


def english() -> str:
    return (Path(reports.wording.__file__).parent / "locale" / "en.toml").read_text("utf-8")


class _Bare(HTMLParser):
    """The characters of a page that take their direction from the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._set_apart: list[bool] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            hidden = tag in {"style", "title", "desc"}
            self._set_apart.append(hidden or dict(attrs).get("dir") == "ltr" or tag == "svg")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._set_apart.pop()

    def handle_data(self, data: str) -> None:
        for character in data:
            self._depth += {"\u2068": 1, "\u2069": -1}.get(character, 0)
            assert self._depth >= 0
            if not self._depth and not any(self._set_apart):
                self.text += character


def test_no_value_takes_its_direction_from_the_page(locale: Path, told: Told) -> None:
    texts = re.sub(r'(?m)^text = "(.*)"$', lambda m: f'text = "{lettered(m[1])}"', english())
    (locale / f"{RTL}.toml").write_text(texts, encoding="utf-8")
    assert tomllib.loads(texts)["letter"]["data"]["text"] != ""
    page = letter_html(letter(explained(told)))
    assert f'<html lang="{RTL}" dir="rtl">' in page
    bare = _Bare()
    bare.feed(page)
    own = {"1.", "2.", "3.", "4.", "60", "17", "12", "1002.9"}  # of lists, and of the sentences
    found = set(re.findall(r"[\d.,]*\d[\d.,]*", bare.text)) - own
    told_by_the_catalogue = set(re.findall(r"[\d.,]*\d[\d.,]*", english()))
    plain = (resources.files("explain") / "locale" / "en.ftl").read_text("utf-8")
    assert found <= told_by_the_catalogue | set(re.findall(r"\d+", plain))
    assert "\u2068\u2212" in page  # a minus stays before its number


# WeasyPrint leaves the colour profile that it embeds open.
@pytest.mark.filterwarnings("ignore:.*sRGB2014:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")
def test_a_page_is_laid_out_from_the_right_and_still_conforms(locale: Path, told: Told) -> None:
    text = re.sub(r"\{moment\}|\{day\}", "today", english())  # its months are not in our fonts
    (locale / f"{RTL}.toml").write_text(text, encoding="utf-8")
    page = letter_html(letter(explained(told)))
    page = page.replace(Formatting(RTL).day(samples.letter().issued), "today")
    data = render(page, title="t", created=datetime(2026, 5, 18, tzinfo=UTC))
    assert problems(data) == []
    with pypdfium2.PdfDocument(io.BytesIO(data)) as document:
        first = document[0].get_textpage()
        found = first.search("Main reasons")
        (at, length) = found.get_next()
        left, _, _, _ = first.get_charbox(at)
        assert length == len("Main reasons")
        assert left > document[0].get_width() / 2, "headings stand in the column on the right"
        found.close()
        first.close()


def test_letters_that_no_font_draws_are_refused_and_not_printed_as_boxes(
    locale: Path, told: Told
) -> None:
    texts = re.sub(r'(?m)^how = "(.*)"$', lambda m: f'how = "{lettered(m[1])}"', english())
    (locale / f"{RTL}.toml").write_text(texts, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"no font here draws U\+05"):
        render(letter_html(letter(explained(told))), title="t", created=samples.MOMENT)


def test_a_closed_isolate_may_be_printed_and_an_open_one_may_not() -> None:
    check_text("a \u2068b \u2068c\u2069 d\u2069 e", "x")
    for text in ("\u2068a", "a\u2069", "\u2069a\u2068", "\u2067a\u2069", "\u2068\u202ea\u2069"):
        with pytest.raises(DocumentError):
            check_text(text, "x")


@pytest.mark.parametrize(("language", "direction"), [("he", "rtl"), ("ar", "rtl"), ("pl", "ltr")])
def test_a_language_has_its_direction(language: str, direction: str) -> None:
    write = Formatting(language)
    assert write.direction == direction
    assert write.apart("5") == ("\u20685\u2069" if direction == "rtl" else "5")
    assert write.apart("") == ""
