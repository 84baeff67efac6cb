"""The letter in seven languages: complete catalogues, whole pages, glyphs for every letter."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import explain.catalogue
import reports
from reports.documents.letter import Regime
from reports.formatting import Formatting
from reports.glyphs import check_drawable
from reports.html import letter_html
from reports.wording import languages, load_wording
from tests.reports import samples

LOCALE = Path(reports.__file__).parent / "locale"
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl")
# The law fixes these words: 12 CFR 1002.9(b)(1).
PRESCRIBED = "regimes.ecoa.notices[1]."
KEPT = {"decided_by", "adverse", "consumer_report", "language"}  # when a text applies, and how


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every sentence of a catalogue by its path; conditions as they are."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from texts(each, f"{path}[{at}]")
    else:
        yield path, str(value)


def catalogue(language: str, document: str) -> dict[str, str]:
    return dict(texts(tomllib.loads((LOCALE / document / f"{language}.toml").read_text("utf-8"))))


def names(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("document", ["", "copy"])
def test_every_document_speaks_seven_languages(document: str) -> None:
    assert languages(document) == LANGUAGES == explain.catalogue.languages()


@pytest.mark.parametrize("document", ["", "copy"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_sentence_with_the_same_parts(language: str, document: str) -> None:
    english, other = catalogue("en", document), catalogue(language, document)
    assert list(other) == list(english), "the same sentences, in the same order"
    for path, text in other.items():
        assert names(text) == names(english[path]), path
        if path.rpartition(".")[2].partition("[")[0] in KEPT or path.startswith(PRESCRIBED):
            assert text == english[path], path


@pytest.mark.parametrize("document", ["", "copy"])
@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_nothing_was_left_in_english(language: str, document: str) -> None:
    english, other = catalogue("en", document), catalogue(language, document)
    alike = {path for path, text in other.items() if text == english[path] and " " in text}
    alike -= {path for path in alike if path.startswith((PRESCRIBED, "regimes.ecoa.notices[2].t"))}
    assert {path for path in alike if not path.endswith((".law", ".adverse"))} <= {
        "letter.how.model"
    }


@pytest.mark.parametrize("document", ["", "copy"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fonts_draw_every_letter_of_it(language: str, document: str) -> None:
    for text in catalogue(language, document).values():
        check_drawable(text)
    write = Formatting(language)
    for month in range(1, 13):
        moment = samples.MOMENT.replace(month=month)
        check_drawable(write.moment(moment) + write.month(moment) + write.short_month(moment))
    check_drawable(write.count(1_234_567))


@pytest.mark.parametrize("document", ["", "copy"])
def test_no_french_line_breaks_before_its_punctuation(document: str) -> None:
    for path, text in catalogue("fr", document).items():
        if not path.startswith(PRESCRIBED):
            assert re.findall(r"« | [:;?!»]", text) == [], path


def spoken(language: str) -> Any:
    """The sample letter with every law that a letter knows, around an explanation as it is."""
    explained = replace(samples.explanation(), language=language)
    return samples.letter(explained, regimes=tuple(Regime))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_whole_in_every_language(language: str) -> None:
    page = letter_html(spoken(language))
    say = load_wording(language).say
    assert f'<html lang="{language}"' in page
    for name in ("rights", "limits", "annex", "notices", "check"):
        assert say(f"letter.headings.{name}") in page
    assert not re.search(r"\{[a-z_]+\}", page.partition("</style>")[2])
    if language != "en":
        assert (
            page.count('<div class="keep" lang="en" dir="ltr">') == 1
        )  # the words of Regulation B


def test_a_letter_has_the_ways_of_its_language() -> None:
    page = letter_html(spoken("pl"))
    assert "14 maja 2026" in page
    assert "48\u00a0960" in page
    assert json.dumps(samples.explanation().summary)[1:20] in page  # the explanation's own words
