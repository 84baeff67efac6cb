"""Model files, opened safely: the digest first, then the content, the structure, the library.

A format is one row of a table: how its bytes are checked in pure Python, and what opens them
then. Files that can run code are refused by what is in them, whatever they are called
(:mod:`explain.executable_files`).
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from explain import additive, lightgbm_text, trees
from explain.boosters import XGBoostPredictor, library_version
from explain.errors import ArtefactRefused, ModelMismatch
from explain.executable_files import refuse_code
from explain.predictor import FeatureSchema, Predictor

__all__ = ["FORMATS", "ModelFile", "check_digest", "open_file"]

MAX_ARTEFACT_BYTES = 256 * 2**20  # one model file; 3,000 deep trees take a tenth


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model's file, opened: what scores, how many columns it sees, and its parts if known.

    `parsed` is what an exact engine reads (`trees.TreeEnsemble`, `lightgbm_text.LightGBMModel`,
    `additive.AdditiveModel`), None for a model that is only asked.
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
    refuse_code(data, zipped=model_format in ZIPPED)
    if model_format not in FORMATS:
        raise ArtefactRefused(f"model file: the format must be one of {', '.join(FORMATS)}")
    found = FORMATS[model_format](data, schema)
    if found.features != len(schema.features):
        raise ModelMismatch("the model and its feature list differ in number")
    return found


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


def _xgboost(data: bytes, *, binary: bool) -> ModelFile:
    ensemble = trees.parse(data, binary=binary)
    # An older reader misreads base_score without an error: every score would be wrong.
    refuse_newer("XGBoost", ensemble.version, library_version())
    return ModelFile(XGBoostPredictor(data), ensemble.features, ensemble)


def _lightgbm(data: bytes) -> ModelFile:
    from explain.lightgbm_booster import LightGBMPredictor

    model = lightgbm_text.parse(data)
    return ModelFile(LightGBMPredictor(model), model.features, model)


def _additive(data: bytes, kind: str, schema: FeatureSchema) -> ModelFile:
    model = additive.parse(data, kind, schema)
    return ModelFile(additive.AdditivePredictor(model), model.features, model)


def refuse_newer(library: str, written: tuple[int, ...], reader: tuple[int, ...]) -> None:
    """Return if a file's writer is not newer than the library that would read it.

    Raises:
        ArtefactRefused: it is.
    """
    if written > reader:
        raise ArtefactRefused(
            f"model file: written by {library} {_dotted(written)}, newer than the "
            f"{_dotted(reader)} that would read it; update the reader"
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


FORMATS: Final[Mapping[str, Callable[[bytes, FeatureSchema], ModelFile]]] = {
    "xgboost-json": lambda data, _: _xgboost(data, binary=False),
    "xgboost-ubj": lambda data, _: _xgboost(data, binary=True),
    "lightgbm-text": lambda data, _: _lightgbm(data),
    "linear-json": lambda data, schema: _additive(data, "linear", schema),
    "scorecard-json": lambda data, schema: _additive(data, "scorecard", schema),
    "ebm-json": lambda data, schema: _additive(data, "ebm", schema),
}
ZIPPED: Final = frozenset({"skops"})
