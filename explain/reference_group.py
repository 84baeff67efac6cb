"""Whom a decision is compared with: reference rows chosen from a scored population by a rule.

The commentary to Regulation B names two groups that principal reasons may be measured
against, those at or slightly above the minimum passing score and all applicants (12 CFR 1002
supplement I, 9(b)(2)-5). Which one it is moves reasons more than any number does, so the rule
is written down with what it counted, and the rows are named by their digest. A group of a few
dozen people says more about them than about the model: below 300 it is all of them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import rfc8785

from explain.attribution import SCALE
from explain.errors import SchemaError
from explain.plain import MAX_INTEGER, JsonValue

__all__ = ["ALL", "JUST_ABOVE", "ReferenceGroup", "reference_group"]

Rule = Literal["just-above", "all"]
ALL: Final = "all"
JUST_ABOVE: Final = "just-above"
MIN_ROWS: Final = 300  # of those just above; fewer, and two draws of them disagree on reasons
MAX_ROWS: Final = 100_000  # as the exact engines take


@dataclass(frozen=True, slots=True)
class ReferenceGroup:
    """The rows that were chosen, how, and out of how many.

    Attributes:
        asked: the rule that was asked for.
        rule: the rule that the rows follow; `all` if too few were just above.
        cut_off: the policy's limit, in units of 10^-6.
        band: how far above counts as just above, in the same units; of `all` it is None.
        scored: how many the population is.
        passed: how many of them are at the limit or on its favourable side.
        within: how many of these are within the band; of a rule `all` that was asked, None.
        rows: how many were chosen.
        data: their inputs as `json-rows`, in the population's order: the artefact `background`.
        sha256: its digest.
    """

    asked: Rule
    rule: Rule
    cut_off: int
    band: int | None
    scored: int
    passed: int
    within: int | None
    rows: int
    data: bytes
    sha256: str

    def population(self, who: str = "applicants") -> str:
        """Return the sentence that explanations show; `who` they are, in the plural."""
        if self.rule == JUST_ABOVE and self.band is not None:
            band = (Decimal(self.band) / 10**SCALE).normalize()
            return (
                f"the {self.rows:,} of {self.scored:,} {who} whose score was at the limit or"
                f" better by at most {band:f}"
            )
        if self.asked == JUST_ABOVE:
            return f"all {self.rows:,} {who}, since fewer than {MIN_ROWS} were just above the limit"
        return f"all {self.rows:,} {who}"

    def to_manifest(self, who: str = "applicants") -> dict[str, JsonValue]:
        """Return the member `background` of a model manifest."""
        selection: dict[str, JsonValue] = {
            "asked": self.asked,
            "rule": self.rule,
            "cut_off": self.cut_off,
            "scale": SCALE,
            "band": self.band,
            "scored": self.scored,
            "passed": self.passed,
            "within": self.within,
        }
        return {
            "sha256": self.sha256,
            "population": self.population(who),
            "rows": self.rows,
            "selection": selection,
        }


def reference_group(
    inputs: Sequence[Mapping[str, JsonValue]],
    margins: Sequence[int],
    *,
    cut_off: int,
    favourable: Literal["higher", "lower"],
    rule: Rule = JUST_ABOVE,
    band: int | None = None,
) -> ReferenceGroup:
    """Return the reference rows of a population that this model version has scored.

    Args:
        inputs: each person's features, as the model's input.
        margins: what the model made of each, in units of 10^-6.
        cut_off: the policy's limit, in the same units.
        favourable: which side of it passes, as the model manifest says.
        rule: `just-above`, or `all`.
        band: how far above the limit is just above; needed for that rule.

    Raises:
        SchemaError: lists of different lengths, an empty or too large population, or no band.
    """
    if len(inputs) != len(margins) or not 1 <= len(inputs) <= MAX_ROWS:
        raise SchemaError(f"must be 1 to {MAX_ROWS:,} rows, each with a margin", member="inputs")
    if any(type(each) is not int or abs(each) > MAX_INTEGER for each in (*margins, cut_off)):
        raise SchemaError("must be whole numbers of units", member="margins")
    if rule not in {ALL, JUST_ABOVE} or favourable not in {"higher", "lower"}:
        raise SchemaError("must be one of the rules and sides that there are", member="rule")
    sign = 1 if favourable == "higher" else -1
    above = [(margin - cut_off) * sign for margin in margins]
    passed = sum(each >= 0 for each in above)
    if rule == ALL:
        return _group(inputs, (rule, ALL, cut_off, None), passed, None)
    if type(band) is not int or band < 0:
        raise SchemaError("must say in units how far above the limit is just above", member="band")
    near = [each for each, by in zip(inputs, above, strict=True) if 0 <= by <= band]
    few = len(near) < MIN_ROWS
    said = (rule, ALL if few else rule, cut_off, None if few else band)
    chosen = inputs if few else near
    return _group(chosen, said, passed, len(near), scored=len(inputs))


def _group(
    chosen: Sequence[Mapping[str, JsonValue]],
    said: tuple[Rule, Rule, int, int | None],
    passed: int,
    within: int | None,
    *,
    scored: int | None = None,
) -> ReferenceGroup:
    try:
        data = rfc8785.dumps([dict(each) for each in chosen])
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise SchemaError("a row is not plain JSON", member="inputs") from error
    asked, rule, cut_off, band = said
    digest = hashlib.sha256(data).hexdigest()
    return ReferenceGroup(
        asked, rule, cut_off, band, scored or len(chosen), passed, within, len(chosen), data, digest
    )
