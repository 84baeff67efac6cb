"""What a model needs to be asked: an ordered list of features, and rows in that order.

A row is an array of the floats that the model itself compares, 32-bit or 64-bit by the format
of its file: casting once, in one place, keeps recording, explaining and replaying on the same
numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from explain.errors import SchemaError
from explain.features import Feature, LocalText

__all__ = [
    "DOUBLE_FORMATS",
    "Feature",
    "FeatureSchema",
    "LocalText",
    "Predictor",
    "Row",
    "Rows",
]

Row = NDArray[np.floating[Any]]  # shape (features,)
Rows = NDArray[np.floating[Any]]  # shape (rows, features)
Scalar = None | bool | int | float | str

MAX_FEATURES = 500  # columns of one model; contributions of each are stored with each decision
DOUBLE_FORMATS: Final = frozenset(
    {"lightgbm-text", "linear-json", "scorecard-json", "ebm-json", "skops"}
)
"""Formats of models that compare 64-bit floats; the others narrow rows to 32 bits."""

MAX_VALUE = 1e15  # of an input without bounds; larger is a mistake, and no text could show it


class Predictor(Protocol):
    """A model that has been opened and is asked for scores only."""

    @property
    def space(self) -> str:
        """In which its raw output lies: `log-odds`, `probability` or `response`."""

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the model's raw output, in its space, per row, shape (rows,).

        The same rows give the same bits, whatever they are batched with.
        """


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The features of one model version, in the order of its columns.

    `double`: the model compares 64-bit floats, so its rows hold those.
    """

    features: tuple[Feature, ...]
    double: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty schema and two features of one name."""
        if not 1 <= len(self.features) <= MAX_FEATURES:
            raise SchemaError(f"must list 1 to {MAX_FEATURES} features", member="features")
        if len(set(self.names)) != len(self.features):
            raise SchemaError("two features have the same name", member="features")

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, object]) -> Self:
        """Read `features` of a model manifest, and from its file's format how rows are held.

        Raises:
            SchemaError: the list is missing or an entry is not a feature; `member` names it.
        """
        entries = manifest.get("features")
        if not isinstance(entries, list | tuple):
            raise SchemaError("must be a list of features", member="features")
        return cls(
            tuple(Feature.from_json(entry, f"features[{at}]") for at, entry in enumerate(entries)),
            double=_format(manifest) in DOUBLE_FORMATS,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The feature names, in column order."""
        return tuple(feature.name for feature in self.features)

    def index(self, name: str) -> int:
        """Return the column of a feature.

        Raises:
            SchemaError: the model has no such feature.
        """
        try:
            return self.names.index(name)
        except ValueError as error:
            raise SchemaError("the model has no such feature", member=f"input.{name}") from error

    def row(self, values: Mapping[str, object]) -> Row:
        """Return `values` as a row, null as NaN and a category as its position.

        Raises:
            SchemaError: a feature is missing, unknown, of another type or out of bounds.
                `member` names it (`input.income`); the text never quotes the value.
        """
        known = set(self.names)
        for name in values:
            if name not in known:
                raise SchemaError("unknown feature", member=f"input.{name}")
        row: Row = np.empty(len(self.features), np.float64 if self.double else np.float32)
        for column, feature in enumerate(self.features):
            if feature.name not in values:
                raise SchemaError("feature is missing", member=f"input.{feature.name}")
            row[column] = encode(feature, values[feature.name])
        return row


def _format(manifest: Mapping[str, object]) -> object:
    """Return the format of the model's file, None where the manifest names none."""
    found: object = manifest
    for name in ("artefacts", "model", "format"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def encode(feature: Feature, value: object) -> float:
    """Return one value as the number the model sees.

    Raises:
        SchemaError: `value` is not one that this feature takes.
    """
    member = f"input.{feature.name}"
    if value is None:
        if not feature.missing_allowed:
            raise SchemaError("must not be null", member=member)
        return math.nan
    if feature.type == "boolean":
        if not isinstance(value, bool):
            raise SchemaError("must be true or false", member=member)
        return float(value)
    if feature.type == "category":
        if not isinstance(value, str) or value not in feature.categories:
            raise SchemaError("must be one of the feature's categories", member=member)
        return float(feature.categories.index(value))
    return _encode_number(feature, value, member)


def _encode_number(feature: Feature, value: object, member: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SchemaError("must be a number", member=member)
    if feature.type == "integer" and not isinstance(value, int):
        raise SchemaError("must be a whole number", member=member)
    # Comparing before converting: a huge integer has no float. NaN fails both comparisons.
    if not -MAX_VALUE <= value <= MAX_VALUE:
        raise SchemaError("must be a finite number of a usual size", member=member)
    if (feature.lower is not None and value < feature.lower) or (
        feature.upper is not None and value > feature.upper
    ):
        raise SchemaError("out of the feature's bounds", member=member)
    return float(value)


def decode(feature: Feature, number: float) -> Scalar:
    """Return the value that :func:`encode` turned into `number`, at display precision."""
    if math.isnan(number):
        return None
    if feature.type == "boolean":
        return bool(number)
    if feature.type == "category":
        return feature.categories[int(number)]
    if feature.type == "integer":
        return round(number)
    return round(float(number), feature.decimals)
