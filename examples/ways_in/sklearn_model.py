"""A scikit-learn pipeline that is watched: `python -m examples.ways_in.sklearn_model`."""

import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.ways_in import clinic
from explain.watched import watched
from ledger.client import occasion, watch


def main() -> None:
    table, benign = clinic.samples()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[1:], benign[1:])
    files = {"model": ("skops", skops.io.dumps(pipeline))}
    version = clinic.register("biopsy-logistic", "linear", files)

    with clinic.client("sklearn") as client:
        # From here on `model` is what `pipeline` was, and every prediction is on record.
        model = watch(
            watched(pipeline), client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME
        )
        with occasion(subject="SAMPLE-1", context={"decision_role": "advisory"}) as case:
            print("benign with a chance of", model.predict_proba(table[:1])[0, 1])
        clinic.prove(client, case.tickets[0].id)


if __name__ == "__main__":
    main()
