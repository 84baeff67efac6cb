"""A model of every format that is opened, with its manifest, ready to register.

`python -m examples.formats` writes ./formats; then, for each folder in it:

    decision-ledger model register formats/onnx/manifest.json \
        --artefact model=formats/onnx/model --artefact background=formats/onnx/background
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import skops.io
import xgboost
from interpret.glassbox import ExplainableBoostingClassifier
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.formats.manifest import NAMES, applicants, manifest_of, repaid
from explain.additive import ebm_document

FOLDER = Path("formats")
ROWS = applicants()
GOOD = repaid(ROWS)


def with_xgboost(form: str) -> bytes:
    """XGBoost, as JSON or as UBJSON."""
    asked = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    booster = xgboost.train(asked, xgboost.DMatrix(ROWS, GOOD, nthread=1), 10)
    return bytes(booster.save_raw(form))


def with_lightgbm() -> bytes:
    """LightGBM, as its text."""
    asked = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(asked, lightgbm.Dataset(ROWS, GOOD), 10)
    text: str = booster.model_to_string()
    return text.encode()


def with_catboost(form: str) -> bytes:
    """CatBoost, as JSON or in its own form."""
    model = catboost.CatBoostClassifier(
        iterations=10, depth=3, thread_count=1, verbose=0, allow_writing_files=False
    )
    model.fit(ROWS, GOOD)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        model.save_model(str(path), format=form)
        return path.read_bytes()


def linear() -> bytes:
    """A logistic regression: its weights, as JSON."""
    model = LogisticRegression(max_iter=1_000).fit(ROWS, GOOD)
    weights = zip(NAMES, model.coef_[0].tolist(), strict=True)
    terms = [{"feature": name, "weight": weight} for name, weight in weights]
    return additive("linear", float(model.intercept_[0]), terms)


def scorecard() -> bytes:
    """A scorecard: what each band of a feature is worth. First: for a missing value."""
    terms = [
        {"features": ["income"], "cuts": [[50, 90]], "scores": [-2, -1.5, 0.5, 2]},
        {"features": ["debt"], "cuts": [[20]], "scores": [-2, 1, -1]},
    ]
    return additive("scorecard", 0.25, terms)


def additive(kind: str, intercept: float, terms: list[dict[str, Any]]) -> bytes:
    """The JSON of an additive model (docs/formats.md, section 6)."""
    document = {"v": 1, "kind": kind, "space": "log-odds", "intercept": intercept, "terms": terms}
    return json.dumps(document).encode()


def explainable_boosting() -> bytes:
    """An EBM of interpret: its tables, as JSON."""
    model = ExplainableBoostingClassifier(outer_bags=1, max_rounds=30, interactions=1, n_jobs=1)
    return json.dumps(ebm_document(model.fit(ROWS, GOOD), NAMES)).encode()


def with_skops() -> bytes:
    """A model of scikit-learn, without pickle."""
    model = RandomForestClassifier(10, max_depth=4, random_state=1).fit(ROWS, GOOD)
    return bytes(skops.io.dumps(model))


def with_onnx() -> bytes:
    """A neural network, or whatever else can be converted."""
    network = MLPClassifier((8,), solver="lbfgs", random_state=1)
    narrow = ROWS.astype(np.float32)
    model = make_pipeline(StandardScaler(), network).fit(narrow, GOOD)
    return bytes(to_onnx(model, narrow[:1], options={"zipmap": False}).SerializeToString())


MODELS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "xgboost-json": (lambda: with_xgboost("json"), "log-odds", "leaf-tables"),
    "xgboost-ubj": (lambda: with_xgboost("ubj"), "log-odds", "xgboost-contributions"),
    "lightgbm-text": (with_lightgbm, "log-odds", "leaf-tables"),
    "catboost-json": (lambda: with_catboost("json"), "log-odds", "leaf-tables"),
    "catboost-cbm": (lambda: with_catboost("cbm"), "log-odds", "catboost-contributions"),
    "linear-json": (linear, "log-odds", "linear"),
    "scorecard-json": (scorecard, "log-odds", "scorecard"),
    "ebm-json": (explainable_boosting, "log-odds", "ebm"),
    "skops": (with_skops, "probability", "leaf-tables"),
    "onnx": (with_onnx, "probability", "all-subsets"),  # three features: eight sets of them
}
"""By format: what makes the file, where its margins lie, and what takes them apart."""


def main() -> None:
    """Write each model, its reference group and its manifest into a folder of its own."""
    for name, (made, space, engine) in MODELS.items():
        manifest, files = manifest_of(made(), name, space, engine)
        folder = FOLDER / name
        folder.mkdir(parents=True)
        for file, content in (files | {"manifest.json": json.dumps(manifest).encode()}).items():
            (folder / file).write_bytes(content)
        print(folder)


if __name__ == "__main__":
    main()
