"""A fitted model as its calls are read: what each row was, came to, and why.

For `ledger.client.watch`, in the process that predicts, at the moment it does. Contributions
are computed on the very rows of the call and held to the model's own margin one by one; a
margin is held to what the caller got. What does not stand is not turned into numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.attribution import XGBOOST_TOLERANCE, quantise, to_units
from explain.errors import AdditivityError, ModelMismatch, SchemaError
from explain.lineage import lineage
from explain.live_models import LOG_ODDS, RESPONSE, LiveModel, live_model
from explain.live_reference import ENGINE, against
from explain.predictor import Feature, FeatureSchema, decode

__all__ = ["Seen", "WatchedPredictor", "watched"]

NEAR: Final = 1e-5  # between a margin's probability and a float32 one
TIE: Final = 1e-6  # of a margin and the limit between two labels: rounding decides the label
ADDITIVITY: Final = "additivity"
ENGINE_FAILED: Final = "engine_failed"

Scalar = None | bool | int | float | str
_Told = tuple[Mapping[str, Any] | None, str | None]  # contributions, or why there are none


@dataclass(frozen=True, slots=True)
class Seen:
    """One row of a call: a prediction, as `ledger.client.predictions` wants one."""

    input: Mapping[str, Scalar]
    margin: int
    space: str
    attributions: Mapping[str, Any] | None
    unexplained: str | None


class WatchedPredictor:
    """A fitted model and how its calls are read. Made by :func:`watched`."""

    def __init__(
        self,
        model: Any,
        live: LiveModel,
        transform: Any,
        origin: Sequence[int],
        names: tuple[str, ...],
        schema: FeatureSchema | None,
        tolerance: int,
        *,
        attribute: bool,
    ) -> None:
        self._model = model
        self._live = live
        self._transform = transform
        self._origin = np.asarray(origin, dtype=np.intp)
        self._names = names
        self._schema = schema
        self._tolerance = tolerance
        self._attribute = attribute

    @property
    def model(self) -> Any:
        """The model itself."""
        return self._model

    @property
    def engine(self) -> str:
        """What takes its output apart; the manifest's `explainer.engine`."""
        return self._live.engine

    @property
    def space(self) -> str:
        """In which margins lie; the manifest's `output.space`."""
        return self._live.space

    @property
    def names(self) -> tuple[str, ...]:
        """The raw features, in the order of the columns."""
        return self._names

    def predictions(self, rows: Any, result: Any) -> tuple[Seen, ...]:
        """Return what each row of a call was and came to.

        Raises:
            SchemaError: the rows are not of this model's features.
            ModelMismatch: the result does not belong to the model's margins.
        """
        rows = _opened(rows)
        inputs = self._inputs(rows)
        inside = rows if self._transform is None else _dense(self._transform(rows))
        margins = self._live.margins(inside)
        if not _belongs(result, margins, self._live):
            raise ModelMismatch("what was predicted is not what this model's margins say")
        told: list[_Told] = [(None, None)] * len(inputs)
        if self._attribute:
            told = self._attributions(inside, margins)
        return tuple(
            Seen(each, to_units(margin), self._live.space, *why)
            for each, margin, why in zip(inputs, margins.tolist(), told, strict=True)
        )

    def _attributions(self, rows: Any, margins: NDArray[np.float64]) -> list[_Told]:
        try:
            bases, columns = self._live.parts(rows)
            phi = np.zeros((len(margins), len(self._names)))
            np.add.at(phi.T, self._origin, columns.T)
        except Exception:  # noqa: BLE001  # a library's failure costs the reasons, not the record
            return [(None, ENGINE_FAILED)] * len(margins)
        return [
            self._attribution(float(base), each, float(margin))
            for base, each, margin in zip(bases, phi, margins, strict=True)
        ]

    def _attribution(self, base: float, phi: NDArray[np.float64], margin: float) -> _Told:
        try:
            attribution = quantise(
                self._live.engine, self._names, base=base, phi=phi, margin=margin,
                tolerance=self._tolerance, space=self._live.space,
            )  # fmt: skip
        except AdditivityError:
            return None, ADDITIVITY
        return attribution.to_json(), None

    def _inputs(self, rows: Any) -> list[dict[str, Scalar]]:
        if hasattr(rows, "columns"):
            if _joined(rows.columns) != _joined(self._names):
                raise SchemaError("the columns are not the model's features", member="input")
            columns = [rows[name].tolist() for name in rows.columns]
            return [self._input(record) for record in zip(*columns, strict=True)]
        # A list holds its values as they are; an array of them might not.
        records = rows.tolist() if hasattr(rows, "tolist") else rows
        return [self._input(record) for record in records]

    def _input(self, record: Sequence[Any]) -> dict[str, Scalar]:
        if len(record) != len(self._names):
            raise SchemaError("not one value for each feature", member="input")
        values = dict(zip(self._names, map(_scalar, record), strict=True))
        if self._schema is not None:
            for feature in self._schema.features:
                values[feature.name] = _spelt(feature, values[feature.name])
        return values


def watched(
    model: Any,
    *,
    names: Sequence[str] | None = None,
    manifest: Mapping[str, Any] | None = None,
    background: Any = None,
    attribute: bool = True,
) -> WatchedPredictor:
    """Return a fitted model as its calls are read.

    Args:
        model: an XGBoost, LightGBM, CatBoost or scikit-learn model with one output, or a
            scikit-learn pipeline around one whose steps mix no features.
        names: its features in the order of the columns, if it was not fitted with names.
        manifest: of the registered version; the model has to be of its features and engine,
            and its booleans and categories are then written as such.
        background: the reference group's rows. Needed where the manifest's engine is
            `leaf-tables`; of linear models contributions count from its mean, and without it
            from zero in every column of the estimator.
        attribute: False leaves the contributions to the ledger.

    Raises:
        ModelUnsupported: a model that is not taken apart exactly, with what to do.
        SchemaError: no names, or not those of the model or the manifest.
    """
    final, transform = _split(model)
    group = None
    if background is not None:
        group = _dense(background if transform is None else transform(background))
    live = _live(final, group, _engine(manifest), attribute=attribute)
    schema = None if manifest is None else FeatureSchema.from_manifest(manifest)
    known = live.names if transform is None else tuple(getattr(model, "feature_names_in_", ()))
    called = _names(names, schema, tuple(map(str, known)))
    origin: tuple[int, ...] = tuple(range(len(called)))
    if transform is not None:
        origin = lineage(model[:-1], origin, called)
    if len(origin) != live.columns:
        raise SchemaError("not one name for each column of the model", member="features")
    tolerance = XGBOOST_TOLERANCE
    if manifest is not None:
        tolerance = _fitting(manifest, live)
    return WatchedPredictor(
        model, live, transform, origin, called, schema, tolerance, attribute=attribute
    )


def _engine(manifest: Mapping[str, Any] | None) -> object:
    explainer = (manifest or {}).get("explainer")
    return explainer.get("engine") if isinstance(explainer, Mapping) else None


def _live(model: Any, group: Any, engine: object, *, attribute: bool) -> LiveModel:
    """Return the model, taken apart against a group where its registered version is."""
    if engine != ENGINE:
        start = None if group is None else np.asarray(group, dtype=np.float64).mean(axis=0)
        return live_model(model, start, attribute=attribute)
    if not attribute:
        return replace(live_model(model, None, attribute=False), engine=ENGINE)
    if group is None:
        raise SchemaError(f"{ENGINE} compares with a group: give its rows", member="background")
    return against(live_model(model, None, attribute=False), model, group)


def _split(model: Any) -> tuple[Any, Any]:
    """Return the estimator at the end, and what its rows go through before."""
    if type(model).__name__ != "Pipeline" or not type(model).__module__.startswith("sklearn."):
        return model, None
    if len(model.steps) == 1:
        return model.steps[0][1], None
    return model.steps[-1][1], model[:-1].transform


def _names(
    given: Sequence[str] | None, schema: FeatureSchema | None, known: tuple[str, ...]
) -> tuple[str, ...]:
    said = [tuple(each) for each in (given, schema and schema.names, known) if each]
    if not said:
        raise SchemaError("the model knows no names of its features: give them", member="features")
    if len(set(map(_joined, said))) != 1:
        raise SchemaError("the model's features have other names", member="features")
    return said[0]


def _joined(names: Iterable[Any]) -> tuple[str, ...]:
    """Return names as LightGBM keeps them, without blanks."""
    return tuple(str(name).replace(" ", "_") for name in names)


def _fitting(manifest: Mapping[str, Any], live: LiveModel) -> int:
    """Return the manifest's tolerance, if it describes this kind of model."""
    explainer, output = manifest.get("explainer", {}), manifest.get("output", {})
    if explainer.get("engine") != live.engine:
        raise SchemaError(f"this model's engine is {live.engine}", member="explainer.engine")
    if output.get("space") != live.space:
        raise SchemaError(f"this model's space is {live.space}", member="output.space")
    tolerance = explainer.get("tolerance", 0)
    if type(tolerance) is not int or not 0 <= tolerance <= XGBOOST_TOLERANCE:
        raise SchemaError(
            f"must be a whole number up to {XGBOOST_TOLERANCE}", member="explainer.tolerance"
        )
    return tolerance


def _opened(rows: Any) -> Any:
    """Return the rows of XGBoost's own matrix as an array; others as they are."""
    if type(rows).__name__ not in ("DMatrix", "QuantileDMatrix"):
        return rows
    held = rows.get_data().tocoo()
    opened = np.full(held.shape, np.nan, dtype=np.float32)
    opened[held.row, held.col] = held.data
    return opened


def _dense(rows: Any) -> Any:
    return rows.toarray() if hasattr(rows, "toarray") else rows


def _scalar(value: Any) -> Scalar:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return None if np.isnan(value) else value
    if isinstance(value, np.generic):
        return _scalar(value.item())
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise SchemaError("neither null, boolean, number nor text", member="input")


def _spelt(feature: Feature, value: Scalar) -> Scalar:
    """Return the code of a boolean or a category as what it stands for."""
    coded = isinstance(value, int | float) and not isinstance(value, bool)
    if not coded or feature.type not in ("boolean", "category"):
        return value
    known = range(2 if feature.type == "boolean" else len(feature.categories))
    if value not in known:
        raise SchemaError("not a code of this feature", member=f"input.{feature.name}")
    return decode(feature, float(value or 0))


def _belongs(result: Any, margins: NDArray[np.float64], live: LiveModel) -> bool:
    """Say whether a result is these margins, their probabilities, or their labels."""
    if not np.isfinite(margins).all():
        return False
    got = np.asarray(result)
    if got.shape == (len(margins), 2):
        got = got[:, 1]
    if got.size != len(margins):
        return False
    got = got.reshape(len(margins))
    if got.dtype.kind in "fiu":
        forms = [margins]
        if live.space == LOG_ODDS:
            with np.errstate(over="ignore"):  # far below zero it is 0, and meant so
                forms.append(1 / (1 + np.exp(-margins)))
        # Not numpy's allclose: of one row, it takes longer than the prediction.
        if any((np.abs(got - form) <= NEAR + NEAR * np.abs(form)).all() for form in forms):
            return True
    if live.space == RESPONSE or not live.classes:
        return False
    limit = 0.0 if live.space == LOG_ODDS else 0.5
    labels = [live.classes[int(margin > limit)] for margin in margins]
    clear = np.abs(margins - limit) > TIE
    return all(a == b for a, b, sure in zip(got.tolist(), labels, clear, strict=True) if sure)
