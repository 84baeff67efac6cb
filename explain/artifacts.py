"""Model files, opened safely: the digest first, then the structure, then the library.

Never opened: pickle, joblib and anything zipped, which can run code on the way in and do
not survive the next version of the library that wrote them.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import cast

import numpy as np

from explain import trees
from explain.attribution import XGBOOST_TOLERANCE, Attribution, Attributor
from explain.boosters import BoosterContributions, XGBoostPredictor, library_version
from explain.errors import ArtefactRefused, ExplainError, ModelMismatch, SchemaError
from explain.leaf_tables import LeafTables
from explain.model import Model
from explain.predictor import FeatureSchema, Rows
from explain.replay import replay
from explain.shapley import ShapTrees
from explain.trees import TreeEnsemble

__all__ = ["load_ensemble", "load_model", "open_model", "read_background"]

MAX_ARTEFACT_BYTES = 256 * 2**20  # one model file; 3,000 deep trees take a tenth
FORMATS = {"xgboost-json": False, "xgboost-ubj": True}  # name: whether it is binary

# First bytes of files that run code, or hide what they hold, when they are opened.
_REFUSED_STARTS = (
    (b"\x80", "a pickle"),
    (b"PK", "a zip archive"),
    (b"\x1f\x8b", "a compressed pickle"),
    (b"x\x9c", "a compressed pickle"),
    (b"x\x01", "a compressed pickle"),
    (b"x\xda", "a compressed pickle"),
    (b"x^", "a compressed pickle"),
    (b"BZh", "a compressed pickle"),
    (b"\xfd7zXZ", "a compressed pickle"),
    (b"\x04\x22\x4d\x18", "a compressed pickle"),
    (b"\x89HDF", "an HDF5 file"),
)


def load_model(data: bytes, expected_sha256: str, model_format: str) -> XGBoostPredictor:
    """Return the model whose file has exactly this digest.

    Raises:
        ModelMismatch: the bytes are not those that were registered.
        ArtefactRefused: a format that is not opened, a structure that does not hold, or a
            file written by a newer library than the one that would read it.
    """
    load_ensemble(data, expected_sha256, model_format)
    return XGBoostPredictor(data)


def load_ensemble(data: bytes, expected_sha256: str, model_format: str) -> TreeEnsemble:
    """Return the trees of the file with this digest, checked. Raises as :func:`load_model`."""
    _check_digest(data, expected_sha256, "model")
    for start, name in _REFUSED_STARTS:
        if data.startswith(start):
            raise ArtefactRefused(
                f"model file: {name} can run code when it is opened; save the model in its own "
                "format instead, for XGBoost booster.save_model('model.json')"
            )
    if model_format not in FORMATS:
        raise ArtefactRefused(f"model file: the format must be one of {', '.join(FORMATS)}")
    ensemble = trees.parse(data, binary=FORMATS[model_format])
    reader = library_version()
    # An older reader misreads base_score without an error: every score would be wrong.
    if ensemble.version > reader:
        raise ArtefactRefused(
            f"model file: written by XGBoost {_dotted(ensemble.version)}, newer than the "
            f"{_dotted(reader)} that would read it; update the reader"
        )
    return ensemble


def read_background(data: bytes, expected_sha256: str, schema: FeatureSchema) -> Rows:
    """Return the reference group from `json-rows`: a JSON list of objects like `input`.

    Raises:
        ModelMismatch: the bytes are not those that were registered.
        SchemaError: a row does not fit the model's features.
    """
    _check_digest(data, expected_sha256, "background")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SchemaError("must be a JSON list of rows", member="background") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SchemaError("must be a JSON list of rows", member="background")
    return np.stack([schema.row(row) for row in rows])


def open_model(manifest: Mapping[str, object], artefacts: Mapping[str, bytes]) -> Model:
    """Return the model that a manifest describes, after it reproduced its golden rows.

    `artefacts` holds the bytes of `model` and `background`, by their names in the manifest.

    Raises:
        ModelMismatch: a digest differs, or a golden row comes out otherwise.
        ArtefactRefused, SchemaError: as the parts say.
    """
    schema = FeatureSchema.from_manifest(manifest)
    model_data, model_entry = _artefact(manifest, artefacts, "model")
    background_data, background_entry = _artefact(manifest, artefacts, "background")
    ensemble = load_ensemble(model_data, _text(model_entry, "sha256"), _text(model_entry, "format"))
    if ensemble.features != len(schema.features):
        raise ModelMismatch("the model and its feature list differ in number")
    background = read_background(background_data, _text(background_entry, "sha256"), schema)
    predictor = XGBoostPredictor(model_data)
    explainer = _object(manifest, "explainer")
    attributor = _attributor(explainer, ensemble, predictor, background, schema.names)
    model = Model(schema, predictor, attributor, background, _tolerance(explainer))
    _check_golden_rows(model, manifest, _text(explainer, "engine"))
    return model


def _attributor(
    explainer: Mapping[str, object],
    ensemble: TreeEnsemble,
    predictor: XGBoostPredictor,
    background: Rows,
    names: tuple[str, ...],
) -> Attributor:
    tolerance = _tolerance(explainer)
    match _text(explainer, "engine"):
        case "leaf-tables":
            return LeafTables(ensemble, background, predictor, names, tolerance)
        case "shap-interventional":
            return ShapTrees(predictor, background, names, tolerance)
        case "shap-path-dependent":
            return ShapTrees(predictor, None, names, tolerance)
        case "xgboost-contributions":
            return BoosterContributions(predictor, names, tolerance)
    raise SchemaError("no such engine", member="explainer.engine")


def _check_golden_rows(model: Model, manifest: Mapping[str, object], engine: str) -> None:
    golden = manifest.get("golden_rows", [])
    if not isinstance(golden, list | tuple):
        raise SchemaError("must be a list", member="golden_rows")
    for at, entry in enumerate(golden):
        member = f"golden_rows[{at}]"
        values = _object(entry, "values", member)
        row = model.schema.row(_object(entry, "input", member))
        margin = entry["margin"] if isinstance(entry, Mapping) and "margin" in entry else None
        if type(margin) is not int:
            raise SchemaError("must be a whole number", member=f"{member}.margin")
        # The base is left to the residual: what is compared is the margin and each value.
        recorded = Attribution.from_json(
            {"engine": engine, "space": "log-odds", "scale": 6, "residual": 0}
            | {"base": margin - sum(_whole_numbers(values, member)), "values": dict(values)}
        )
        outcome = replay(
            model.predictor, model.attributor, row, recorded, tolerance=model.tolerance
        )
        if outcome.verdict != "reproduced":
            raise ModelMismatch(f"golden row {at}: {outcome.verdict}, {outcome.why}", member=member)


def _whole_numbers(values: Mapping[str, object], member: str) -> list[int]:
    if not all(type(value) is int for value in values.values()):
        raise SchemaError("must be whole numbers", member=f"{member}.values")
    return cast("list[int]", list(values.values()))


def _check_digest(data: bytes, expected: str, member: str) -> None:
    if len(data) > MAX_ARTEFACT_BYTES:
        raise ArtefactRefused("file is too large", member=member)
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest(), expected):
        raise ModelMismatch("the file's digest is not the registered one", member=member)


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


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in version)
