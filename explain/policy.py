"""The part of a decision policy that explaining reads: limit, outcomes, rules, reasons.

Points are a straight-line picture of log-odds, as scorecards are written: 600 points at the
limit, and so many per unit of log-odds. A straight line keeps contributions adding up, which
a probability would not. Rounding happens once, half up, when a number is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal, Self

from explain.attribution import SCALE
from explain.errors import SchemaError
from explain.features import LocalText
from explain.plain import MAX_INTEGER
from explain.reg_b import CATALOGUE, FORM_C1
from explain.rules import Rule, read_rules

__all__ = ["POINT_DECIMALS", "Policy", "check_points", "check_reasons", "rounded"]

POINT_DECIMALS = 1  # shown: a tenth of a point is a 0.003 of log-odds at 28.85 per unit
MAX_NUMBER_TEXT = 20  # characters of a decimal number in a policy
MAX_POINTS = 10**6  # at the limit, or per log-odds: beyond it a score has no room for its digits
MAX_DECIMALS = 12  # of such a number: more than any score shows


@dataclass(frozen=True, slots=True)
class Policy:
    """A limit in units of 10^-6 log-odds, the two outcomes, the points, the reason texts.

    `reasons` are the policy's own and those of the standard catalogue that it names; its own
    word for a code comes first. `rules` knock out whatever the score. `key_factors` says
    that the score is one of which the Fair Credit Reporting Act asks for key factors.
    """

    cut_off: int
    passed: str
    failed: str
    offset: Decimal
    per_log_odds: Decimal
    reasons: tuple[tuple[str, LocalText], ...]
    favourable: Literal["higher", "lower"]
    rules: tuple[Rule, ...] = ()
    key_factors: bool = False

    @classmethod
    def from_manifests(cls, policy: Mapping[str, object], model: Mapping[str, object]) -> Self:
        """Read a policy manifest, and from the model's which direction is favourable.

        Raises:
            SchemaError: a member that is needed is missing or of another form.
        """
        cut_off = _object(policy, "cut_off")
        margin = cut_off.get("margin")
        if cut_off.get("scale") != SCALE or type(margin) is not int or abs(margin) > MAX_INTEGER:
            raise SchemaError(f"must be a margin at scale {SCALE}", member="cut_off")
        outcomes = _object(policy, "outcomes")
        offset, per_log_odds = _points(policy)
        favourable = _object(model, "output").get("favourable")
        if favourable not in ("higher", "lower"):  # a tuple: it may be something without a hash
            raise SchemaError("must be higher or lower", member="output.favourable")
        return cls(
            cut_off=margin,
            passed=_outcome(outcomes, "pass"),
            failed=_outcome(outcomes, "fail"),
            offset=offset,
            per_log_odds=per_log_odds,
            reasons=_reasons(policy),
            favourable="higher" if favourable == "higher" else "lower",
            rules=read_rules(policy),
            key_factors=_key_factors(policy),
        )

    @property
    def codes(self) -> frozenset[str]:
        """The reason codes that have a text."""
        return frozenset(code for code, _ in self.reasons)

    @property
    def sign(self) -> int:
        """+1 where a higher margin is better for the person, else -1."""
        return 1 if self.favourable == "higher" else -1

    def reason(self, code: str) -> LocalText | None:
        """Return the text of a reason code, or None."""
        return dict(self.reasons).get(code)

    def passes(self, margin: float) -> bool:
        """Tell whether a margin in units is at the limit or on its favourable side."""
        return (margin - self.cut_off) * self.sign >= 0

    def outcome(self, margin: int, fired: Sequence[Rule] = ()) -> str:
        """Return the outcome that a margin in units, and the rules that fired, lead to."""
        return self.passed if self.passes(margin) and not fired else self.failed

    def score(self, margin: int) -> Decimal:
        """Return the points of a margin, not rounded; the limit is at `offset`."""
        return self.offset + self.points(margin - self.cut_off)

    def points(self, amount: int) -> Decimal:
        """Return the points of a difference between margins, not rounded; + is better."""
        return (self.per_log_odds * amount * self.sign).scaleb(-SCALE)

    def shown_score(self, margin: int) -> Decimal:
        """Return the rounded score, on the same side of the limit as the margin.

        More decimals than usual are kept where rounding would put a missed limit on the
        limit: "600 points, at least 600 needed, declined" would be absurd.
        """
        for decimals in range(POINT_DECIMALS, SCALE + 1):
            score = rounded(self.score(margin), decimals)
            if (score >= self.offset) == self.passes(margin):
                return score
        return self.score(margin)


def rounded(number: Decimal, decimals: int = POINT_DECIMALS) -> Decimal:
    """Return the number at this many decimals, half away from zero; never minus zero."""
    result = number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return abs(result) if result == 0 else result


def check_points(policy: Mapping[str, object]) -> None:
    """Return if the points of a policy's manifest, where it has any, can be worked with.

    Raises:
        SchemaError: they are malformed, or of a size that no score has.
    """
    if "points" in policy:
        _points(policy)


def check_reasons(policy: Mapping[str, object]) -> None:
    """Return if a policy's manifest has a text for the reason of each of its rules.

    Raises:
        SchemaError: a rule's reason has none, or the rules or the texts are malformed.
    """
    rules = read_rules(policy)
    _key_factors(policy)
    if not rules and policy.get("standard_reasons") is None:
        return
    codes = {code for code, _ in _reasons(policy)}
    for at, rule in enumerate(rules):
        if rule.reason not in codes:
            raise SchemaError("the reason code has no text", member=f"rules[{at}].reason")


def _reasons(policy: Mapping[str, object]) -> tuple[tuple[str, LocalText], ...]:
    named = policy.get("standard_reasons")
    if named not in (None, CATALOGUE):  # a tuple: it may be something without a hash
        raise SchemaError(f"must be {CATALOGUE}", member="standard_reasons")
    standard = {code: LocalText((("en", text),)) for code, text in FORM_C1 if named}
    own = {
        code: LocalText.from_json(text, f"reason_codes.{code}")
        for code, text in _object(policy, "reason_codes").items()
    }
    return tuple(sorted((standard | own).items()))


def _key_factors(policy: Mapping[str, object]) -> bool:
    value = policy.get("key_factors", False)
    if not isinstance(value, bool):
        raise SchemaError("must be true or false", member="key_factors")
    return value


def _object(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = value.get(name)
    if not isinstance(part, Mapping):
        raise SchemaError("must be an object", member=name)
    return part


def _outcome(outcomes: Mapping[str, object], name: str) -> str:
    text = outcomes.get(name)
    if not isinstance(text, str) or not text:
        raise SchemaError("must be text", member=f"outcomes.{name}")
    return text


def _points(policy: Mapping[str, object]) -> tuple[Decimal, Decimal]:
    points = _object(policy, "points")
    per_log_odds = _decimal(points, "per_log_odds")
    if per_log_odds <= 0:
        raise SchemaError("must be above zero", member="points.per_log_odds")
    return _decimal(points, "offset"), per_log_odds


def _decimal(points: Mapping[str, object], name: str) -> Decimal:
    value = points.get(name)
    member = f"points.{name}"
    if type(value) is not int and (not isinstance(value, str) or len(value) > MAX_NUMBER_TEXT):
        raise SchemaError("must be a whole number, or a decimal number as text", member=member)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise SchemaError("must be a decimal number as text", member=member) from error
    if not number.is_finite():
        raise SchemaError("must be finite", member=member)
    # Compared as it is: arithmetic on a number of any exponent raises errors of its own.
    if number.copy_abs() > MAX_POINTS or int(number.as_tuple().exponent) < -MAX_DECIMALS:
        raise SchemaError(
            f"must be at most {MAX_POINTS:,}, with at most {MAX_DECIMALS} decimals", member=member
        )
    return number
