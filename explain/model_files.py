"""Model files, opened safely: the digest first, then the content, the structure, the library.

A format is one row of a table: how its bytes are checked in pure Python, and what opens them
then. Files that can run code are refused by what is in them, whatever they are called
(:mod:`explain.executable_files`).
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from explain import additive, catboost_file, lightgbm_text, onnx_file, skops_file, trees
from explain.boosters import XGBoostPredictor
from explain.errors import ArtefactRefused, ModelMismatch
from explain.executable_files import refuse_code
from explain.library_versions import installed, refuse_newer
from explain.predictor import FeatureSchema, Predictor

__all__ = ["FORMATS", "ModelFile", "check_digest", "check_file", "open_file"]

MAX_ARTEFACT_BYTES = 256 * 2**20  # one model file; 3,000 deep trees take a tenth


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model's file, opened: what scores, how many columns it sees, and its parts if known.

    `parsed` is what an exact engine reads (`trees.TreeEnsemble`, `lightgbm_text.LightGBMModel`,
    `catboost_file.CatBoostModel`, `additive.AdditiveModel`), None for a model that is only asked.
    """

    predictor: Predictor
    features: int
    parsed: object = None


def open_file(
    data: bytes, expected_sha256: str, model_format: str, schema: FeatureSchema
) -> ModelFile:
    """Return the model whose file has exactly this digest.

    Raises:
        ModelMismatch: the bytes are not those that were registered, or another number of features.
        ArtefactRefused: a format that is not opened, a structure that does not hold, or a
            file written by a newer library than the one that would read it.
    """
    check_digest(data, expected_sha256, "model")
    parsed = check_file(data, model_format, schema)
    found = FORMATS[model_format].open(data, parsed, schema)
    if found.features != len(schema.features):
        raise ModelMismatch("the model and its feature list differ in number")
    return found


def check_file(data: bytes, model_format: str, schema: FeatureSchema) -> object:
    """Return the file's parts, None of a form that is not parsed here; no library reads it.

    Raises:
        ArtefactRefused: it is not to be opened, as :func:`open_file` says.
    """
    refuse_code(data, zipped=model_format in ZIPPED)
    if model_format not in FORMATS:
        raise ArtefactRefused(f"model file: the format must be one of {', '.join(FORMATS)}")
    return FORMATS[model_format].check(data, schema)


def check_digest(data: bytes, expected: str, member: str) -> None:
    """Return if the bytes have this digest.

    Raises:
        ModelMismatch: they have another.
        ArtefactRefused: there are too many of them.
    """
    if len(data) > MAX_ARTEFACT_BYTES:
        raise ArtefactRefused("file is too large", member=member)
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest(), expected):
        raise ModelMismatch("the file's digest is not the registered one", member=member)


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one format are checked, by our code alone, and then opened."""

    check: Callable[[bytes, FeatureSchema], object]
    open: Callable[[bytes, Any, FeatureSchema], ModelFile]


def _check_xgboost(data: bytes, *, binary: bool) -> trees.TreeEnsemble:
    ensemble = trees.parse(data, binary=binary)
    refuse_newer("XGBoost", ensemble.version, installed("xgboost-cpu", "xgboost"))
    return ensemble


def _open_xgboost(data: bytes, ensemble: trees.TreeEnsemble, _schema: object) -> ModelFile:
    return ModelFile(XGBoostPredictor(data), ensemble.features, ensemble)


def _open_lightgbm(_data: bytes, model: lightgbm_text.LightGBMModel, _schema: object) -> ModelFile:
    from explain.lightgbm_booster import LightGBMPredictor

    installed("lightgbm")
    return ModelFile(LightGBMPredictor(model), model.features, model)


def _open_catboost(_data: bytes, model: catboost_file.CatBoostModel, _schema: object) -> ModelFile:
    return ModelFile(catboost_file.CatBoostPredictor(model), model.features, model)


def _check_cbm(data: bytes, _schema: object) -> None:
    refuse_newer("CatBoost", catboost_file.check_binary(data), installed("catboost"))


def _open_cbm(data: bytes, _parsed: None, _schema: object) -> ModelFile:
    from explain.catboost_booster import CatBoostBooster

    predictor = CatBoostBooster(data)
    return ModelFile(predictor, predictor.features)


def _additive(kind: str) -> Format:
    def opened(_data: bytes, model: additive.AdditiveModel, _schema: object) -> ModelFile:
        return ModelFile(additive.AdditivePredictor(model), model.features, model)

    return Format(lambda data, schema: additive.parse(data, kind, schema), opened)


def _check_skops(data: bytes, _schema: object) -> None:
    refuse_newer("scikit-learn", skops_file.check(data), installed("scikit-learn"))


def _open_skops(data: bytes, _parsed: None, _schema: object) -> ModelFile:
    from explain.skops_model import SkopsPredictor

    installed("skops")
    predictor = SkopsPredictor(data)
    return ModelFile(predictor, predictor.features)


def _open_onnx(data: bytes, _parsed: None, schema: FeatureSchema) -> ModelFile:
    from explain.onnx_session import OnnxPredictor

    installed("onnxruntime")
    features = len(schema.features)
    return ModelFile(OnnxPredictor(data, features), features)


FORMATS: Final[Mapping[str, Format]] = {
    "xgboost-json": Format(lambda data, _: _check_xgboost(data, binary=False), _open_xgboost),
    "xgboost-ubj": Format(lambda data, _: _check_xgboost(data, binary=True), _open_xgboost),
    "lightgbm-text": Format(lambda data, _: lightgbm_text.parse(data), _open_lightgbm),
    "catboost-json": Format(lambda data, _: catboost_file.parse(data), _open_catboost),
    "catboost-cbm": Format(_check_cbm, _open_cbm),
    "linear-json": _additive("linear"),
    "scorecard-json": _additive("scorecard"),
    "ebm-json": _additive("ebm"),
    "skops": Format(_check_skops, _open_skops),
    "onnx": Format(lambda data, _: onnx_file.check(data), _open_onnx),
}
ZIPPED: Final = frozenset({"skops"})
