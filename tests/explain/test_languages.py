"""Every catalogue says everything, with the same parts, in the plural forms of its language."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from importlib import resources
from typing import Any, cast

import pytest
from babel import Locale
from fluent.syntax import FluentParser, ast

from explain import catalogue
from explain.catalogue import Catalogue, load_catalogue
from explain.errors import FactsDiffer
from explain.explanation import Explanation
from explain.model import Model
from explain.narrative import explain_decision
from explain.policy import Policy
from explain.predictor import FeatureSchema
from explain.reason_codes import Push
from explain.sentences import Sentences
from explain.wording import typical_values
from tests.explain.conftest import Input

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl")
# What a message may choose by: a number, or one of two words that the code gives.
SELECTORS = {"count", "together", "follows", "passed"}


def text_of(language: str) -> str:
    return (resources.files("explain") / "locale" / f"{language}.ftl").read_text("utf-8")


def messages(language: str) -> dict[str, ast.Message]:
    body = FluentParser().parse(text_of(language)).body
    assert [each for each in body if isinstance(each, ast.Junk | ast.Term)] == []
    found = [each for each in body if isinstance(each, ast.Message)]
    assert len({each.id.name for each in found}) == len(found)
    return {each.id.name: each for each in found}


def placeables(element: Any) -> Iterator[ast.Placeable]:
    for part in element.elements:
        if isinstance(part, ast.Placeable):
            yield part
            if isinstance(part.expression, ast.SelectExpression):
                for variant in part.expression.variants:
                    yield from placeables(variant.value)


def parts(message: ast.Message) -> set[str]:
    """The values that a message shows or chooses by; anything else in it fails."""
    names = set()
    assert message.attributes == []
    for each in placeables(message.value):
        expression = each.expression
        if isinstance(expression, ast.StringLiteral):
            assert expression.parse() == {"value": "\u00a0"}
            continue
        if isinstance(expression, ast.SelectExpression):
            expression = expression.selector
            assert isinstance(expression, ast.VariableReference)
            assert expression.id.name in SELECTORS
        assert isinstance(expression, ast.VariableReference)
        names.add(expression.id.name)
    return names


def choices(message: ast.Message, selector: str) -> Iterator[list[str]]:
    for each in placeables(message.value):
        expression = each.expression
        if isinstance(expression, ast.SelectExpression):
            chosen = cast("ast.VariableReference", expression.selector).id.name
            if chosen == selector:
                yield [
                    v.key.name if isinstance(v.key, ast.Identifier) else v.key.value
                    for v in expression.variants
                ]


def test_seven_languages_are_spoken() -> None:
    assert catalogue.languages() == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_message_with_the_same_parts(language: str) -> None:
    english, other = messages("en"), messages(language)
    assert list(other) == list(english), "the same messages, in the same order"
    assert {name: parts(each) for name, each in other.items()} == {
        name: parts(each) for name, each in english.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_are_those_of_the_language(language: str) -> None:
    forms = Locale.parse(language).plural_form
    used = {forms(n) for n in range(200)}  # of the whole numbers that a letter can hold
    for name, message in messages(language).items():
        for keys in choices(message, "count"):
            words = {key for key in keys if not key.isdecimal()}
            assert words <= {*forms.tags, "other"}, name
            if name in {"unit-months", "unit-years"} and language == "pl":
                assert words == {*used, "other"}, name  # a noun that follows its number


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("unit", ["unit-months", "unit-years"])
def test_every_number_has_its_noun(language: str, unit: str) -> None:
    speech = load_catalogue(language)
    for count in (0, 1, 2, 5, 12, 21, 22, 112, 0.5, 2.5):
        number = speech.number(Decimal(str(count)), 1)
        said = speech.say(unit, number=number, count=count)
        assert re.fullmatch(rf"{re.escape(number)} [^\W\d]+", said)


def test_polish_numbers_take_three_nouns() -> None:
    polish = load_catalogue("pl")
    said = [polish.say("unit-years", number=str(n), count=n) for n in (1, 2, 5, 12, 22, 1.5)]
    assert said == ["1 rok", "2 lata", "5 lat", "12 lat", "22 lata", "1.5 roku"]


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_nothing_was_left_in_english(language: str) -> None:
    english, other = messages("en"), messages(language)
    alike = {
        name
        for name, each in other.items()
        if each.value is not None and each.value.equals(english[name].value)
    }
    bare = {"unit-none", "unit-count", "unit-percent", "unit-usd", "value-no", "item-with-value"}
    assert alike <= bare | {"layer-points", "layer-code", "reason-rule"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_quotation_marks_are_paired_and_its_own(language: str) -> None:
    marks = {"de": "„“", "en": "“”", "es": "«»", "fr": "«»", "it": "«»", "nl": "‘’", "pl": "„”"}
    opening, closing = marks[language][0], marks[language][1]
    said = re.sub(r"^#.*$", "", text_of(language), flags=re.MULTILINE)
    assert said.count(opening) > 0
    if closing != "’":  # also an apostrophe
        assert said.count(opening) == said.count(closing)
    code = re.sub(r'\{ "[^"]*" \}', "", said)
    assert set('"`') & set(code) == set()
    if language == "fr":
        assert re.findall(r"« | [:;?!»]", said) == []  # a line may not break there


# The whole explanation


def in_(language: str, value: Any) -> Any:
    """A manifest whose English texts are there in another language too."""
    if isinstance(value, dict):
        if value.keys() == {"en"}:
            return value | {language: f"[{value['en']}]"}
        return {name: in_(language, each) for name, each in value.items()}
    return [in_(language, each) for each in value] if isinstance(value, list) else value


def told(
    language: str, model: Model, manifest: dict[str, Any], policy: dict[str, Any], one: Input
) -> Explanation:
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    manifest, policy = in_(language, manifest), in_(language, policy)
    speaking = replace(model, schema=FeatureSchema.from_manifest(manifest))
    return explain_decision(manifest, policy, one, attribution, speaking, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_explanation_says_the_same_in_every_language(
    language: str,
    model: Model,
    manifest: dict[str, Any],
    policy: dict[str, Any],
    declined: list[Input],
) -> None:
    for one in declined[:3]:
        english = told("en", model, manifest, policy, one)
        other = told(language, model, manifest, policy, one)
        other.check_same_facts(english)
        assert other.language == language
        assert Explanation.from_json(other.to_json()) == other


def test_another_story_in_another_language_is_refused(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    first = told("en", model, manifest, policy, declined[0])
    other = told("de", model, manifest, policy, declined[0])
    for changed in (
        replace(other, reasons=other.reasons[1:]),
        replace(other, margin=other.margin + 1),
        replace(other, contributions=other.contributions[::-1]),
        replace(other, counterfactuals=()),
        replace(other, fired=("too_young_a_firm",)),
        replace(other, reasons=(replace(other.reasons[0], rule="x"), *other.reasons[1:])),
    ):
        with pytest.raises(FactsDiffer):
            changed.check_same_facts(first)


def test_a_group_is_named_with_everything_that_counted_in_it(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    one = declined[0] | {"late": 4, "bankrupt": True}
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    pushed = {"late": -900_000, "bankrupt": -800_000}
    values = tuple((name, pushed.get(name, 0)) for name, _ in attribution.values)
    explanation = explain_decision(
        manifest, policy, one, replace(attribution, values=values), model
    )
    assert explanation.reasons[0].group == "history"
    items = "Late payments (4), together with Bankruptcy on file (yes)"
    assert explanation.summary.endswith(f"lowered the score most: {items}.")
    assert "points), together with Bankruptcy on file (yes)." in explanation.paragraphs[2]


def test_a_right_to_left_language_keeps_values_apart() -> None:
    text = "item-with-value = { $label } ({ $value })\n"
    hebrew, english = Catalogue("he", text), Catalogue("en", text)
    assert english.say("item-with-value", label="a", value="1") == "a (1)"
    isolated = "\u2068a\u2069 (\u20681\u2069)"
    assert hebrew.say("item-with-value", label="a", value="1") == isolated


@pytest.mark.parametrize(
    ("code", "value", "alone", "text"),
    [
        ("LOAN_TO_VALUE", 99.5, True, "Loan amount is high for the price of the home: the loan is"),
        ("LOAN_TO_VALUE", 99.5, False, "This lowered the score only together with other details"),
        # Better than the reference group's, so no wording is true of it, and it stood alone.
        ("LOAN_TO_VALUE", 31.0, True, "Loan as a share of the price: 31\u00a0% (reference group: "),
        ("UNHEARD_OF", 99.5, True, "Loan as a share of the price: 99.5\u00a0% (reference group: "),
    ],
)
def test_a_reason_says_what_is_true_of_it_and_no_more(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input],
    code: str, value: float, alone: bool, text: str,
) -> None:  # fmt: skip
    push = Push("loan_to_value", code, "loan_to_value", ("loan_to_value",), -900_000)
    values = declined[0] | {"loan_to_value": value}
    typical = typical_values(model.schema.features, model.background)
    sentences = Sentences(
        load_catalogue("en"),
        model.schema,
        Policy.from_manifests(policy, manifest),
        values,
        typical,
        {"loan_to_value": -900_000},
    )
    reason = sentences.reason(push, alone=alone)
    assert text in reason.text
    assert ("only together" in reason.text) != alone


def test_small_and_surplus_groups_are_told_apart(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    (attribution,) = model.attributor.attribute(model.schema.row(declined[0])[None, :])
    pushed = {"loan_to_value": -9_000_000, "income": -1_000, "job": -900}
    values = tuple((name, pushed.get(name, 0)) for name, _ in attribution.values)
    told = explain_decision(
        manifest, policy, declined[0], replace(attribution, values=values), model
    )
    assert {one.group for one in told.suppressed} == {"income", "job"}
    assert all(one.why.startswith("less than 2\u00a0% of everything") for one in told.suppressed)
