"""One explanation in layers, for three readers: short first, and further down as deep as it goes.

The person, an internal reviewer and a regulator get the same four layers: summary, reasons,
details, method. The later readers get more in a layer, never something else.
"""

from dataclasses import dataclass
from enum import StrEnum

from explain.catalogue import Catalogue
from explain.explanation import Explanation, Reason

__all__ = ["Audience", "Layer", "layers"]


class Audience(StrEnum):
    """For whom an explanation is laid out."""

    REGULATOR = "regulator"  # also codes and the recorded integers
    REVIEWER = "reviewer"  # also what was left out and why, and the checks
    SUBJECT = "subject"  # the person whom the decision is about


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name in code, its title, and its texts in order."""

    name: str
    title: str
    texts: tuple[str, ...]


def layers(explanation: Explanation, audience: Audience, speech: Catalogue) -> tuple[Layer, ...]:
    """Return the four layers; `speech` is the catalogue of the explanation's language.

    Raises:
        LanguageMissing: the catalogue lacks a heading.
    """
    parts = {
        "summary": (explanation.summary,),
        "reasons": _reasons(explanation, audience, speech),
        "details": _details(explanation, audience, speech),
        "method": _method(explanation, audience, speech),
    }
    return tuple(Layer(name, speech.say(f"layer-{name}"), texts) for name, texts in parts.items())


def _reasons(explanation: Explanation, audience: Audience, speech: Catalogue) -> tuple[str, ...]:
    def told(reason: Reason) -> str:
        if reason.rule:  # decided whatever the score, so it has no points
            if audience is not Audience.REGULATOR:
                return reason.text
            return speech.say("item-with-value", label=reason.text, value=reason.rule)
        text = speech.say("layer-points", text=reason.text, points=reason.points_text)
        if audience is not Audience.REGULATOR or not reason.code:
            return text
        amount = str(reason.contribution)
        return speech.say("layer-code", text=text, code=reason.code, amount=amount)

    return (
        *map(told, (*explanation.reasons, *explanation.helped)),
        *(other.text for other in explanation.counterfactuals),
        explanation.counterfactual_note,
    )


def _details(explanation: Explanation, audience: Audience, speech: Catalogue) -> tuple[str, ...]:
    items = [
        speech.say(
            "item-with-points", label=one.label, value=one.value_text, points=one.points_text
        )
        for one in explanation.contributions
    ]
    if audience is not Audience.SUBJECT:
        items += [
            speech.say("layer-left", item=one.code or one.group, why=one.why)
            for one in explanation.suppressed
        ]
    return (*explanation.paragraphs, *items)


def _method(explanation: Explanation, audience: Audience, speech: Catalogue) -> tuple[str, ...]:
    texts = (explanation.method, *explanation.limits)
    if audience is Audience.SUBJECT:
        return texts
    return texts + tuple(
        speech.say("layer-check", passed="yes" if gate.passed else "no", detail=gate.detail)
        for gate in explanation.gates
    )
