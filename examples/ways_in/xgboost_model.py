"""An XGBoost classifier that is watched: `python -m examples.ways_in.xgboost_model`."""

import xgboost

from examples.ways_in import clinic
from explain.watched import watched
from ledger.client import occasion, watch


def main() -> None:
    table, benign = clinic.samples()
    classifier = xgboost.XGBClassifier(n_estimators=40, max_depth=3, n_jobs=1)
    classifier.fit(table[1:], benign[1:])
    files = {"model": ("xgboost-json", bytes(classifier.get_booster().save_raw("json")))}
    version = clinic.register("biopsy-xgboost", "xgboost-contributions", files)

    with clinic.client("xgboost") as client:
        model = watch(
            watched(classifier), client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME
        )
        # A batch: one subject for each row.
        subjects = [f"SAMPLE-{number}" for number in range(1, 6)]
        with occasion(subjects=subjects, context={"decision_role": "advisory"}) as batch:
            print("benign:", model.predict(table[:5]))
        clinic.prove(client, batch.tickets[-1].id)


if __name__ == "__main__":
    main()
