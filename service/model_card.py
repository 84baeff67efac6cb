"""A model card from the manifests that were registered: stated, not retyped."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ledger.operate.registry import ModelVersion, PolicyVersion
from reports.documents import ExcludedFeature, FeatureLine, LineageStage, ModelCard, TrainingSet
from service.manifest_texts import spoken, stated

__all__ = ["model_card"]


def model_card(
    version: ModelVersion, policy: PolicyVersion, lineage: tuple[LineageStage, ...] = ()
) -> ModelCard:
    """What the version is made of; a member that its manifest leaves out stays empty."""
    manifest: Mapping[str, Any] = version.manifest
    artefact = _object(_object(manifest, "artefacts"), "model")
    code = _object(manifest, "code")
    cost = _object(_object(manifest, "run"), "cost")
    return ModelCard(
        name=version.name,
        version=version.version,
        kind=spoken(manifest.get("kind"), "en"),
        manifest=version.digest,
        artefact=stated(artefact, "sha256"),
        artefact_format=stated(artefact, "format"),
        repository=stated(code, "repository"),
        commit=stated(code, "commit"),
        training=tuple(_training(each) for each in _objects(manifest, "training_data")),
        background=_background(manifest),
        explainer=_pairs(_object(manifest, "explainer")),
        metrics=_pairs(_object(manifest, "metrics")),
        features=tuple(
            FeatureLine(_label(each), spoken(each.get("source"), "en"))
            for each in _objects(manifest, "features")
        ),
        excluded=tuple(
            ExcludedFeature(name, str(why)) for name, why in _object(manifest, "left_out").items()
        ),
        purpose=spoken(manifest.get("purpose"), "en"),
        owner=stated(manifest, "owner"),
        approver=stated(manifest, "approver"),
        policy=policy.reference,
        policy_digest=policy.digest,
        cost=_amount(cost),
        currency=stated(cost, "currency") or "USD",
        lineage=lineage,
    )


def _training(entry: Mapping[str, Any]) -> TrainingSet:
    rows = entry.get("rows")
    return TrainingSet(
        source=stated(entry, "source"),
        period=stated(entry, "period"),
        rows=rows if type(rows) is int else 0,
        digest=stated(entry, "sha256"),
    )


def _background(manifest: Mapping[str, Any]) -> str:
    population = _object(manifest, "background").get("population", "")
    return population if isinstance(population, str) else _words(population)


def _label(entry: Mapping[str, Any]) -> str:
    label = entry.get("label")
    return _words(label) if isinstance(label, Mapping) else str(label or entry.get("name", ""))


def _words(texts: Mapping[str, Any]) -> str:
    """The English text, or whichever there is."""
    return str(texts.get("en") or next(iter(texts.values()), ""))


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values as text; a value that is an object becomes a list of its members."""
    pairs = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{inner} {each}" for inner, each in value.items())
        else:
            text = str(value)
        pairs.append((name.replace("_", " "), text))
    return tuple(pairs)


def _amount(cost: Mapping[str, Any]) -> Decimal | None:
    try:
        return Decimal(str(cost["amount"]))
    except (KeyError, InvalidOperation):
        return None


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}


def _objects(value: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    part = value.get(name)
    listed = part if isinstance(part, list | tuple) else ()
    return tuple(each for each in listed if isinstance(each, Mapping))
