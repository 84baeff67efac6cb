"""Whether a decision fits the model version and the policy that it names.

The ledger keeps what it is given, so this is the door: a decision whose input,
attributions or outcome are not the model's could never be explained or replayed. Pure:
manifests in, nothing or an error out.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from ledger.operate.decision import INPUT_HASH, SCALE, Decision, integer

HASH_CHARACTERS: Final = 64  # SHA-256 in hex
RULE: Final = "rule"
"""The member of `context` that says a rule, not the cut-off, decided the outcome."""

_NUMBERS: Final = {"number", "integer"}
Manifest = Mapping[str, JsonValue]


def check_decision(
    decision: Decision,
    model: Manifest,
    policy: Manifest,
    features: Mapping[str, Manifest] | None = None,
) -> None:
    """Return if the decision fits both manifests.

    `features` are the model's (`features_of`), if the caller has them at hand.

    Raises:
        MalformedError: it does not; `member` names the place.
    """
    features = features_of(model) if features is None else features
    _check_input(decision, features)
    if decision.attributed:
        _check_attributions(decision, model, features)
    _check_outcome(decision, model, policy)


def check_policy(policy: Manifest) -> None:
    """Return if decisions can be checked against this policy's manifest.

    Raises:
        MalformedError: its cut-off or outcomes are not what they must be.
    """
    outcomes = _object(policy, "outcomes")
    if not outcomes.keys() >= {"pass", "fail"} or not all(
        isinstance(o, str) for o in outcomes.values()
    ):
        raise MalformedError("manifest: no outcome for pass and fail", member="outcomes")
    cut_off = _object(policy, "cut_off")
    integer(cut_off.get("margin"), "cut_off.margin")
    if cut_off.get("scale") != SCALE:
        raise MalformedError(f"manifest: the scale is {SCALE}", member="cut_off.scale")
    if not isinstance(cut_off.get("space"), str):
        raise MalformedError("manifest: a cut-off without a space", member="cut_off.space")


def features_of(model: Manifest) -> Mapping[str, Manifest]:
    """The features of a model's manifest by name.

    Raises:
        MalformedError: the manifest's features are not a list of objects with names.
    """
    listed = model.get("features")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise MalformedError("manifest: the features are not a list", member="features")
    features: dict[str, Manifest] = {}
    for feature in listed:
        name = feature.get("name") if isinstance(feature, Mapping) else None
        if not isinstance(name, str) or name in features:
            raise MalformedError("manifest: a feature without a name of its own", member="features")
        features[name] = cast("Manifest", feature)
    return features


def _check_input(decision: Decision, features: Mapping[str, Manifest]) -> None:
    if decision.input.keys() == {INPUT_HASH} and INPUT_HASH not in features:
        digest = decision.input[INPUT_HASH]
        hexadecimal = isinstance(digest, str) and set(digest) <= set("0123456789abcdef")
        if not hexadecimal or len(str(digest)) != HASH_CHARACTERS:
            raise MalformedError("decision: not a SHA-256 in hex", member=f"input.{INPUT_HASH}")
        return
    given = decision.input
    if given.keys() - features.keys():
        name = min(given.keys() - features.keys())
        raise MalformedError("decision: the model has no such feature", member=f"input.{name}")
    for name, feature in features.items():
        if name not in given:
            raise MalformedError("decision: the feature is missing", member=f"input.{name}")
        wrong = _misfit(given[name], feature)
        if wrong:
            raise MalformedError(f"decision: {wrong}", member=f"input.{name}")


def _misfit(value: JsonValue, feature: Manifest) -> str | None:
    """What is wrong with a feature's value, if anything."""
    kind = feature.get("type")
    if value is None:
        return None if feature.get("missing") == "allowed" else "the model needs a value here"
    if kind == "boolean":
        return None if isinstance(value, bool) else "not a boolean"
    if kind == "category":
        categories = feature.get("categories")
        known = not isinstance(categories, Sequence) or value in categories
        return None if known else "not one of the feature's categories"
    return _misfit_number(value, feature) if kind in _NUMBERS else None


def _misfit_number(value: JsonValue, feature: Manifest) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "not a number"
    if feature.get("type") == "integer" and value != int(value):
        return "not a whole number"
    match feature.get("bounds"):
        case [low, high]:
            too_low = isinstance(low, (int, float)) and value < low
            too_high = isinstance(high, (int, float)) and value > high
            if too_low or too_high:
                return "outside the feature's bounds"
        case _:
            pass
    return None


def _check_attributions(
    decision: Decision, model: Manifest, features: Mapping[str, Manifest]
) -> None:
    explainer = _object(model, "explainer")
    for name in ("engine", "space"):
        if decision.attributions[name] != explainer.get(name):
            raise MalformedError(
                "decision: the model was registered with another", member=f"attributions.{name}"
            )
    if decision.values.keys() != features.keys():
        name = min(decision.values.keys() ^ features.keys())
        raise MalformedError(
            "decision: attributions need one value for each feature of the model, and no other",
            member=f"attributions.values.{name}",
        )
    tolerance = integer(explainer.get("tolerance", 0), "explainer.tolerance")
    residual = abs(integer(decision.attributions["residual"], "attributions.residual"))
    if residual > tolerance:
        raise MalformedError(
            f"decision: the residual is {residual}, {residual - tolerance} beyond the"
            f" tolerance of {tolerance}",
            member="attributions.residual",
        )


def _check_outcome(decision: Decision, model: Manifest, policy: Manifest) -> None:
    output = _object(model, "output")
    if decision.output["space"] != output.get("space"):
        raise MalformedError(
            "decision: the model was registered with another", member="output.space"
        )
    outcomes = _object(policy, "outcomes")
    if decision.outcome not in outcomes.values():
        raise MalformedError("decision: the policy has no such outcome", member="output.outcome")
    if RULE in decision.context:
        return  # a knock-out rule may decide against the margin; it is stated, and so logged
    cut_off = _object(policy, "cut_off")
    if cut_off.get("space") != decision.output["space"]:
        raise MalformedError("decision: the policy cuts off in another space", member="policy")
    limit = integer(cut_off.get("margin"), "cut_off.margin")
    lower_is_better = output.get("favourable") == "lower"
    passed = decision.margin <= limit if lower_is_better else decision.margin >= limit
    if decision.outcome != outcomes["pass" if passed else "fail"]:
        raise MalformedError(
            "decision: the policy's cut-off gives another outcome, and no rule is stated",
            member="output.outcome",
        )


def _object(manifest: Manifest, member: str) -> Manifest:
    value = manifest.get(member)
    if not isinstance(value, Mapping):
        raise MalformedError(f"manifest: {member} is not an object", member=member)
    return value
