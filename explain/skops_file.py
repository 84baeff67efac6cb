"""skops files, looked at before the library sees them: what they build is on a fixed list.

A skops file is a zip of plain arrays and a `schema.json` that says which class to build from
which. Here the classes and the ways to build them are a list that no file and no setting can
add to; functions, methods and partial applications are not on it.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, Final

from explain.errors import ArtefactRefused
from explain.library_versions import Version, parsed

__all__ = ["TRUSTED", "check"]

MAX_SCHEMA_BYTES: Final = 64 * 2**20  # a forest of a thousand trees takes some 10 MB
MAX_PROTOCOL: Final = 2
MAX_DEPTH: Final = 100  # of parts in parts

_LOADERS: Final = frozenset(
    {
        *("DictNode", "ListNode", "TupleNode", "JsonNode", "TypeNode", "ObjectNode", "TreeNode"),
        *("NdArrayNode", "DTypeNode", "LossNode", "RandomStateNode", "RandomGeneratorNode"),
        *("BunchNode", "SliceNode"),
    }
)
_ENSEMBLE: Final = "sklearn.ensemble._hist_gradient_boosting"
_CLASSES: Final = {
    "builtins": ("bool", "dict", "float", "int", "list", "NoneType", "slice", "str", "tuple"),
    "numpy": ("bool", "bool_", "dtype", "float32", "float64", "int32", "int64", "ndarray",
              "uint8", "uint32", "uint64"),
    "numpy.random._generator": ("Generator",),
    "numpy.random.mtrand": ("RandomState",),
    "sklearn._loss._loss": ("CyAbsoluteError", "CyHalfBinomialLoss", "CyHalfSquaredError"),
    "sklearn._loss.link": ("IdentityLink", "Interval", "LogitLink"),
    "sklearn._loss.loss": ("AbsoluteError", "HalfBinomialLoss", "HalfSquaredError"),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    f"{_ENSEMBLE}.binning": ("_BinMapper",),
    f"{_ENSEMBLE}.gradient_boosting": ("HistGradientBoostingClassifier",
                                       "HistGradientBoostingRegressor"),
    f"{_ENSEMBLE}.predictor": ("TreePredictor",),
    "sklearn.ensemble._forest": ("ExtraTreesClassifier", "ExtraTreesRegressor",
                                 "RandomForestClassifier", "RandomForestRegressor"),
    "sklearn.ensemble._gb": ("GradientBoostingClassifier", "GradientBoostingRegressor"),
    "sklearn.impute._base": ("SimpleImputer",),
    "sklearn.linear_model._base": ("LinearRegression",),
    "sklearn.linear_model._coordinate_descent": ("ElasticNet", "Lasso"),
    "sklearn.linear_model._logistic": ("LogisticRegression",),
    "sklearn.linear_model._ridge": ("Ridge",),
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.preprocessing._data": ("MinMaxScaler", "RobustScaler", "StandardScaler"),
    "sklearn.preprocessing._label": ("LabelEncoder",),
    "sklearn.tree._classes": ("DecisionTreeClassifier", "DecisionTreeRegressor",
                              "ExtraTreeClassifier", "ExtraTreeRegressor"),
    "sklearn.tree._tree": ("Tree",),
}  # fmt: skip

TRUSTED: Final = (
    "numpy.dtype",
    "sklearn.tree._tree.Tree",
    f"{_ENSEMBLE}.predictor.TreePredictor",
)
"""What the library itself wants to be told by name, beside what it takes by itself."""


def check(data: bytes) -> Version:
    """Return the version of scikit-learn that wrote the file, if all it builds is on the list.

    Raises:
        ArtefactRefused: it is no skops file, or builds something else; the text names it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("schema.json") as stream:
            text = stream.read(MAX_SCHEMA_BYTES + 1)
        schema = json.loads(text[:MAX_SCHEMA_BYTES]) if len(text) <= MAX_SCHEMA_BYTES else None
    except (KeyError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ArtefactRefused("model file: not as skops writes it") from error
    if not isinstance(schema, Mapping) or type(schema.get("protocol")) is not int:
        raise ArtefactRefused("model file: not as skops writes it")
    if schema["protocol"] > MAX_PROTOCOL:
        raise ArtefactRefused("model file: written by a newer skops than would read it")
    versions = set[str]()
    _walk(schema, versions, MAX_DEPTH)
    if len(versions) != 1:
        raise ArtefactRefused("model file: no version of scikit-learn that wrote it, or several")
    return parsed(versions.pop())


def _walk(part: Any, versions: set[str], depth: int) -> None:
    if depth == 0:
        raise ArtefactRefused("model file: parts are nested too deeply")
    if isinstance(part, Mapping):
        if "__loader__" in part or "__class__" in part:
            _check_part(part)
        written = part.get("_sklearn_version")
        if isinstance(written, Mapping) and isinstance(written.get("content"), str):
            versions.add(written["content"].strip('"'))
        for one in part.values():
            _walk(one, versions, depth - 1)
    elif isinstance(part, list):
        for one in part:
            _walk(one, versions, depth - 1)


def _check_part(part: Mapping[str, Any]) -> None:
    module, name, loader = (part.get(each) for each in ("__module__", "__class__", "__loader__"))
    if not isinstance(module, str) or name not in _CLASSES.get(module, ()):
        called = f"{module}.{name}"[:100]
        raise ArtefactRefused(f"model file: it builds {called}, which is not on the list")
    if not isinstance(loader, str) or loader not in _LOADERS:
        raise ArtefactRefused(f"model file: it builds {name} in a way that is not on the list")
