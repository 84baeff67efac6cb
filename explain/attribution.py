"""Attributions: how far each feature moved one output away from the reference group's.

Values are whole numbers in units of 10^-6 of the output space, so that base + Σ values +
residual equals the model's own margin exactly and no float formatting enters a hash
(docs/formats.md, commitments). The gate compares with the margin of the *model itself*:
shap's own check compares with shap's copy of the model and passes on wrong attributions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from explain.errors import AdditivityError, SchemaError
from explain.plain import MAX_INTEGER, JsonValue
from explain.predictor import MAX_FEATURES, Rows

__all__ = ["SCALE", "XGBOOST_TOLERANCE", "Attribution", "Attributor", "quantise", "to_units"]

SCALE = 6  # decimal places kept; below the noise of a float32 model
SPACE = "log-odds"  # where contributions of most classifiers add up
XGBOOST_TOLERANCE = 100  # units; a float32 model of 3,000 trees was seen off by 37
MAX_WORD = 64  # characters of an engine's or a space's name

_MEMBERS = ("base", "engine", "residual", "scale", "space", "values")


@dataclass(frozen=True, slots=True)
class Attribution:
    """One output taken apart. `values` are (feature, units), sorted by feature name."""

    engine: str
    space: str
    scale: int
    base: int
    values: tuple[tuple[str, int], ...]
    residual: int

    def __post_init__(self) -> None:
        """Hold one order of values, so that equal attributions are equal."""
        names = [name for name, _ in self.values]
        if not names or len(names) > MAX_FEATURES:
            raise SchemaError("must hold one value per feature", member="attributions.values")
        if names != sorted(set(names)):
            raise SchemaError("must be sorted by feature", member="attributions.values")

    @property
    def margin(self) -> int:
        """The model's own output, in units."""
        return self.base + sum(value for _, value in self.values) + self.residual

    def value(self, feature: str) -> int:
        """Return one feature's value in units.

        Raises:
            SchemaError: this attribution has no such feature.
        """
        for name, value in self.values:
            if name == feature:
                return value
        raise SchemaError("no such feature", member=f"attributions.values.{feature}")

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is committed to and stored."""
        return {
            "engine": self.engine,
            "space": self.space,
            "scale": self.scale,
            "base": self.base,
            "values": dict(self.values),
            "residual": self.residual,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the attribution that was written as `value`; the order of members is free.

        Raises:
            SchemaError: a member is missing, unknown or of another type.
        """
        if not isinstance(value, Mapping):
            raise SchemaError("must be an object", member="attributions")
        for name in value:
            if name not in _MEMBERS:
                raise SchemaError("unknown member", member=f"attributions.{name}")
        for name in _MEMBERS:
            if name not in value:
                raise SchemaError("member is missing", member=f"attributions.{name}")
        values = value["values"]
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            raise SchemaError("must be an object", member="attributions.values")
        if value["scale"] != SCALE or type(value["scale"]) is not int:
            raise SchemaError(f"must be {SCALE}", member="attributions.scale")
        return cls(
            engine=_word(value, "engine"),
            space=_word(value, "space"),
            scale=SCALE,
            base=_units(value["base"], "base"),
            values=tuple((name, _units(values[name], f"values.{name}")) for name in sorted(values)),
            residual=_units(value["residual"], "residual"),
        )


class Attributor(Protocol):
    """An engine that takes outputs of one model apart."""

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        """Return one attribution per row, each checked against the model's own margin.

        Raises:
            AdditivityError: a row's contributions do not add up; nothing is returned.
        """


def to_units(number: float) -> int:
    """Return a number of the output space in units of 10^-6, ties to even."""
    return int(np.rint(np.float64(number) * 10**SCALE))


def quantise(
    engine: str,
    names: Sequence[str],
    *,
    base: float,
    phi: NDArray[np.float64],
    margin: float,
    tolerance: int,
    space: str = SPACE,
) -> Attribution:
    """Return contributions `phi` (one per name) as units that add up to `margin` exactly.

    The residual takes up what rounding and the engine's own error leave over.

    Raises:
        AdditivityError: more than `tolerance` units are left over, or a number is not finite.
    """
    if not (np.isfinite(phi).all() and np.isfinite(base) and np.isfinite(margin)):
        raise AdditivityError("a contribution or the margin is not a finite number")
    # As `to_units` rounds, all at once: one call for a row of fifty instead of fifty.
    parts = [int(part) for part in np.rint(phi.astype(np.float64) * 10**SCALE).tolist()]
    values = tuple(sorted(zip(names, parts, strict=True)))
    units = to_units(base)
    residual = to_units(margin) - units - sum(parts)
    if abs(residual) > tolerance:
        raise AdditivityError(
            f"{engine}: contributions miss the model's own margin by {abs(residual)} units "
            f"of 10^-{SCALE}, more than {tolerance}"
        )
    return Attribution(engine, space, SCALE, units, values, residual)


def _word(value: Mapping[str, object], name: str) -> str:
    word = value[name]
    if not isinstance(word, str) or not 1 <= len(word) <= MAX_WORD:
        raise SchemaError("must be a short text", member=f"attributions.{name}")
    return word


def _units(value: object, name: str) -> int:
    if type(value) is not int or abs(value) > MAX_INTEGER:
        raise SchemaError("must be a whole number", member=f"attributions.{name}")
    return value
