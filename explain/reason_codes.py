"""From contributions to principal reasons, and a record of what was left out and why.

Features are summed, signed, to the group that a reader would call one thing: ungrouped,
one-hot and derived columns give duplicate reasons. Only groups that pushed the score away
from the favourable outcome count; they are ranked on whole units, ties by schema order, so
that float noise cannot reorder a notice. Source: Regulation B (12 CFR 1002.9(b)(2)) and its
official interpretation: at most four reasons, those actually scored, and no principal reason
excluded. So a protected or unnamed feature among the top is never dropped: it blocks.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from explain.attribution import Attribution
from explain.explanation import MAX_REASONS
from explain.features import Feature
from explain.predictor import FeatureSchema

__all__ = ["Block", "Left", "Push", "Ranking", "beside", "key_factors", "rank"]

Favourable = Literal["higher", "lower"]

SMALL_SHARE_PERCENT = 2  # below this share of all adverse push, a group is no principal reason
NOISE = 1_000  # units; closer than this, another seed or library could swap two groups


@dataclass(frozen=True, slots=True)
class Push:
    """One group's signed sum, in units; `leading` is its member with the largest push.

    `code` is empty unless the group counted against: "net worth low" is no code of a help.
    """

    group: str
    code: str
    leading: str
    features: tuple[str, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Left:
    """An adverse group that is not among the reasons, and why.

    `small`, `beyond_limit` of what a notice gives, `same_reason` as that of a rule, which
    names it already, or of the `other_component`: a rule decided, and the score by itself
    would have passed.
    """

    push: Push
    why: Literal["small", "beyond_limit", "same_reason", "other_component"]


@dataclass(frozen=True, slots=True)
class Block:
    """A principal reason that may not go out without a person's decision."""

    group: str
    why: Literal["protected", "proxy", "unmapped"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Principal reasons, strongest first; what helped, strongest first; and the rest."""

    reasons: tuple[Push, ...]
    helped: tuple[Push, ...]
    left: tuple[Left, ...]
    blocks: tuple[Block, ...]
    stable: bool


def rank(
    schema: FeatureSchema,
    attribution: Attribution,
    *,
    codes: Collection[str],
    missing: Collection[str] = (),
    favourable: Favourable = "higher",
) -> Ranking:
    """Return the principal reasons of one decision.

    `codes` are the reason codes that the policy has a text for. `missing` are the features
    that were not given: a reason about a value that nobody gave would be untrue, so those
    use the code `reason_missing`, or their own with `_NOT_GIVEN`.
    """
    sign = 1 if favourable == "higher" else -1
    pushes = _grouped(schema, attribution, missing, sign)
    # sorted() is stable and the pushes are in schema order: that is the tie-break.
    adverse = sorted((push for push in pushes if push.amount * sign < 0), key=_size)
    helped = sorted((push for push in pushes if push.amount * sign > 0), key=_size)
    total = sum(abs(push.amount) for push in adverse)
    large = [push for push in adverse if abs(push.amount) * 100 >= total * SMALL_SHARE_PERCENT]
    reasons, beyond = large[:MAX_REASONS], large[MAX_REASONS:]
    small = adverse[len(large) :]
    left = [Left(push, "beyond_limit") for push in beyond] + [Left(push, "small") for push in small]
    gap = abs(reasons[-1].amount) - abs(beyond[0].amount) if beyond else NOISE
    return Ranking(
        tuple(reasons),
        tuple(helped),
        tuple(left),
        _blocks(schema, reasons, codes),
        stable=gap >= NOISE,
    )


def beside(
    ranking: Ranking,
    rules: Sequence[str],
    *,
    failed: bool,
    schema: FeatureSchema,
    codes: Collection[str],
) -> Ranking:
    """Return what is left of a ranking once knock-out rules of these codes are the reasons.

    A rule that fired is the reason. The score's own reasons follow, as many as there is room
    for and none that a rule has said already, if the score `failed` too; if not, they are
    reasons for nothing. A group that moves up into the room is held to the same as any other
    reason: `schema` and `codes` are those that it was ranked with.
    """
    against = (*ranking.reasons, *(one.push for one in ranking.left))
    if not failed:
        left = tuple(Left(push, "other_component") for push in against)
        return replace(ranking, reasons=(), left=left, blocks=())
    # Large enough to be principal reasons, in the order of their size.
    large = [*ranking.reasons]
    large += [one.push for one in ranking.left if one.why == "beyond_limit"]
    said = [push for push in large if push.code in rules]
    large = [push for push in large if push not in said]
    room = max(MAX_REASONS - len(rules), 0)
    small = [one for one in ranking.left if one.why != "beyond_limit"]
    promoted = [push for push in large[:room] if push not in ranking.reasons]
    return replace(
        ranking,
        reasons=tuple(large[:room]),
        left=(
            *(Left(push, "same_reason") for push in said),
            *(Left(push, "beyond_limit") for push in large[room:]),
            *small,
        ),
        # What a rule took the place of was a principal reason, and still blocks.
        blocks=ranking.blocks + _blocks(schema, promoted, codes),
    )


def key_factors(ranking: Ranking, schema: FeatureSchema) -> tuple[Push, ...]:
    """Return what lowered the score most, as the Fair Credit Reporting Act asks for it.

    At most four, in the order of their effect; enquiries into the consumer report come on
    top if they are none of the four (15 USC 1681g(f)(1)(C) and (9)). These are about the
    score, not about the outcome, and so are no reasons under 12 CFR 1002.9.
    """
    against = (*ranking.reasons, *(one.push for one in ranking.left))
    counted = {feature.name for feature in schema.features if feature.inquiries}
    return against[:MAX_REASONS] + tuple(
        push for push in against[MAX_REASONS:] if counted & set(push.features)
    )


def _size(push: Push) -> int:
    return -abs(push.amount)


def _grouped(
    schema: FeatureSchema, attribution: Attribution, missing: Collection[str], sign: int
) -> list[Push]:
    groups: dict[str, list[Feature]] = {}
    for feature in schema.features:
        groups.setdefault(feature.group, []).append(feature)
    pushes = []
    for group, members in groups.items():
        amount = sum(attribution.value(feature.name) for feature in members)
        towards = 1 if amount > 0 else -1
        leading = max(members, key=lambda feature: attribution.value(feature.name) * towards)
        adverse = amount * sign < 0
        code = ""
        if adverse:
            code = _missing_code(leading) if leading.name in missing else leading.reason
        names = tuple(feature.name for feature in members)
        pushes.append(Push(group, code, leading.name, names, amount))
    return pushes


def _missing_code(feature: Feature) -> str:
    if feature.reason_missing:
        return feature.reason_missing
    return f"{feature.reason}_NOT_GIVEN" if feature.reason else ""


def _blocks(
    schema: FeatureSchema, reasons: Collection[Push], codes: Collection[str]
) -> tuple[Block, ...]:
    by_name = {feature.name: feature for feature in schema.features}
    blocks = []
    for push in reasons:
        if any(by_name[name].protected for name in push.features):
            blocks.append(Block(push.group, "protected"))
        if any(by_name[name].proxy for name in push.features):
            blocks.append(Block(push.group, "proxy"))
        # A code for "not given" needs no text of the policy: the catalogue has one.
        leading = by_name[push.leading]
        known = push.code in codes or push.code == f"{leading.reason}_NOT_GIVEN"
        if not push.code or not known:
            blocks.append(Block(push.group, "unmapped"))
    return tuple(blocks)
