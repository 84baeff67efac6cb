"""Attributions: how far each feature moved one output away from the reference group's.

Values are whole numbers in units of 10^-6 of the output space, so that base + Σ values +
residual equals the model's own margin exactly and no float formatting enters a hash
(docs/formats.md, commitments). The gate compares with the margin of the *model itself*:
shap's own check compares with shap's copy of the model and passes on wrong attributions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, overload

import numpy as np
from numpy.typing import NDArray

from explain.errors import AdditivityError, SchemaError
from explain.plain import MAX_INTEGER, JsonValue
from explain.predictor import MAX_FEATURES, Rows

__all__ = [
    "SCALE",
    "SPACE",
    "XGBOOST_TOLERANCE",
    "Attribution",
    "AttributionRows",
    "Attributor",
    "float64_tolerance",
    "quantise",
    "quantise_rows",
    "to_units",
]

SCALE = 6  # decimal places kept; below the noise of a float32 model
SPACE = "log-odds"  # where contributions of most classifiers add up
XGBOOST_TOLERANCE = 100  # units; a float32 model of 3,000 trees was seen off by 37
MAX_WORD = 64  # characters of an engine's or a space's name

_NOT_FINITE = "a contribution or the margin is not a finite number"
_TOO_LARGE = "a contribution or the margin is beyond what is recorded exactly"
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

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row, each checked against the model's own margin.

        Raises:
            AdditivityError: a row's contributions do not add up; nothing is returned.
        """


def to_units(number: float) -> int:
    """Return a number of the output space in units of 10^-6, ties to even.

    Raises:
        AdditivityError: it is not finite, or too large to be recorded exactly.
    """
    units = float(number) * float(10**SCALE)
    if not math.isfinite(units):
        raise AdditivityError(_NOT_FINITE)
    if abs(units) > MAX_INTEGER:
        raise AdditivityError(_TOO_LARGE)
    return round(units)


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
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = phi.tolist()
    if not (math.isfinite(base) and math.isfinite(margin) and all(map(math.isfinite, numbers))):
        raise AdditivityError(_NOT_FINITE)
    # Python rounds as numpy does, ties to even; for one row its calls would take longer.
    start, total = round(base * 10**SCALE), round(margin * 10**SCALE)
    values = tuple((names[at], round(numbers[at] * 10**SCALE)) for at in order)
    residual = total - start - sum(value for _, value in values)
    if abs(residual) > tolerance:
        raise AdditivityError(_missed(engine, abs(residual), tolerance))
    if max(abs(start), abs(total), *(abs(value) for _, value in values)) > MAX_INTEGER:
        raise AdditivityError(_TOO_LARGE)
    return Attribution(engine, space, SCALE, start, values, residual)


def quantise_rows(
    engine: str,
    names: Sequence[str],
    *,
    base: float | NDArray[np.float64],
    phi: NDArray[np.float64],
    margins: NDArray[np.float64],
    tolerance: int,
    space: str = SPACE,
) -> Sequence[Attribution]:
    """Return :func:`quantise` of many rows; `phi` has shape (rows, names), `base` may be by row.

    Every row is rounded and held to its margin here; it becomes a value when it is taken.

    Raises:
        AdditivityError: of any row, more than `tolerance` units are left over, or a number is
            not finite.
    """
    if phi.shape != (len(margins), len(names)):
        raise SchemaError("must hold one value per feature", member="attributions.values")
    bases = np.broadcast_to(np.asarray(base, dtype=np.float64), len(margins))
    if len(margins) == 1:
        one, margin = float(bases[0]), float(margins[0])
        found = quantise(
            engine, names, base=one, phi=phi[0], margin=margin, tolerance=tolerance, space=space
        )
        return (found,)
    order = sorted(range(len(names)), key=names.__getitem__)
    parts = np.rint(phi.take(order, axis=1).astype(np.float64, copy=False) * 10**SCALE)
    starts, totals = np.rint(bases * 10**SCALE), np.rint(margins * float(10**SCALE))
    largest = max(np.abs(each).max(initial=0.0) for each in (parts, starts, totals))
    if not np.isfinite(largest):
        raise AdditivityError(_NOT_FINITE)
    if largest > MAX_INTEGER:
        raise AdditivityError(_TOO_LARGE)
    whole = parts.astype(np.int64)
    residuals = (totals - starts).astype(np.int64) - whole.sum(axis=1)
    off = int(np.abs(residuals).max(initial=0))
    if off > tolerance:
        raise AdditivityError(_missed(engine, off, tolerance))
    called = tuple(names[at] for at in order)
    return AttributionRows(engine, space, called, starts.astype(np.int64), whole, residuals)


class AttributionRows(Sequence[Attribution]):
    """Attributions of many rows, in columns; each is made when it is taken."""

    def __init__(
        self,
        engine: str,
        space: str,
        names: tuple[str, ...],
        bases: NDArray[np.int64],
        values: NDArray[np.int64],
        residuals: NDArray[np.int64],
    ) -> None:
        self._engine, self._space, self._names = engine, space, names
        self._bases, self._values, self._residuals = bases, values, residuals

    def __len__(self) -> int:
        return len(self._bases)

    @overload
    def __getitem__(self, at: int) -> Attribution: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Attribution]: ...
    def __getitem__(self, at: int | slice) -> Attribution | Sequence[Attribution]:
        if isinstance(at, slice):
            columns = self._bases[at], self._values[at], self._residuals[at]
            return AttributionRows(self._engine, self._space, self._names, *columns)
        values = tuple(zip(self._names, self._values[at].tolist(), strict=True))
        base, residual = int(self._bases[at]), int(self._residuals[at])
        return Attribution(self._engine, self._space, SCALE, base, values, residual)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _missed(engine: str, off: int, tolerance: int) -> str:
    return (
        f"{engine}: contributions miss the model's own margin by {off} units of 10^-{SCALE}, "
        f"more than {tolerance}"
    )


def float64_tolerance(features: int) -> int:
    """Return the tolerance of an engine that is exact in 64 bits, in units.

    Rounding this many values, a base and a margin to whole units may leave half a unit each;
    one more is the engine's own.
    """
    return (features + 2) // 2 + 1


def _word(value: Mapping[str, object], name: str) -> str:
    word = value[name]
    if not isinstance(word, str) or not 1 <= len(word) <= MAX_WORD:
        raise SchemaError("must be a short text", member=f"attributions.{name}")
    return word


def _units(value: object, name: str) -> int:
    if type(value) is not int or abs(value) > MAX_INTEGER:
        raise SchemaError("must be a whole number", member=f"attributions.{name}")
    return value
