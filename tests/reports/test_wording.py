"""Catalogues: complete, filled from values only, and never read as templates twice."""

import re
from pathlib import Path

import pytest

import reports
from reports.errors import DocumentError
from reports.wording import load_wording

PACKAGE = Path(reports.__file__).parent


def test_every_sentence_that_is_asked_for_exists() -> None:
    wording = load_wording("en")
    sources = [*PACKAGE.glob("*.py"), *PACKAGE.glob("templates/*.html")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    names = set(re.findall(r"say\(\s*['\"](letter\.[\w.]+\w)['\"]\s*[,)]", text))
    assert len(names) > 20
    for name in names:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wording, "fill", lambda sentence, **_: sentence)
            assert wording.say(name)


def test_a_value_is_not_read_as_a_placeholder() -> None:
    wording = load_wording("en")
    assert wording.fill("{a} and {b}", a="{b}", b="{a.__class__}") == "{b} and {a.__class__}"


@pytest.mark.parametrize("name", ["letter.nothing", "letter", "nothing.at.all"])
def test_a_sentence_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_wording("en").say(name)
    assert caught.value.member == name


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(DocumentError) as caught:
        load_wording("en").say("letter.title")
    assert caught.value.member == "outcome"


@pytest.mark.parametrize("language", ["fi", "../en", "*", ""])
def test_a_language_without_a_catalogue_is_refused(language: str) -> None:
    with pytest.raises(DocumentError):
        load_wording(language)
