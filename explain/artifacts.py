"""A registered model version, opened: its file, its reference group, its engine, its golden rows.

Never opened: pickle, joblib and whatever else can run code on the way in
(:mod:`explain.executable_files`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from explain.attribution import XGBOOST_TOLERANCE, Attribution, Attributor, to_units
from explain.engines import attributor_for
from explain.errors import (
    ExplainError,
    ModelUnsupported,
    NotReproduced,
    SchemaError,
)
from explain.model import Model
from explain.model_files import ModelFile, check_digest, open_file
from explain.predictor import FeatureSchema, Predictor, Rows
from explain.replay import replay

__all__ = [
    "SCORING_ONLY",
    "Description",
    "Unattributed",
    "describe",
    "load_model",
    "open_model",
    "read_background",
]

SCORING_ONLY = "none"
"""The engine of a model that is asked for scores and never taken apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """What a manifest and its reference group say of a model, without opening the model's file."""

    schema: FeatureSchema
    background: Rows
    tolerance: int


class Unattributed:
    """In the place of an engine, for a model that was registered for scoring only."""

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        """Say that there are none.

        Raises:
            ModelUnsupported: always.
        """
        del rows
        raise ModelUnsupported("this model version was registered for scoring only")


def load_model(
    data: bytes, expected_sha256: str, model_format: str, schema: FeatureSchema
) -> Predictor:
    """Return the model whose file has exactly this digest, to ask it for scores.

    Raises:
        ModelMismatch: the bytes are not those that were registered.
        ArtefactRefused: a format that is not opened, a structure that does not hold, or a
            file written by a newer library than the one that would read it.
    """
    return open_file(data, expected_sha256, model_format, schema).predictor


def read_background(data: bytes, expected_sha256: str, schema: FeatureSchema) -> Rows:
    """Return the reference group from `json-rows`: a JSON list of objects like `input`.

    Raises:
        ModelMismatch: the bytes are not those that were registered.
        SchemaError: a row does not fit the model's features.
    """
    check_digest(data, expected_sha256, "background")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SchemaError("must be a JSON list of rows", member="background") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SchemaError("must be a JSON list of rows", member="background")
    return np.stack([schema.row(row) for row in rows])


def open_model(manifest: Mapping[str, object], artefacts: Mapping[str, bytes]) -> Model:
    """Return the model that a manifest describes, after it reproduced its golden rows.

    `artefacts` holds the bytes of `model` and `background`, by their names in the manifest; a
    model for scoring only needs no background.

    Raises:
        ModelMismatch: a digest differs.
        NotReproduced: a golden row comes out otherwise.
        ArtefactRefused, SchemaError: as the parts say.
    """
    told = describe(manifest, artefacts)
    schema, explainer = told.schema, _object(manifest, "explainer")
    data, entry = _artefact(manifest, artefacts, "model")
    found = open_file(data, _text(entry, "sha256"), _text(entry, "format"), schema)
    _check_space(manifest, found.predictor)
    attributor = _attributor(explainer, found, told.background, schema.names)
    model = Model(schema, found.predictor, attributor, told.background, told.tolerance)
    _check_golden_rows(model, manifest, _text(explainer, "engine"))
    return model


def describe(manifest: Mapping[str, object], artefacts: Mapping[str, bytes]) -> Description:
    """Return what the manifest says of the model; of its files only the background is read.

    Raises:
        ModelMismatch: the background's digest differs.
        SchemaError: a part of the manifest or of the background is not in the form.
    """
    schema, explainer = FeatureSchema.from_manifest(manifest), _object(manifest, "explainer")
    background = _background(manifest, artefacts, schema, explainer)
    return Description(schema, background, _tolerance(explainer))


def _background(
    manifest: Mapping[str, object],
    artefacts: Mapping[str, bytes],
    schema: FeatureSchema,
    explainer: Mapping[str, object],
) -> Rows:
    listed = manifest.get("artefacts")
    absent = not isinstance(listed, Mapping) or "background" not in listed
    if absent and explainer.get("engine") == SCORING_ONLY:
        return np.empty((0, len(schema.features)), np.float64 if schema.double else np.float32)
    data, entry = _artefact(manifest, artefacts, "background")
    return read_background(data, _text(entry, "sha256"), schema)


def _check_space(manifest: Mapping[str, object], predictor: Predictor) -> None:
    """A margin that is read in another space than it lies in is another decision."""
    output = manifest.get("output")
    stated = output.get("space") if isinstance(output, Mapping) else None
    if stated is not None and stated != predictor.space:
        raise SchemaError(f"the model's margins are in {predictor.space}", member="output.space")


def _attributor(
    explainer: Mapping[str, object], found: ModelFile, background: Rows, names: tuple[str, ...]
) -> Attributor:
    """The engine that the manifest names, for this file (:mod:`explain.engines`)."""
    engine, tolerance = _text(explainer, "engine"), _tolerance(explainer)
    if engine == SCORING_ONLY:
        return Unattributed()
    parameters = explainer.get("parameters")
    return attributor_for(
        engine,
        found.predictor,
        background,
        names,
        parsed=found.parsed,
        tolerance=tolerance,
        parameters=parameters if isinstance(parameters, Mapping) else {},
    )


def _check_golden_rows(model: Model, manifest: Mapping[str, object], engine: str) -> None:
    golden = manifest.get("golden_rows", [])
    if not isinstance(golden, list | tuple):
        raise SchemaError("must be a list", member="golden_rows")
    for at, entry in enumerate(golden):
        member = f"golden_rows[{at}]"
        row = model.schema.row(_object(entry, "input", member))
        margin = entry.get("margin")
        if type(margin) is not int:
            raise SchemaError("must be a whole number", member=f"{member}.margin")
        if engine == SCORING_ONLY and "values" not in entry:
            now = to_units(float(model.predictor.margin(row[None, :])[0]))
            why = f"margin off by {abs(now - margin)} units of 10^-6"
            if abs(now - margin) > model.tolerance:
                raise NotReproduced(f"golden row {at}: drifted, {why}", member=member)
            continue
        _check_golden_row(model, entry, row, engine, at)


def _check_golden_row(
    model: Model, entry: Mapping[str, Any], row: Any, engine: str, at: int
) -> None:
    member = f"golden_rows[{at}]"
    values, margin = _object(entry, "values", member), entry["margin"]
    # The base is left to the residual: what is compared is the margin and each value.
    recorded = Attribution.from_json(
        {"engine": engine, "space": model.predictor.space, "scale": 6, "residual": 0}
        | {"base": margin - sum(_whole_numbers(values, member)), "values": dict(values)}
    )
    outcome = replay(model.predictor, model.attributor, row, recorded, tolerance=model.tolerance)
    if outcome.verdict != "reproduced":
        raise NotReproduced(f"golden row {at}: {outcome.verdict}, {outcome.why}", member=member)


def _whole_numbers(values: Mapping[str, object], member: str) -> list[int]:
    if not all(type(value) is int for value in values.values()):
        raise SchemaError("must be whole numbers", member=f"{member}.values")
    return cast("list[int]", list(values.values()))


def _artefact(
    manifest: Mapping[str, object], artefacts: Mapping[str, bytes], name: str
) -> tuple[bytes, Mapping[str, object]]:
    entry = _object(_object(manifest, "artefacts"), name, "artefacts")
    if name not in artefacts:
        raise ExplainError("the file is not here", member=f"artefacts.{name}")
    return artefacts[name], entry


def _object(value: object, name: str, member: str = "") -> Mapping[str, object]:
    part = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(part, Mapping):
        raise SchemaError("must be an object", member=f"{member}.{name}".lstrip("."))
    return part


def _text(value: Mapping[str, object], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise SchemaError("must be text", member=name)
    return text


def _tolerance(explainer: Mapping[str, object]) -> int:
    tolerance = explainer.get("tolerance", XGBOOST_TOLERANCE)
    if type(tolerance) is not int or not 0 <= tolerance <= XGBOOST_TOLERANCE:
        raise SchemaError(
            f"must be a whole number up to {XGBOOST_TOLERANCE}", member="explainer.tolerance"
        )
    return tolerance
