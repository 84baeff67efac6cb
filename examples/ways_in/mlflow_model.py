"""A model in MLflow that logs what it predicts: `python -m examples.ways_in.mlflow_model`."""

from functools import partial
from typing import Any

import mlflow
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.ways_in import clinic
from explain.watched import WatchedPredictor, watched
from ledger.client import logged_pyfunc, occasion


def read(loaded: Any) -> WatchedPredictor:
    """How the loaded pyfunc model is read: by the model inside."""
    return watched(loaded.get_raw_model())


def main() -> None:
    table, benign = clinic.samples()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[1:], benign[1:])
    files = {"model": ("skops", skops.io.dumps(pipeline))}
    version = clinic.register("biopsy-mlflow", "linear", files)
    inner, outer = str(clinic.FOLDER / "mlflow-inner"), str(clinic.FOLDER / "mlflow-logged")
    mlflow.sklearn.save_model(pipeline, inner, pip_requirements=[])

    recorder = logged_pyfunc(
        read,
        partial(clinic.client, "mlflow"),
        model=version,
        policy=clinic.POLICY,
        outcome=clinic.OUTCOME,
    )
    mlflow.pyfunc.save_model(
        outer, python_model=recorder, artifacts={"model": inner}, pip_requirements=[]
    )

    model = mlflow.pyfunc.load_model(outer)  # in the process that serves it
    with occasion(subject="SAMPLE-1", context={"decision_role": "advisory"}) as case:
        print("benign:", model.predict(table[:1]))
    clinic.prove(model.unwrap_python_model().client, case.tickets[0].id)


if __name__ == "__main__":
    main()
