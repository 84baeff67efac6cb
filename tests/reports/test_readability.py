"""What a person is told in the letter keeps its language's bound of readability."""

import re
from pathlib import Path

import pytest

from examples.demo import training
from explain.narrative import explain_decision
from reports.wording import load_wording
from tests.readability import FORMULAS, count
from tests.reports.conftest import Told

ROOT = Path(__file__).parents[2]


def letter_of(told: Told, language: str) -> str:
    trained, values, attribution = told
    explained = explain_decision(
        trained.manifest, training.policy(), values, attribution, trained.model, language=language
    )
    wording = load_wording(language)
    return "\n".join(
        [
            explained.summary,
            wording.say("letter.how.sole"),
            *explained.paragraphs[:2],
            *(reason.text for reason in explained.reasons),
            *(other.text for other in explained.counterfactuals[:2]),
            explained.counterfactual_note,
            wording.say("letter.data.text", count=str(len(explained.contributions))),
            *(right["text"] for right in wording.regime("gdpr", "rights")),
            *explained.limits,
        ]
    )


@pytest.mark.parametrize("language", FORMULAS)
def test_the_letter_is_as_easy_to_read_as_it_says(told: Told, language: str) -> None:
    formula = FORMULAS[language]
    value = formula.value(count(letter_of(told, language), language))
    assert formula.lowest <= value <= formula.highest


@pytest.mark.parametrize("language", FORMULAS)
def test_the_bounds_are_those_on_the_page(language: str) -> None:
    page = (ROOT / "docs" / "wording.md").read_text("utf-8")
    row = re.search(
        rf"^\| `{language}` \| ([^|]+) \| [\d.]+ \| at (most|least) (\d+) \|", page, re.MULTILINE
    )
    assert row is not None
    formula = FORMULAS[language]
    assert row[1] == formula.name
    bound = formula.highest if row[2] == "most" else formula.lowest
    assert float(row[3]) == bound


def test_harder_text_scores_as_harder() -> None:
    easy = "We looked at your form. You may ask us why. A person will look again."
    hard = (
        "Notwithstanding aforementioned considerations, reconsideration necessitates "
        "comprehensive documentation substantiating extraordinary circumstances."
    )
    grade = FORMULAS["en"].value
    assert grade(count(easy, "en")) < 3
    assert grade(count(hard, "en")) > FORMULAS["en"].highest
