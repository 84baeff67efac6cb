"""One recorded decision, explained: reasons, alternatives, checks and plain words.

Pure: the same manifests, input, attribution and model give the same explanation, to the
letter. The attribution is the recorded one; nothing is recomputed to look better, and the
gates say whether the model still agrees with it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import cast

from explain import counterfactual, gates
from explain.attribution import SCALE, Attribution, to_units
from explain.catalogue import Catalogue, load_catalogue
from explain.counterfactual import Alternative, Knockouts, Limit
from explain.errors import SchemaError
from explain.explanation import MAX_REASONS, Counterfactual, Explanation, Reason
from explain.features import LocalText
from explain.gates import Case
from explain.judgement import judge
from explain.model import Model
from explain.policy import Policy
from explain.predictor import Scalar, decode
from explain.sentences import Sentences
from explain.stability import stability
from explain.wording import alike, typical_values

__all__ = ["explain_decision"]

# What an engine compares with, and so what may be said of its numbers.
_METHODS = {
    "all-subsets": "method-reference-group",
    "catboost-contributions": "method-training-paths",
    "ebm": "method-reference-group",
    "leaf-tables": "method-reference-group",
    "lightgbm-contributions": "method-training-paths",
    "linear": "method-reference-group",
    "scorecard": "method-reference-group",
    "shap-interventional": "method-reference-group",
    "shap-path-dependent": "method-training-paths",
    "xgboost-contributions": "method-training-paths",
}


def explain_decision(
    manifest: Mapping[str, object],
    policy: Mapping[str, object],
    values: Mapping[str, object],
    attribution: Attribution,
    model: Model,
    *,
    language: str = "en",
    catalogue: Catalogue | None = None,
    outcome: str | None = None,
    rule: str = "",
    worked_out: datetime | None = None,
) -> Explanation:
    """Return the explanation of one decision.

    `manifest` and `policy` are the registered ones that the decision names; `values` is its
    recorded input; `model` is that version, opened. `outcome` is the recorded outcome: where
    it does not follow from score, limit and the policy's rules, something else or a person
    decided, and the explanation may not go out by itself. None takes the outcome that
    follows. `rule` is the rule that the source said decided, if any. `worked_out` is when
    the attribution was, if that was after the decision.

    Raises:
        SchemaError: the input does not fit the model, or a manifest lacks what is needed.
        LanguageMissing: the catalogue or a manifest has no text in this language.
    """
    speech = catalogue or load_catalogue(language)
    decided = Policy.from_manifests(policy, manifest)
    row = model.schema.row(values)
    given = {name: cast("Scalar", values[name]) for name in model.schema.names}
    if len(attribution.values) != len(given) or {name for name, _ in attribution.values} != set(
        given
    ):
        raise SchemaError("not one value per feature of the model", member="attributions.values")
    judged = judge(model.schema, decided, given, attribution, outcome)
    case = Case(
        model, decided, row, attribution, judged.ranking, judged.outcome, judged.fired, rule
    )
    typical = typical_values(model.schema.features, model.background)
    sentences = Sentences(speech, model.schema, decided, given, typical, dict(attribution.values))
    explanation = _compose(manifest, case, sentences, worked_out)
    factors = tuple(sentences.key_factor(push) for push in judged.key_factors)
    return replace(explanation, key_factors=factors)


def _compose(
    manifest: Mapping[str, object],
    case: Case,
    sentences: Sentences,
    worked_out: datetime | None,
) -> Explanation:
    speech, attribution, ranking = sentences.catalogue, case.attribution, case.ranking
    trial = gates.perturb(case)
    sign, engine = case.policy.sign, attribution.engine
    firm = stability(case.model, case.row, ranking, sign=sign, engine=engine)
    rules = case.rules
    reasons = tuple(sentences.rule(rule) for rule in rules[:MAX_REASONS]) + tuple(
        sentences.reason(push, alone=push.group in trial.alone) for push in ranking.reasons
    )
    helped = tuple(sentences.helped(push) for push in ranking.helped)
    ways = _alternatives(case, sentences)
    checks = gates.check(case, trial, firm, speech)
    population = _population(manifest, speech.language)
    return Explanation(
        language=speech.language,
        outcome=case.outcome,
        outcome_label=sentences.outcome(case.outcome),
        margin=attribution.margin,
        cut_off=case.policy.cut_off,
        points=sentences.points(attribution.margin, attribution.base),
        summary=_summary(case, sentences, reasons, helped),
        paragraphs=_paragraphs(case, sentences, reasons, helped, population),
        reasons=reasons,
        helped=helped,
        contributions=sentences.contributions(attribution),
        suppressed=tuple(sentences.suppressed_rule(rule) for rule in rules[MAX_REASONS:])
        + tuple(sentences.suppressed(left) for left in ranking.left),
        counterfactuals=ways,
        counterfactual_note=sentences.counterfactual_note(
            found=bool(ways), outcome=case.outcome, follows=case.follows
        ),
        reference=population,
        method=_method(case.policy, attribution, speech, worked_out),
        limits=_limits(case, sentences, firm.ties),
        gates=checks,
        stable=ranking.stable,
        automatic_text_allowed=all(gate.passed for gate in checks),
        fired=tuple(rule.id for rule in case.fired),
        ties=firm.ties,
        trials=trial.trials,
    )


def _alternatives(case: Case, sentences: Sentences) -> tuple[Counterfactual, ...]:
    # Only what score or rules decided against has another side to look for.
    if case.outcome == case.policy.passed or not case.follows:
        return ()
    found = counterfactual.search(
        case.model.schema,
        case.model.predictor,
        case.row,
        case.model.background,
        Limit(case.policy.cut_off, case.policy.sign),
        Knockouts(case.policy.rules, sentences.values),
    )
    rescored = [_rescore(case, sentences.values, one) for one in found]
    return tuple(
        sentences.counterfactual(one)
        for one in rescored
        if case.policy.passes(to_units(one.margin)) and _readable(case, sentences.values, one)
    )


def _readable(case: Case, given: Mapping[str, Scalar], one: Alternative) -> bool:
    """Tell whether every change can be read: "low instead of low" tells nobody anything.

    In every language, so that each tells the same alternatives.
    """
    features = case.model.schema.features
    return not any(
        alike(
            features[column],
            given[features[column].name],
            decode(features[column], float(one.row[column])),
        )
        for column in one.changed
    )


def _rescore(case: Case, given: Mapping[str, Scalar], one: Alternative) -> Alternative:
    """Return the alternative with the margin of its values as they are shown.

    They go in by the door that a recorded input takes, so that what a reader is told is
    what the model was asked.
    """
    features = case.model.schema.features
    shown = {
        features[column].name: decode(features[column], float(one.row[column]))
        for column in one.changed
    }
    row = case.model.schema.row({**given, **shown})
    return replace(one, row=row, margin=float(case.model.predictor.margin(row[None, :])[0]))


def _summary(
    case: Case, sentences: Sentences, reasons: tuple[Reason, ...], helped: tuple[Reason, ...]
) -> str:
    favourable = case.outcome == case.policy.passed
    leading = (helped if favourable else reasons)[:1]
    message = "summary-for" if favourable else "summary-against"
    parts = {
        "outcome": sentences.outcome(case.outcome),
        "score": sentences.score_text(case.attribution.margin),
        "limit": sentences.points(case.attribution.margin, case.attribution.base).limit_text,
    }
    if not case.follows:
        return sentences.catalogue.say("summary-not-the-score", **parts)
    if reasons and reasons[0].rule and not favourable:
        text = reasons[0].text
        return sentences.catalogue.say("summary-rule", outcome=parts["outcome"], reason=text)
    if not leading:
        return sentences.catalogue.say(f"{message}-bare", **parts)
    (one,) = leading
    return sentences.catalogue.say(message, **parts, item=sentences.named(one))


def _paragraphs(
    case: Case,
    sentences: Sentences,
    reasons: tuple[Reason, ...],
    helped: tuple[Reason, ...],
    population: str,
) -> tuple[str, ...]:
    say = sentences.catalogue.say
    points = sentences.points(case.attribution.margin, case.attribution.base)
    paragraphs = [
        say(
            "paragraph-decision",
            score=points.score_text,
            limit=points.limit_text,
            **{"pass": sentences.outcome(case.policy.passed)},
            fail=sentences.outcome(case.policy.failed),
            outcome=sentences.outcome(case.outcome),
        ),
        say("paragraph-reference", population=population, reference=points.reference_text),
    ]
    rules, scored = _apart(reasons)
    if rules:
        texts = sentences.catalogue.listed([one.text for one in rules])
        paragraphs[0] += " " + say("paragraph-rule", count=len(rules), items=texts)
    if scored:
        items = sentences.listed(scored)
        paragraphs.append(say("paragraph-reasons", count=len(scored), items=items))
    elif not rules:
        paragraphs.append(say("paragraph-no-reasons"))
    if helped:
        strongest = helped[: len(scored) or None]
        items = sentences.listed(strongest)
        paragraphs.append(say("paragraph-helped", count=len(strongest), items=items))
    return tuple(paragraphs)


def _apart(reasons: tuple[Reason, ...]) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Return the reasons that are rules, and those that the model scored."""
    return (
        tuple(one for one in reasons if one.rule),
        tuple(one for one in reasons if not one.rule),
    )


def _population(manifest: Mapping[str, object], language: str) -> str:
    background = manifest.get("background")
    population = background.get("population") if isinstance(background, Mapping) else None
    if isinstance(population, str) and population:
        return population
    return LocalText.from_json(population, "background.population").speak(language)


def _method(
    policy: Policy, attribution: Attribution, speech: Catalogue, worked_out: datetime | None
) -> str:
    message = _METHODS.get(attribution.engine, "method-other")
    return speech.say(
        message,
        since=(
            speech.say("method-since-later", day=speech.day(worked_out))
            if worked_out
            else speech.say("method-since-decision")
        ),
        engine=attribution.engine,
        limit=speech.number(policy.offset, 1),
        cut=speech.number(Decimal(policy.cut_off).scaleb(-SCALE), SCALE),
        per=speech.number(policy.per_log_odds, 4),
    )


def _limits(case: Case, sentences: Sentences, ties: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    messages = [
        "limit-not-causes",
        "limit-linked",
        "limit-reference",
        "limit-typical",
        "limit-rounding",
    ]
    if not case.ranking.stable:
        messages.append("limit-unstable")
    if any(value is None for value in sentences.values.values()):
        messages.append("limit-missing")
    told = tuple(sentences.catalogue.say(message) for message in messages)
    return (*told, sentences.tied(ties)) if ties else told
