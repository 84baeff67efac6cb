"""What a letter's template lays out: sentences filled, parties addressed, the chart's rows.

Pure. It adds no figure: every number is one of the letter's own values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from explain.explanation import Contribution, Explanation, Reason
from reports.charts import Mark, Step, waterfall
from reports.documents.letter import Contact, Organisation, Regime, SubjectLetter
from reports.formatting import NOTHING, Formatting
from reports.wording import Wording

__all__ = ["InputRow", "LetterView", "Notice", "Right", "view_letter"]

CHART_ROWS: Final = 6  # as many as fit on the first page; the annex lists every item


@dataclass(frozen=True, slots=True)
class Right:
    """What the reader may ask for, and the law that says so ("" for an offer of ours)."""

    text: str
    law: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A text that a law prescribes; `language` is its own where the law fixes the words."""

    title: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class InputRow:
    """One line of the annex's table of data."""

    label: str
    value_text: str
    reference_text: str
    source: str
    points_text: str


@dataclass(frozen=True, slots=True)
class LetterView:
    """Everything that a template of the letter needs beside the letter itself."""

    title: str
    reasons: tuple[Reason, ...]
    others: tuple[Reason, ...]
    chart: str
    rights: tuple[Right, ...]
    notices: tuple[Notice, ...]
    inputs: tuple[InputRow, ...]
    parties: tuple[tuple[str, str], ...]
    sender: tuple[str, ...]
    review: str


def view_letter(letter: SubjectLetter, wording: Wording, formatting: Formatting) -> LetterView:
    """Return what the template lays out.

    Raises:
        DocumentError: the language lacks a sentence.
    """
    explanation = letter.explanation
    adverse = letter.decision.adverse
    names = _names(letter, wording, formatting)
    return LetterView(
        title=wording.say("letter.title", outcome=explanation.outcome_label),
        reasons=explanation.reasons if adverse else explanation.helped,
        others=() if adverse else explanation.reasons,
        chart=_chart(explanation, wording, formatting),
        rights=_rights(letter, wording, names),
        notices=_notices(letter, wording, names),
        inputs=_inputs(letter),
        parties=_parties(letter, wording),
        sender=(
            *letter.contacts.controller.address,
            ", ".join(_ways(letter.contacts.controller, wording)),
        ),
        review=names["review"],
    )


def _names(letter: SubjectLetter, wording: Wording, formatting: Formatting) -> dict[str, str]:
    """Return the values that a right or a notice may name."""
    contacts = letter.contacts
    names = {
        "controller": _addressed(contacts.controller, wording),
        "review": _reached(contacts.review, wording),
        "case": letter.decision.case,
        "outcome": letter.explanation.outcome_label,
        "day": formatting.day(letter.decision.decided_at.date()),
    }
    if contacts.authority:
        names["authority"] = contacts.authority.name
    if contacts.agency:
        names["agency"] = _addressed(contacts.agency, wording)
    if contacts.consumer_report:
        names["bureau"] = _addressed(contacts.consumer_report.agency, wording)
    return names


def _rights(letter: SubjectLetter, wording: Wording, names: Mapping[str, str]) -> tuple[Right, ...]:
    return tuple(
        Right(wording.fill(item["text"], **names), item["law"])
        for regime in letter.regimes
        for item in wording.regime(regime, "rights")
        if _applies(item, letter)
    )


def _notices(
    letter: SubjectLetter, wording: Wording, names: Mapping[str, str]
) -> tuple[Notice, ...]:
    return tuple(
        Notice(
            item["title"],
            wording.fill(item["text"], **names),
            item.get("language", letter.explanation.language),
        )
        for regime in letter.regimes
        for item in wording.regime(regime, "notices")
        if _applies(item, letter)
    )


def _applies(item: Mapping[str, Any], letter: SubjectLetter) -> bool:
    """Return whether the conditions of a right or notice, if it has any, are met."""
    decision = letter.decision
    if item.get("adverse") and not decision.adverse:
        return False
    if item.get("consumer_report") and letter.contacts.consumer_report is None:
        return False
    return str(decision.decided_by) in item.get("decided_by", [str(decision.decided_by)])


def _chart(explanation: Explanation, wording: Wording, formatting: Formatting) -> str:
    points = explanation.points
    shown, rest = _split(explanation.contributions)
    steps = [Step(i.label, i.value_text, i.points, i.points_text) for i in shown]
    if rest:
        total = sum((item.points for item in rest), Decimal(0))
        name = wording.say("letter.chart.rest", count=formatting.count(len(rest)))
        steps.append(Step(name, "", total, formatting.signed(total, _places(explanation))))
    say = wording.say
    return waterfall(
        steps,
        Mark(say("letter.chart.start"), points.reference, points.reference_text),
        Mark(say("letter.chart.result"), points.score, points.score_text),
        Mark(say("letter.chart.limit"), points.limit, points.limit_text),
        chart_id="points",
        title=say(
            "letter.chart.title",
            start=points.reference_text,
            result=points.score_text,
            limit=points.limit_text,
        ),
    )


def _split(
    contributions: Sequence[Contribution],
) -> tuple[Sequence[Contribution], Sequence[Contribution]]:
    """Return the largest contributions in their order, and those that one row sums up."""
    if len(contributions) <= CHART_ROWS:
        return contributions, ()
    largest = sorted(contributions, key=lambda item: (-abs(item.amount), item.feature))
    kept = {item.feature for item in largest[: CHART_ROWS - 1]}
    return (
        [item for item in contributions if item.feature in kept],
        [item for item in contributions if item.feature not in kept],
    )


def _places(explanation: Explanation) -> int:
    exponents = (item.points.as_tuple().exponent for item in explanation.contributions)
    return max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0)


def _inputs(letter: SubjectLetter) -> tuple[InputRow, ...]:
    known = {item.feature: item for item in letter.explanation.contributions}
    rows = []
    for given in letter.inputs:
        item = known.get(given.feature)
        reference, points = (item.reference_text, item.points_text) if item else (NOTHING, NOTHING)
        rows.append(InputRow(given.label, given.value_text, reference, given.source, points))
    return tuple(rows)


def _parties(letter: SubjectLetter, wording: Wording) -> tuple[tuple[str, str], ...]:
    contacts = letter.contacts
    named: list[tuple[str, Contact | Organisation | None]] = [
        ("review", contacts.review),
        ("data_protection", contacts.data_protection),
        ("authority", contacts.authority if Regime.GDPR in letter.regimes else None),
        ("agency", contacts.agency if Regime.ECOA in letter.regimes else None),
    ]
    return tuple(
        (
            wording.say(f"letter.contacts.{name}"),
            _reached(party, wording) if isinstance(party, Contact) else _addressed(party, wording),
        )
        for name, party in named
        if party
    )


def _addressed(party: Organisation, wording: Wording) -> str:
    return ", ".join((party.name, *party.address, *_ways(party, wording)))


def _reached(contact: Contact, wording: Wording) -> str:
    return ", ".join((contact.name, *_ways(contact, wording)))


def _ways(party: Organisation | Contact, wording: Wording) -> tuple[str, ...]:
    # A number is not broken at the end of a line.
    number = party.telephone.replace(" ", "\u00a0")
    telephone = f"{wording.say('letter.contacts.telephone')}\u00a0{number}"
    return ((telephone,) if number else ()) + ((party.email,) if party.email else ())
