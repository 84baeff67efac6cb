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

from explain.errors import FactsDiffer, LetterWithheld, SchemaError
from explain.plain import JsonValue, from_plain, to_plain

__all__ = [
    "Change",
    "Contribution",
    "Counterfactual",
    "Explanation",
    "Gate",
    "KeyFactor",
    "Points",
    "Reason",
    "Suppressed",
    "Trial",
]

MAX_REASONS = 4  # Regulation B, official interpretation 9(b)(2)-1: more are not likely to help
MAX_COUNTERFACTUALS = 3  # more alternatives than a reader compares
# Every check that words have to pass before they go out by themselves.
GATES = (
    "additivity",
    "rerun",
    "reference_group",
    "rank_stability",
    "perturbation",
    "reasons_scored",
    "reasons_allowed",
    "outcome",
)


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
    `rule` is the id of the knock-out rule that fired, which `group` repeats; then nothing
    was scored, and `contribution` and `points` are 0. Else it is empty.
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
    rule: str = ""


@dataclass(frozen=True, slots=True)
class KeyFactor:
    """One thing that lowered a credit score, as 15 USC 1681g(f)(1)(C) asks for it.

    Not a reason for the outcome: a list of its own, strongest first, at most four and
    enquiries into the consumer report as a possible fifth.
    """

    code: str
    group: str
    features: tuple[str, ...]
    label: str
    text: str
    contribution: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The model asked again with one reason's items as the reference group has them.

    `change` is how far the average margin moved, in units, better being above zero;
    `crosses` whether it then passes the limit.
    """

    group: str
    change: int
    crosses: bool


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
    """One feature set to another value; the model was run on exactly the value shown.

    `value` is that value as JSON, in the form that an input has.
    """

    feature: str
    label: str
    from_text: str
    to_text: str
    text: str
    value: str = ""


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
    """A group that counted against the applicant but is not among the reasons, and why.

    `ground` is the why as a code: `small`, `beyond_limit`, `same_reason` or `other_component`.
    """

    code: str
    group: str
    contribution: int
    why: str
    ground: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """One check of the explanation against the model itself."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one person may be told about one decision.

    `reasons` are the knock-out rules that fired, the stated one first and the others in the
    policy's order, then the groups that counted against, strongest first, at most four
    together. `helped` are the groups that counted in favour. `contributions` are all features,
    adverse first by size, then favourable by size. `stable` is False where the last reason
    given and the first one left out are closer than noise. `automatic_text_allowed` is True
    only if every gate passed: otherwise a person writes the letter. `fired` are the ids of all
    knock-out rules that fired, `ties` pairs of neighbouring reasons that another draw of the
    reference group would have put in the other order, `trials` what moving each reason's items
    did.
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
    fired: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()
    trials: tuple[Trial, ...] = ()
    key_factors: tuple[KeyFactor, ...] = ()

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
            (self.outcome, self.margin, self.cut_off, self.stable, self.fired, self.ties),
            (points.score, points.limit, points.reference),
            [
                (one.rule, one.code, one.features, one.contribution)
                for one in (*self.reasons, *self.helped)
            ],
            [(one.feature, one.amount) for one in self.contributions],
            [(one.code, one.group, one.contribution, one.ground) for one in self.suppressed],
            [
                (one.margin, one.outcome, [(to.feature, to.value) for to in one.changes])
                for one in self.counterfactuals
            ],
            [(one.code, one.features, one.contribution) for one in self.key_factors],
            self.trials,
            [(gate.name, gate.passed) for gate in self.gates],
        )

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The checks for whose failing no text about it goes out by itself.

        One that was not made counts as failed: an explanation that an earlier version stored
        passed fewer than are asked for today.
        """
        made = {gate.name for gate in self.gates}
        missing = tuple(Gate(name, passed=False, detail="") for name in GATES if name not in made)
        return tuple(gate for gate in self.gates if not gate.passed) + missing

    def check_automatic(self) -> None:
        """Return if its words may go to the person without anybody writing them.

        Raises:
            LetterWithheld: a check failed or was never made; it names which.
        """
        if self.failed:
            raise LetterWithheld([gate.name for gate in self.failed])

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
