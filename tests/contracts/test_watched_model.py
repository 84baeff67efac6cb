"""What every watched model promises: a prediction for each row, true of that call, or an error."""

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from explain.watched import watched
from ledger import canonical
from ledger.client.predictions import SCALE, CutOff, Stated, WatchedModel, output_of

ROWS = np.random.default_rng(5).normal(size=(60, 2)).astype(np.float32).astype(np.float64)
GOOD = (ROWS.sum(axis=1) > 0).astype(int)


class OwnModel:
    """One that somebody wrote for a model of their own."""

    class model:  # noqa: N801
        @staticmethod
        def predict(rows: Any) -> Any:
            return np.asarray(rows).sum(axis=1)

    def predictions(self, rows: Any, result: Any) -> list[Stated]:
        if not np.array_equal(np.asarray(rows).sum(axis=1), result):
            raise ValueError
        return [
            Stated({"a": float(a), "b": float(b)}, round((a + b) * 1e6)) for a, b in rows.tolist()
        ]


def fitted(model: Any) -> Callable[[], WatchedModel]:
    return lambda: watched(model.fit(ROWS, GOOD), names=["a", "b"])


MODELS: dict[str, Callable[[], WatchedModel]] = {
    "own": OwnModel,
    "linear": fitted(LogisticRegression()),
    "forest": fitted(RandomForestClassifier(4, max_depth=3)),
    "xgboost": fitted(xgboost.XGBClassifier(n_estimators=4, n_jobs=1)),
    "lightgbm": fitted(lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1)),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> WatchedModel:
    return MODELS[request.param]()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_prediction_for_each_row_in_order(model: WatchedModel) -> None:
    before = ROWS.copy()
    result = model.model.predict(ROWS)
    kept = np.array(result)
    told = model.predictions(ROWS, result)
    assert len(told) == len(ROWS)
    assert [(each.input["a"], each.input["b"]) for each in told] == [
        tuple(r) for r in ROWS.tolist()
    ]
    np.testing.assert_array_equal(ROWS, before)
    np.testing.assert_array_equal(result, kept)
    for number in (0, 41):  # alone as in company
        (alone,) = model.predictions(ROWS[[number]], result[[number]])
        assert (alone.input, alone.margin) == (told[number].input, told[number].margin)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_each_is_json_and_adds_up(model: WatchedModel) -> None:
    cut_off = CutOff(
        0, "yes", "no", space=model.predictions(ROWS[:1], model.model.predict(ROWS[:1]))[0].space
    )
    for each in model.predictions(ROWS, model.model.predict(ROWS)):
        canonical.encode([each.input, each.attributions, output_of(each, cut_off)])
        assert type(each.margin) is int
        if each.attributions is None:
            continue
        parts = each.attributions
        assert parts["base"] + sum(parts["values"].values()) + parts["residual"] == each.margin
        assert (parts["scale"], parts["space"]) == (SCALE, each.space)
        assert parts["values"].keys() == each.input.keys()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_what_the_call_did_not_return_is_no_prediction(model: WatchedModel) -> None:
    result = model.model.predict(ROWS)
    for wrong in (1 - np.asarray(result) * 3, result[:-1], None):
        with pytest.raises(Exception):  # noqa: B017  # of any kind, as the port says
            model.predictions(ROWS, wrong)
