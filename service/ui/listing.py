"""One line per decision, from what was recorded and the manifests that it names.

Pure. A payload whose manifests cannot be read as a scorecard still gets its line: outcome,
time and model are always there, the figures are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from explain.errors import ExplainError
from ledger.canonical import JsonValue
from service.ui import drawing, wording
from service.ui.views import DecisionRow, Icon, Moment, Tag, Tone

if TYPE_CHECKING:
    # Imported for real where it is used: it brings numpy, which costs every start its time.
    from explain.policy import Policy

TOLD: Final = 2  # contributions named in words on a line


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a line needs of one decision; `attributions` is empty where it may not be opened."""

    id: str
    decided: datetime
    outcome: str
    margin: int
    attributions: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Scale:
    """How margins of one model version under one policy are shown."""

    model: str
    labels: Mapping[str, str]
    policy: "Policy | None"

    @classmethod
    def of(cls, model: Mapping[str, JsonValue], policy: Mapping[str, JsonValue]) -> "Scale":
        """Return the scale of two manifests; without points if they do not make a scorecard."""
        from explain.policy import Policy

        try:
            read = Policy.from_manifests(policy, model)
        except ExplainError:
            read = None
        return cls(f"{model.get('name', '')} {model.get('version', '')}".strip(),
                   labels(model), read)  # fmt: skip

    def tag(self, outcome: str) -> Tag:
        """Return the outcome as a word with the icon and tone of its side of the limit."""
        word = wording.words(outcome)
        if self.policy and outcome == self.policy.passed:
            return Tag(word, Tone.FAVOURABLE, Icon.TICK)
        if self.policy and outcome == self.policy.failed:
            return Tag(word, Tone.ADVERSE, Icon.CROSS)
        return Tag(word, Tone.CAUTION, Icon.HOURGLASS)

    def score(self, margin: int) -> str:
        """Return the points of a margin as text, or nothing."""
        return wording.decimal(self.policy.shown_score(margin)) if self.policy else ""

    def distance(self, margin: int) -> str:
        """Return how many points a margin is above or below the limit, or nothing."""
        return wording.signed(self._from_limit(margin)) if self.policy else ""

    def headline(self, outcome: str, margin: int) -> str:
        """Return outcome and distance in words: `Declined: 14.2 points below the limit`."""
        word = wording.words(outcome)
        if not self.policy:
            return word
        points = self._from_limit(margin)
        if points == 0:
            return f"{word}: at the limit"
        side = "above" if points > 0 else "below"
        return f"{word}: {wording.decimal(abs(points))} points {side} the limit"

    def _from_limit(self, margin: int) -> Decimal:
        # Through the shown score, so that a page never says 0.0 below.
        return self.policy.shown_score(margin) - self.policy.offset if self.policy else Decimal(0)


def row(recorded: Recorded, scale: Scale, href: str) -> DecisionRow:
    """Return the line of one decision."""
    values = amounts(recorded.attributions)
    better = scale.policy is None or scale.policy.favourable == "higher"
    return DecisionRow(
        href=href,
        id=recorded.id,
        short_id=wording.short_id(recorded.id),
        decided=Moment(wording.minute(recorded.decided), wording.iso(recorded.decided)),
        model=scale.model,
        outcome=scale.tag(recorded.outcome),
        points=scale.score(recorded.margin),
        distance=scale.distance(recorded.margin),
        spark=drawing.spark(values.values(), higher_is_better=better),
        reason=_told(values, scale, recorded.outcome),
    )


def amounts(attributions: Mapping[str, JsonValue]) -> dict[str, int]:
    """Return the recorded integers by feature; anything else in their place is left out."""
    values = attributions.get("values")
    pairs = values.items() if isinstance(values, Mapping) else ()
    return {name: value for name, value in pairs if type(value) is int}


def _told(values: Mapping[str, int], scale: Scale, outcome: str) -> str:
    """What weighed most, in points: for a refusal what counted against the person."""
    if not scale.policy:
        return ""
    points = {name: scale.policy.points(value) for name, value in values.items()}
    against = outcome == scale.policy.failed
    side = {n: p for n, p in points.items() if (p < 0) == against and p != 0}
    largest = sorted(side, key=lambda name: (-abs(side[name]), name))[:TOLD]
    return ", ".join(f"{scale.labels.get(n, n)} {wording.signed(side[n])}" for n in largest)


def labels(model: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return the English label of each feature of a model's manifest, or its name in words."""
    features = model.get("features")
    found = {}
    for feature in features if isinstance(features, list) else []:
        if isinstance(feature, dict):
            label = feature.get("label")
            text = label.get("en") if isinstance(label, dict) else None
            name = str(feature.get("name"))
            found[name] = text if isinstance(text, str) else wording.words(name)
    return found
