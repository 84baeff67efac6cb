"""docs/wording.md speaks of every sentence, and no sentence says what it forbids."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from fluent.syntax import FluentParser, ast

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "wording.md").read_text("utf-8")
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl")
PRESCRIBED = "regimes.ecoa.notices[1].text"  # the law's own words: 12 CFR 1002.9(b)(1)
COLUMNS = ("en", "de", "fr", "es", "nl", "it", "pl")  # of the table of terms


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@cache
def explained(language: str) -> dict[str, str]:
    """The messages of the explanation: their text as it stands in the catalogue."""
    text = (resources.files("explain") / "locale" / f"{language}.ftl").read_text("utf-8")
    body = FluentParser().parse(text).body
    return {
        each.id.name: text[each.span.start : each.span.end].partition("=")[2]
        for each in body
        if isinstance(each, ast.Message) and each.span is not None
    }


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(each, f"{path}[{at}]")
    elif isinstance(value, str):
        yield path, value


@cache
def written(language: str, document: str) -> dict[str, str]:
    path = ROOT / "reports" / "locale" / document / f"{language}.toml"
    return dict(leaves(tomllib.loads(path.read_text("utf-8"))))


def lender(language: str) -> list[str]:
    texts = tomllib.loads((ROOT / "examples/demo/texts.toml").read_text("utf-8"))["text"]
    return [each[language] for each in texts]


def patterns(title: str) -> list[str]:
    return [name for row in rows(title) for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize("title", ["The explanation", "The letter"])
def test_every_sentence_has_been_read_by_a_hostile_reader(title: str) -> None:
    names = explained("en") if title == "The explanation" else written("en", "")
    known = patterns(f"{title}, sentence by sentence")
    assert [name for name in names if not any(fnmatchcase(name, each) for each in known)] == []
    assert [each for each in known if not any(fnmatchcase(name, each) for name in names)] == []


def banned() -> dict[str, list[str]]:
    found = {row[0].strip("`"): re.findall(r"`([^`]+)`", row[1]) for row in rows("Never said")}
    assert sorted(found) == sorted(LANGUAGES)
    return found


def texts_of(language: str) -> Iterator[tuple[str, str]]:
    yield from explained(language).items()
    yield from (each for each in written(language, "").items() if each[0] != PRESCRIBED)
    yield from written(language, "copy").items()
    yield from (("the demo's", text) for text in lender(language))


def says(text: str, phrase: str) -> bool:
    # At the beginning of a word: `conform` is not in `Uniform`.
    return re.search(rf"(?<!\w){re.escape(phrase)}", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_says_what_may_not_be_said(language: str) -> None:
    phrases = banned()[language]
    assert len(phrases) > 10
    assert [
        (name, phrase)
        for name, text in texts_of(language)
        for phrase in phrases
        if says(text, phrase)
    ] == []


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("You were declined because you pay late.", "because you"),
        ("Late payments Caused this.", "caused"),
        ("The log is immutable.", "immutable"),
        ("Prepared in compliance with the law.", "complian"),
    ],
)
def test_the_test_finds_what_it_looks_for(text: str, phrase: str) -> None:
    assert phrase in banned()["en"]
    assert says(text, phrase)


@pytest.mark.parametrize("language", LANGUAGES)
def test_points_are_never_a_percentage(language: str) -> None:
    """A share is said of values and of what was left out, never of a contribution."""
    for name, text in explained(language).items():
        if re.search(r"\$points|\$score|\$per\b", text):
            assert "%" not in text, name
            assert "$share" not in text, name
    for name, text in written(language, "").items():
        assert "%" not in text, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_thing_has_one_name(language: str) -> None:
    said = " ".join(text for _, text in texts_of(language)).lower()
    terms = [row[COLUMNS.index(language)] for row in rows("Terms")]
    assert [term for term in terms if term.lower() not in said] == []
