"""What a model is made of, as its registered manifest says."""

from dataclasses import dataclass
from decimal import Decimal

from reports.documents.lineage import LineageStage

__all__ = ["ExcludedFeature", "FeatureLine", "ModelCard", "TrainingSet"]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One set of data that the model learnt from; `digest` is its SHA-256 in hexadecimal."""

    source: str
    period: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """One item that the model uses, and where its values come from."""

    label: str
    source: str


@dataclass(frozen=True, slots=True)
class ExcludedFeature:
    """One item that was at hand and is deliberately not used, and why."""

    label: str
    why: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is made of; digests are SHA-256 in hexadecimal.

    `cost` is what the training run cost in `currency` (ISO 4217), None if unknown.
    `metrics` and `explainer` are (name, value) pairs, formatted. `lineage` leads from data to
    decisions; without it the card has no picture of it.
    """

    name: str
    version: str
    kind: str
    manifest: str
    artefact: str
    artefact_format: str
    repository: str
    commit: str
    training: tuple[TrainingSet, ...]
    background: str
    explainer: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    features: tuple[FeatureLine, ...]
    excluded: tuple[ExcludedFeature, ...]
    purpose: str
    owner: str
    approver: str
    policy: str
    policy_digest: str
    cost: Decimal | None = None
    currency: str = "USD"
    lineage: tuple[LineageStage, ...] = ()
