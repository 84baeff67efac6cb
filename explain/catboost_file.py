"""CatBoost's files: its JSON parsed and scored here, its binary form looked at from outside.

The JSON form of a model on numbers is a list of symmetric trees: each level asks one question
of the whole row, and the answers are the bits of a leaf's number. That is scored here in a few
lines, so no library reads the file. The binary form (`.cbm`) goes to the library, in a process
of its own; the version that wrote it is read first.

Form: https://catboost.ai/docs/en/concepts/python-reference_catboost_save_model
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused
from explain.library_versions import Version, parsed
from explain.predictor import Rows

__all__ = ["SPACES", "CatBoostModel", "CatBoostPredictor", "check_binary", "parse"]

MAX_TREES: Final = 10_000
MAX_LEAVES: Final = 1_000_000  # of all trees together
MAX_DEPTH: Final = 16  # CatBoost's own limit
MAX_NUMBER: Final = float(np.finfo(np.float32).max)  # a border below every value is just that

SPACES: Final = {
    "Logloss": "log-odds",
    "CrossEntropy": "log-odds",
    "RMSE": "response",
    "MAE": "response",
    "Quantile": "response",
}
"""By loss: where a raw value lies. Those of others are behind a link that nothing here knows."""

_MISSING: Final = {"AsIs": False, "AsFalse": False, "AsTrue": True}
_RELEASE: Final = re.compile(rb"Branch: tags/v(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)\b")
_MAGIC: Final = b"CBM1"


@dataclass(frozen=True, slots=True, eq=False)
class SymmetricTree:
    """One tree. A row's leaf has, in bit i, whether its value at `features[i]` is above the border.

    `missing` is the answer for a missing value, by level.
    """

    features: NDArray[np.intp]
    borders: NDArray[np.float32]
    missing: NDArray[np.bool_]
    leaves: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CatBoostModel:
    """A whole model: its margin is `bias` and `scale` times the sum of one leaf of every tree."""

    features: int
    space: str
    scale: float
    bias: float
    trees: tuple[SymmetricTree, ...]
    version: Version


class CatBoostPredictor:
    """A parsed model that is asked for margins."""

    def __init__(self, model: CatBoostModel) -> None:
        self.model = model
        self.space = model.space

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the raw value per row, shape (rows,)."""
        single = np.asarray(rows, dtype=np.float32)
        total = np.zeros(len(single))
        for tree in self.model.trees:  # one after another: the same bits in any batch
            values = single[:, tree.features]
            above = np.where(np.isnan(values), tree.missing, values > tree.borders)
            leaf = above @ (1 << np.arange(len(tree.features), dtype=np.int64))
            total += tree.leaves[leaf]
        return np.asarray(total * self.model.scale + self.model.bias, dtype=np.float64)


def parse(data: bytes) -> CatBoostModel:
    """Return the model saved as JSON.

    Raises:
        ArtefactRefused: not such a model, or its structure does not hold.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtefactRefused("model file: not JSON") from error
    about, known = _member(document, "model_info", dict), _member(document, "features_info", dict)
    if set(known) - {"float_features"}:
        raise ArtefactRefused(
            "model file: features that CatBoost encodes itself are not scored from JSON; "
            "register the .cbm file"
        )
    columns = _member(known, "float_features", list)
    missing = tuple(_missing(one, at) for at, one in enumerate(columns))
    if "oblivious_trees" not in document:
        raise ArtefactRefused("model file: only symmetric trees are scored from JSON")
    entries = _member(document, "oblivious_trees", list)
    if not 1 <= len(entries) <= MAX_TREES:
        raise ArtefactRefused("model file: no trees, or too many")
    trees = tuple(_tree(entry, missing) for entry in entries)
    if sum(len(tree.leaves) for tree in trees) > MAX_LEAVES:
        raise ArtefactRefused("model file: too many leaves")
    scale, bias = _scale_and_bias(document)
    version = parsed_release(str(about.get("catboost_version_info", "")).encode())
    return CatBoostModel(len(columns), _space(about), scale, bias, trees, version)


def check_binary(data: bytes) -> Version:
    """Return the version of CatBoost that wrote a `.cbm` file.

    Raises:
        ArtefactRefused: it is no such file, or does not say.
    """
    if not data.startswith(_MAGIC) or int.from_bytes(data[4:8], "little") > len(data) - 8:
        raise ArtefactRefused("model file: not as CatBoost writes it")
    return parsed_release(data)


def parsed_release(text: bytes) -> Version:
    """Return the release that a file says it was written by.

    Raises:
        ArtefactRefused: it says none, or two.
    """
    found = set(_RELEASE.findall(text))
    if len(found) != 1:
        raise ArtefactRefused("model file: no release of CatBoost that wrote it")
    return parsed(found.pop().decode("ascii"))


def _space(about: Mapping[str, Any]) -> str:
    loss = about.get("params")
    for name in ("loss_function", "type"):
        loss = loss.get(name) if isinstance(loss, Mapping) else None
    if not isinstance(loss, str) or loss not in SPACES:
        raise ArtefactRefused(f"model file: its loss is not one of {', '.join(SPACES)}")
    return SPACES[loss]


def _missing(column: object, at: int) -> bool:
    if not isinstance(column, Mapping) or column.get("flat_feature_index") != at:
        raise ArtefactRefused("model file: its features are not in the order of its columns")
    treated = column.get("nan_value_treatment")
    if not isinstance(treated, str) or treated not in _MISSING:
        raise ArtefactRefused("model file: it does not say where a missing value goes")
    return _MISSING[treated]


def _tree(entry: object, missing: Sequence[bool]) -> SymmetricTree:
    splits, leaves = _member(entry, "splits", list), _member(entry, "leaf_values", list)
    if len(splits) > MAX_DEPTH or len(leaves) != 2 ** len(splits):
        raise ArtefactRefused("model file: a tree has not as many leaves as its levels give")
    features, borders = [], []
    for split in splits:
        if _member(split, "split_type", str) != "FloatFeature":
            raise ArtefactRefused("model file: a kind of split that is not scored from JSON")
        feature = _member(split, "float_feature_index", int)
        if not 0 <= feature < len(missing):
            raise ArtefactRefused("model file: a split on a feature that does not exist")
        features.append(feature)
        borders.append(_number(split.get("border")))
    return SymmetricTree(
        np.array(features, dtype=np.intp),
        np.array(borders, dtype=np.float32),
        np.array([missing[feature] for feature in features], dtype=np.bool_),
        np.array([_number(leaf) for leaf in leaves], dtype=np.float64),
    )


def _scale_and_bias(document: object) -> tuple[float, float]:
    pair = _member(document, "scale_and_bias", list)
    bias = pair[1] if len(pair) == 2 else None  # noqa: PLR2004
    if not isinstance(bias, list) or len(bias) != 1:
        raise ArtefactRefused("model file: more than one output per row")
    return _number(pair[0]), _number(bias[0])


def _member(value: object, name: str, kind: type) -> Any:
    member = value.get(name) if isinstance(value, Mapping) else None
    if type(member) is not kind:
        raise ArtefactRefused(f"model file: no member {name!r} as CatBoost writes it")
    return member


def _number(value: object) -> float:
    # Compared before it is converted: a huge integer has no float, and NaN fails.
    if type(value) not in {int, float} or not -MAX_NUMBER <= value <= MAX_NUMBER:  # type: ignore[operator] # checked
        raise ArtefactRefused("model file: a number that is none, or not of a usual size")
    return float(value)  # type: ignore[arg-type] # checked
