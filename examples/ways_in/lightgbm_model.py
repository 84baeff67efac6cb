"""A LightGBM booster that is watched: `python -m examples.ways_in.lightgbm_model`."""

import lightgbm

from examples.ways_in import clinic
from explain.watched import watched
from ledger.client import occasion, watch


def main() -> None:
    table, benign = clinic.samples()
    settings = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(table[1:], benign[1:]), 40)
    files = {"model": ("lightgbm-text", booster.model_to_string().encode())}
    version = clinic.register("biopsy-lightgbm", "lightgbm-contributions", files)

    with clinic.client("lightgbm") as client:
        model = watch(
            watched(booster), client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME
        )
        with occasion(subject="SAMPLE-1", context={"decision_role": "advisory"}) as case:
            print("benign with a chance of", model.predict(table[:1])[0])
        clinic.prove(client, case.tickets[0].id)


if __name__ == "__main__":
    main()
