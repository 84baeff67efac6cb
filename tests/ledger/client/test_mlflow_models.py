"""A pyfunc model that logs what it predicts, saved and loaded as MLflow does it."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from explain.watched import WatchedPredictor, watched
from ledger.client import Client, CutOff, logged_pyfunc, occasion
from tests.ledger.client.clients import client_of
from tests.ledger.client.simulator import Ledger

made: list[Client] = []


def the_client() -> Client:
    return made[-1]


def read(loaded: Any) -> WatchedPredictor:
    return watched(loaded.get_raw_model())


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of other libraries' changes
        yield


@pytest.mark.usefixtures("quiet")
def test_a_saved_and_loaded_model_logs_what_it_predicts(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path
) -> None:
    import mlflow

    table = pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20.0) % 3})
    inner, outer = str(tmp_path / "inner"), str(tmp_path / "outer")
    fitted = LogisticRegression().fit(table, table["x"] > 9)
    mlflow.sklearn.save_model(fitted, inner, pip_requirements=[])
    recorder = logged_pyfunc(
        read, the_client, model="m@1", policy="p@1", outcome=CutOff(0, "yes", "no"), strict=True
    )
    mlflow.pyfunc.save_model(
        outer, python_model=recorder, artifacts={"model": inner}, pip_requirements=[]
    )
    loaded = mlflow.pyfunc.load_model(outer)
    with client_of(url, spool) as client:
        made.append(client)
        with occasion(subjects=["S-1", "S-2"]):
            assert list(loaded.predict(table[8:12:3])) == [False, True]
        assert loaded.unwrap_python_model().client is client
        assert client.flush()
    found = list(ledger.decisions.values())
    assert [each["output"]["outcome"] for each in found] == ["no", "yes"]
    assert [each["subject"] for each in found] == ["S-1", "S-2"]
    assert found[1]["input"] == {"x": 11, "y": 2}
    assert all(each["attributions"]["engine"] == "linear" for each in found)
