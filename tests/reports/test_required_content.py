"""What laws ask for stands where the checklist says, in the page itself."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from reports.documents import DecidedBy, Organisation, Regime
from reports.documents.letter import ConsumerReport
from reports.html import letter_html
from reports.required_content import Law, Part, Prepared, prepared
from service.commands.decisions import LAWS
from tests.reports import samples

BUREAU = Organisation("Example Credit Bureau", ("2 Example Street",), telephone="+1 800 555 0102")
VOID = {"br", "col", "meta", "hr", "img", "link"}


class _Parts(HTMLParser):
    """The text inside every element that has an id."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, str] = {}
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            name = dict(attrs).get("id") or ""
            self._open.append(name)
            self.texts.setdefault(name, "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for name in self._open:
            if name:
                self.texts[name] += data


def page_parts(letter: Any) -> dict[str, str]:
    parser = _Parts()
    parser.feed(letter_html(letter))
    return {name: " ".join(text.split()) for name, text in parser.texts.items()}


def whole(**changes: Any) -> Any:
    """A letter under every law, with everything that it can have."""
    letter = samples.letter(regimes=tuple(Regime), **changes)
    return replace(
        letter, contacts=replace(letter.contacts, consumer_report=ConsumerReport(BUREAU))
    )


# What a reader has to find, in at least one of the parts that are named for it.
FOUND = {
    "that there is automated decision-making": "The decision was made automatically.",
    "meaningful information about the logic involved": "A statistical model turned the details",
    "the significance and the envisaged consequences": "Declined",
    "how far other data would have led elsewhere": "We ran the same model with the same limit",
    "recipients": "Nobody outside the bank.",
    "how long the data is kept": "25 months after the decision",
    "the right to rectification and erasure": "have wrong data corrected",
    "the right to complain": "Complain to Data Protection Authority",
    "where the data is from": "application form, section 3",
    "a person who may intervene, the own view, contesting": "give your view, and contest",
    "an explanation from the deployer": "Harbour Savings Bank (demonstration)",
    "the role of the system in the procedure": "The decision was made automatically.",
    "the main elements of the decision": "An account 60 days overdue",
    "an explanation of the assessment and its logic": "(Shapley values of the model’s log-odds",
    "its significance and effects on the decision": "at least 600 were needed",
    "expressing the own view": "hears your view",
    "asking for a review": "reviews the assessment and the decision",
    "that the application is refused": "Declined",
    "that the assessment was automated": "assessed by automated processing of data",
    "the right to human assessment, how to contest": "You may have a person assess it",
    "a statement of the action taken": "Action taken on application MTG-000123: Declined",
    "name and address of the creditor": "1 Example Street, Boston, MA 02109",
    "the provisions of section 701(a) of the Act": "race, color, religion, national origin, sex",
    "name and address of the Federal agency": "Corporation, Washington, DC 20429",
    "the specific, principal reasons": "(reference group:",
    "name, address and telephone number of the agency": "Bureau, 2 Example Street, telephone",
    "that the agency did not decide and cannot say why": "did not make the decision and cannot",
    "a free copy within 60 days": "a free copy of the report from it within 60 days",
    "disputing accuracy or completeness": "dispute with it anything that is inaccurate",
    "the facts and circumstances relied on": "(reference group:",
    "the use of automated means": "The decision was made automatically.",
}


def every(letter: Any) -> list[Prepared]:
    return [each for law in Law for each in prepared(letter, law)]


def test_what_is_said_to_be_there_is_there() -> None:
    letter = whole()
    parts = page_parts(letter)
    for each in every(letter):
        if each.present:
            text = " ".join(parts[part] for part in each.parts).replace("\u00a0", " ")
            assert FOUND[each.content].lower() in text.lower(), each
    assert {each.content for each in every(letter) if each.present} == FOUND.keys()


def test_what_is_not_there_is_said_to_be_missing_and_what_to_add() -> None:
    absent = {each.content: each for each in every(whole()) if not each.present}
    assert set(absent) == {
        "the risks of the automated processing",
        "the credit score used, its range, date and key factors",
        "the restriction, its territory and duration",
        "the legal ground, for illegal content",
        "the contractual ground, for other content",
        "redress: complaint, settlement, court",
    }
    assert all(each.missing for each in absent.values())


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"recipients": ""}, {"recipients"}),
        ({"retention": ""}, {"how long the data is kept"}),
        (
            {"inputs": (replace(samples.letter().inputs[0], source=""),)},
            {"where the data is from"},
        ),
        (
            {"decision": replace(samples.letter().decision, decided_by=DecidedBy.ADVISORY)},
            {"a person who may intervene, the own view, contesting"},
        ),
    ],
)
def test_a_letter_without_it_is_not_said_to_have_it(changes: Any, gone: set[str]) -> None:
    before = {each.content for each in every(whole()) if each.present}
    after = {each.content for each in every(whole(**changes)) if each.present}
    assert before - after == gone


def test_a_law_that_the_letter_does_not_serve_has_no_notice_in_it() -> None:
    letter = samples.letter(regimes=(Regime.GDPR,))
    assert not any(each.present for each in prepared(letter, Law.REG_B_9))
    assert not any(each.present for each in prepared(letter, Law.FCRA_615))


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "it", "nl", "pl"])
def test_every_part_is_in_the_page_in_every_language(language: str) -> None:
    explained = replace(samples.explanation(), language=language)
    parts = page_parts(whole(explained=explained))
    assert {part for part in Part if not parts.get(part)} == set()


@pytest.mark.parametrize("law", Law)
def test_every_content_cites_an_article(law: Law) -> None:
    for each in prepared(whole(), law):
        assert each.article.startswith(("GDPR Art. ", "Regulation (EU) ", "Directive (EU) ",
                                        "12 CFR 1002.9", "15 USC 1681m"))  # fmt: skip
        assert not {"compliant", "certified", "complies"} & set(each.missing.split())


def test_the_command_offers_every_law() -> None:
    assert set(LAWS) == set(Law)
