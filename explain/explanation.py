"""One decision explained: everything the letter, the screen and the JSON say about it.

A value, made once by :func:`explain.narrative.explain_decision` and stored with the
decision; readers lay it out and add no sentence of their own about the model. Texts are
finished: localised, rounded, with units. Integers are units of 10^-6 of the model's
output space (log-odds); `points` are the same quantity on the linear scale of the policy,
where more is always better for the applicant.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self, cast

from explain.errors import FactsDiffer, SchemaError
from explain.plain import JsonValue, from_plain, to_plain

__all__ = [
    "Change",
    "Contribution",
    "Counterfactual",
    "Explanation",
    "Gate",
    "Points",
    "Reason",
    "Suppressed",
]

MAX_REASONS = 4  # Regulation B, official interpretation 9(b)(2)-1: more are not likely to help
MAX_COUNTERFACTUALS = 3  # more alternatives than a reader compares


@dataclass(frozen=True, slots=True)
class Points:
    """Score, limit and reference group on the policy's linear scale, as number and as text.

    `reference` is where every applicant starts: the reference group's average.
    """

    score: Decimal
    score_text: str
    limit: Decimal
    limit_text: str
    reference: Decimal
    reference_text: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One group of features that moved the score, in words.

    `feature` is the member of the group with the largest push and supplies the label
    and the values; `features` are all members; `contribution` is their signed sum. `code`
    is empty for a group that counted in favour: reason codes name what counted against.
    """

    code: str
    group: str
    feature: str
    features: tuple[str, ...]
    label: str
    value_text: str
    reference_text: str
    text: str
    contribution: int
    points: Decimal
    points_text: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature's share of the distance between the reference group and this score."""

    feature: str
    label: str
    value_text: str
    reference_text: str
    amount: int
    points: Decimal
    points_text: str
    favourable: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One feature set to another value; the model was run on exactly the value shown."""

    feature: str
    label: str
    from_text: str
    to_text: str
    text: str


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Changes with which the same model and the same limit gave another outcome."""

    changes: tuple[Change, ...]
    margin: int
    points_text: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A group that counted against the applicant but is not among the reasons, and why."""

    code: str
    group: str
    contribution: int
    why: str


@dataclass(frozen=True, slots=True)
class Gate:
    """One check of the explanation against the model itself."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one person may be told about one decision.

    `reasons` are adverse, strongest first, at most four. `helped` are the groups that
    counted in favour. `contributions` are all features, adverse first by size, then
    favourable by size. `stable` is False where the last reason given and the first one
    left out are closer than noise. `automatic_text_allowed` is True only if every gate
    passed: otherwise a person writes the letter.
    """

    language: str
    outcome: str
    outcome_label: str
    margin: int
    cut_off: int
    points: Points
    summary: str
    paragraphs: tuple[str, ...]
    reasons: tuple[Reason, ...]
    helped: tuple[Reason, ...]
    contributions: tuple[Contribution, ...]
    suppressed: tuple[Suppressed, ...]
    counterfactuals: tuple[Counterfactual, ...]
    counterfactual_note: str
    reference: str
    method: str
    limits: tuple[str, ...]
    gates: tuple[Gate, ...]
    stable: bool
    automatic_text_allowed: bool

    def __post_init__(self) -> None:
        """Hold what every reader relies on."""
        if len(self.reasons) > MAX_REASONS:
            raise SchemaError("more reasons than a notice may give", member="reasons")
        if len(self.counterfactuals) > MAX_COUNTERFACTUALS:
            raise SchemaError("more alternatives than agreed", member="counterfactuals")
        if not self.gates:
            raise SchemaError("an explanation nobody checked", member="gates")
        if self.automatic_text_allowed != all(gate.passed for gate in self.gates):
            raise SchemaError("does not follow from the gates", member="automatic_text_allowed")

    def check_same_facts(self, other: "Explanation") -> None:
        """Hold that another language says the same: every figure and code, in the same order.

        Raises:
            FactsDiffer: it does not.
        """
        if self.facts() != other.facts():
            raise FactsDiffer("what was told first does not follow from the archive any more")

    def facts(self) -> tuple[object, ...]:
        """Return everything that it says and that no language changes."""
        points = self.points
        return (
            (self.outcome, self.margin, self.cut_off, self.stable),
            (points.score, points.limit, points.reference),
            [(one.code, one.features, one.contribution) for one in (*self.reasons, *self.helped)],
            [(one.feature, one.amount) for one in self.contributions],
            [(one.code, one.group, one.contribution) for one in self.suppressed],
            [
                (one.margin, one.outcome, [change.feature for change in one.changes])
                for one in self.counterfactuals
            ],
            [(gate.name, gate.passed) for gate in self.gates],
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the explanation as JSON types; decimals are text, so nothing is rounded."""
        return cast("dict[str, JsonValue]", to_plain(self))

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the explanation that :meth:`to_json` wrote.

        Raises:
            SchemaError: anything :meth:`to_json` would not have written; `member` names it.
        """
        return from_plain(cls, value)
