"""The parts of an explanation, each put into words: items, reasons, alternatives.

No sentence is written here: a catalogue's message is chosen and its parts are filled in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from explain.attribution import Attribution, to_units
from explain.catalogue import Catalogue
from explain.counterfactual import MAX_CHANGES, Alternative
from explain.explanation import (
    MAX_REASONS,
    Change,
    Contribution,
    Counterfactual,
    KeyFactor,
    Points,
    Reason,
    Suppressed,
)
from explain.features import Feature
from explain.policy import POINT_DECIMALS, Policy, rounded
from explain.predictor import FeatureSchema, Scalar, decode
from explain.reason_codes import SMALL_SHARE_PERCENT, Left, Push
from explain.rules import Rule
from explain.wording import Wording

__all__ = ["Sentences"]


@dataclass(frozen=True, slots=True)
class Sentences:
    """Puts one case into words. `values`, `typical` and `amounts` are by feature name."""

    catalogue: Catalogue
    schema: FeatureSchema
    policy: Policy
    values: Mapping[str, Scalar]
    typical: Mapping[str, Scalar]
    amounts: Mapping[str, int]

    def outcome(self, outcome: str) -> str:
        """Return the outcome's word, or the policy's own where the catalogue has none."""
        message = f"outcome-{outcome}"
        return self.catalogue.say(message) if self.catalogue.has(message) else outcome

    def points(self, margin: int, base: int) -> Points:
        """Return score, limit and starting point of one decision."""
        score = self.policy.shown_score(margin)
        limit, reference = rounded(self.policy.offset), rounded(self.policy.score(base))
        return Points(
            score,
            self.score_text(margin),
            limit,
            self.catalogue.number(limit, POINT_DECIMALS),
            reference,
            self.catalogue.number(reference, POINT_DECIMALS),
        )

    def score_text(self, margin: int) -> str:
        """Return a score as text, on the side of the limit where it truly is."""
        score = self.policy.shown_score(margin)
        return self.catalogue.number(score, max(POINT_DECIMALS, -_exponent(score)))

    def contributions(self, attribution: Attribution) -> tuple[Contribution, ...]:
        """Return every feature's item: what counted against, then for, then not at all."""
        items = [self._contribution(feature, attribution) for feature in self.schema.features]
        sign = self.policy.sign
        against = sorted((item for item in items if item.amount * sign < 0), key=_size)
        favourable = sorted((item for item in items if item.amount * sign > 0), key=_size)
        return tuple(against + favourable + [item for item in items if item.amount == 0])

    def reason(self, push: Push, *, alone: bool) -> Reason:
        """Return a group that counted against, with its reason's text.

        `alone` is False where it counted only in combination with other details.
        """
        text = self._leading_text(self._feature(push.leading), push, alone=alone)
        return self._reason(push, self._with_others(text, push))

    def rule(self, rule: Rule) -> Reason:
        """Return a knock-out rule that fired: the policy's words, and the values it saw."""
        items = [self._item(self._feature(name)) for name in rule.features]
        leading = self._feature(rule.features[0])
        text = self.catalogue.say(
            "reason-rule", reason=self._worded(rule.reason), items=self.catalogue.listed(items)
        )
        return Reason(
            code=rule.reason,
            group=rule.id,
            feature=leading.name,
            features=rule.features,
            label=self._words.label(leading),
            value_text=self._value(leading),
            reference_text=self._reference(leading),
            text=text,
            contribution=0,
            points=Decimal(0),
            points_text="",
            rule=rule.id,
        )

    def key_factor(self, push: Push) -> KeyFactor:
        """Return one thing that lowered the score most, in the policy's words."""
        feature = self._feature(push.leading)
        label = self._words.label(feature)
        text = self._worded(push.code) if self.policy.reason(push.code) else label
        return KeyFactor(push.code, push.group, push.features, label, text, push.amount)

    def tied(self, ties: tuple[tuple[str, str], ...]) -> str:
        """Return which reasons another sample of the group would have put in another order."""
        labels = {
            feature.group: self._words.label(feature) for feature in reversed(self.schema.features)
        }
        pairs = [self.catalogue.listed([labels[name] for name in pair]) for pair in ties]
        return self.catalogue.say("limit-tied", groups="; ".join(pairs))

    def helped(self, push: Push) -> Reason:
        """Return a group that counted in favour."""
        feature = self._feature(push.leading)
        text = self.catalogue.say(
            "reason-helped",
            label=self._words.label(feature),
            value=self._value(feature),
            reference=self._reference(feature),
        )
        return self._reason(push, self._with_others(text, push))

    def _reason(self, push: Push, text: str) -> Reason:
        feature = self._feature(push.leading)
        points = rounded(self.policy.points(push.amount))
        return Reason(
            code=push.code,
            group=push.group,
            feature=feature.name,
            features=push.features,
            label=self._words.label(feature),
            value_text=self._value(feature),
            reference_text=self._reference(feature),
            text=text,
            contribution=push.amount,
            points=points,
            points_text=self.catalogue.signed(points, POINT_DECIMALS),
        )

    def suppressed(self, left: Left) -> Suppressed:
        """Return why a group that counted against is not among the reasons."""
        if left.why == "other_component":
            why = self.catalogue.say("suppressed-other-component")
        elif left.why == "same_reason":
            why = self.catalogue.say("suppressed-same-reason")
        elif left.why == "small":
            share = self.catalogue.say("unit-percent", number=str(SMALL_SHARE_PERCENT))
            why = self.catalogue.say("suppressed-small", share=share)
        else:
            why = self.catalogue.say("suppressed-beyond-limit", most=str(MAX_REASONS))
        return Suppressed(left.push.code, left.push.group, left.push.amount, why, left.why)

    def suppressed_rule(self, rule: Rule) -> Suppressed:
        """Return a rule that fired but for which a notice has no room."""
        why = self.catalogue.say("suppressed-rule-beyond", most=str(MAX_REASONS))
        return Suppressed(rule.reason, rule.id, 0, why, "beyond_limit")

    def counterfactual(self, alternative: Alternative) -> Counterfactual:
        """Return one alternative in words, with the values that the model was run on."""
        margin = to_units(alternative.margin)
        changes = []
        for column in alternative.changed:
            feature = self.schema.features[column]
            value = decode(feature, float(alternative.row[column]))
            to = self._words.value(feature, value)
            given, label = self._value(feature), self._words.label(feature)
            text = self.catalogue.say("change", label=label, to=to, **{"from": given})
            changes.append(Change(feature.name, label, given, to, text, json.dumps(value)))
        outcome = self.policy.outcome(margin)
        score = self.score_text(margin)
        text = self.catalogue.say(
            "counterfactual",
            changes=self.catalogue.listed([change.text for change in changes]),
            score=score,
            outcome=self.outcome(outcome),
        )
        return Counterfactual(tuple(changes), margin, score, outcome, text)

    def counterfactual_note(self, *, found: bool, outcome: str, follows: bool) -> str:
        """Return what was searched for, and what an alternative does not promise.

        `follows`: whether the outcome is the one that score and rules lead to.
        """
        if not follows:
            return self.catalogue.say("counterfactual-note-not-the-score")
        if outcome == self.policy.passed:
            return self.catalogue.say("counterfactual-note-favourable")
        if found:
            return self.catalogue.say("counterfactual-note-found")
        return self.catalogue.say("counterfactual-note-none", most=str(MAX_CHANGES))

    def listed(self, reasons: tuple[Reason, ...]) -> str:
        """Return reasons as one enumeration of labels with their points."""
        return self.catalogue.listed(
            [
                self._named_with_others(
                    self.catalogue.say(
                        "item-with-points",
                        label=one.label,
                        value=one.value_text,
                        points=one.points_text,
                    ),
                    one,
                )
                for one in reasons
            ]
        )

    def named(self, reason: Reason) -> str:
        """Return a reason's items with their values, those that counted with it included."""
        return self._named_with_others(self._item(self._feature(reason.feature)), reason)

    def _named_with_others(self, item: str, reason: Reason) -> str:
        # The points are the group's: no item is given those of another.
        others = self._others(reason.features, reason.feature, reason.contribution)
        if not others:
            return item
        return self.catalogue.say(
            "item-with-others", item=item, others=self.catalogue.listed(others)
        )

    def _item(self, feature: Feature) -> str:
        return self.catalogue.say(
            "item-with-value", label=self._words.label(feature), value=self._value(feature)
        )

    def _others(self, features: Sequence[str], leading: str, amount: int) -> list[str]:
        """Return the other items of a group that pushed the same way, with their values."""
        return [
            self._item(self._feature(name))
            for name in features
            if name != leading and self.amounts.get(name, 0) * amount > 0
        ]

    def _worded(self, code: str) -> str:
        wording = self.policy.reason(code)
        return code if wording is None else wording.speak(self.catalogue.language)

    @property
    def _words(self) -> Wording:
        return Wording(self.catalogue)

    def _feature(self, name: str) -> Feature:
        return self.schema.features[self.schema.index(name)]

    def _value(self, feature: Feature) -> str:
        return self._words.value(feature, self.values[feature.name])

    def _reference(self, feature: Feature) -> str:
        typical = self._words.value(feature, self.typical[feature.name])
        if feature.type in {"number", "integer"} and not feature.words:
            return typical
        return self.catalogue.say("reference-mostly", value=typical)

    def _contribution(self, feature: Feature, attribution: Attribution) -> Contribution:
        amount = attribution.value(feature.name)
        points = rounded(self.policy.points(amount))
        return Contribution(
            feature=feature.name,
            label=self._words.label(feature),
            value_text=self._value(feature),
            reference_text=self._reference(feature),
            amount=amount,
            points=points,
            points_text=self.catalogue.signed(points, POINT_DECIMALS),
            favourable=amount * self.policy.sign > 0,
        )

    def _with_others(self, text: str, push: Push) -> str:
        """Return a reason's text with the other items that pushed the same way named."""
        others = self._others(push.features, push.leading, push.amount)
        if not others:
            return text
        return self.catalogue.say(
            "reason-together", text=text, others=self.catalogue.listed(others)
        )

    def _leading_text(self, feature: Feature, push: Push, *, alone: bool) -> str:
        """Return the reason in the form that is true for the value that was given."""
        say = self.catalogue.say
        label, reference = self._words.label(feature), self._reference(feature)
        value = self.values[feature.name]
        wording = self.policy.reason(push.code)
        if value is None and wording is None:
            return say("reason-not-given", label=label, reference=reference)
        if not alone:
            return say(
                "reason-combined", label=label, value=self._value(feature), reference=reference
            )
        if wording is None or not _on_side(feature, value, self.typical[feature.name]):
            return say("reason-bare", label=label, value=self._value(feature), reference=reference)
        reason = wording.speak(self.catalogue.language)
        phrase = self._words.phrase(feature, value)
        if phrase is None or value is None:
            given = self._value(feature)
            if feature.type == "boolean":
                # "Nobody else signs: no" would puzzle; the label says what the yes or no is of.
                return say(
                    "reason-yes-no", reason=reason, label=label, value=given, reference=reference
                )
            return say("reason-value", reason=reason, value=given, reference=reference)
        return say("reason-phrase", reason=reason, phrase=phrase, reference=reference)


def _on_side(feature: Feature, value: Scalar, reference: Scalar) -> bool:
    """Tell whether "high" or "low" is true of a value, compared with what is typical."""
    if feature.adverse_when == "either" or value is None or reference is None:
        return True
    if isinstance(value, str) or isinstance(reference, str):
        return True
    if feature.adverse_when == "higher":
        return value > reference
    return value < reference


def _size(item: Contribution) -> int:
    return -abs(item.amount)


def _exponent(score: Decimal) -> int:
    exponent = score.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
