"""What decided one case, and which reasons that leaves to tell: the score, or knock-out rules.

Pure, and the one place where rules and score meet: whoever tells, counts or checks reasons
asks here, so that all of them say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from explain.attribution import Attribution
from explain.policy import Policy
from explain.predictor import FeatureSchema
from explain.reason_codes import Block, Push, Ranking, beside, key_factors, rank
from explain.rules import Rule, check_rules, fired

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One case judged by its policy.

    `outcome` is the recorded one, or the one that follows. `fired` are the rules that hold of
    the input, in the policy's order. `ranking` is of the score, as far as its groups are
    reasons beside those rules. `key_factors` are of the score alone, whatever decided; none
    unless the policy asks for them.
    """

    outcome: str
    fired: tuple[Rule, ...]
    ranking: Ranking
    key_factors: tuple[Push, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the reasons, rules first."""
        return tuple(rule.reason for rule in self.fired) + tuple(
            push.code for push in self.ranking.reasons
        )


def judge(
    schema: FeatureSchema,
    policy: Policy,
    values: Mapping[str, object],
    attribution: Attribution,
    outcome: str | None = None,
) -> Judgement:
    """Return what the policy makes of a recorded input and its attribution.

    Raises:
        SchemaError: a rule compares something that the model does not have.
    """
    check_rules(policy.rules, schema.features)
    hit = fired(policy.rules, values)
    ranking = rank(
        schema,
        attribution,
        codes=policy.codes,
        missing=[name for name, value in values.items() if value is None],
        favourable=policy.favourable,
    )
    factors = key_factors(ranking, schema) if policy.key_factors else ()
    result = outcome or policy.outcome(attribution.margin, hit)
    if result != policy.failed or not hit:
        return Judgement(result, hit, ranking, factors)
    codes = [rule.reason for rule in hit]
    told = beside(
        ranking,
        codes,
        failed=not policy.passes(attribution.margin),
        schema=schema,
        codes=policy.codes,
    )
    blocks = (*told.blocks, *_guarded(hit, schema))
    return Judgement(result, hit, replace(told, blocks=blocks), factors)


def _guarded(hit: Sequence[Rule], schema: FeatureSchema) -> tuple[Block, ...]:
    """Return the rules that look at what must not be given as a reason without a person."""
    proxies = {each.name for each in schema.features if each.proxy}
    protected = {each.name for each in schema.features if each.protected}
    return tuple(
        Block(rule.id, "protected" if protected & set(rule.features) else "proxy")
        for rule in hit
        if (proxies | protected) & set(rule.features)
    )
