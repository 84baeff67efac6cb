"""A predict function of one's own that is logged: `python -m examples.ways_in.decorator`."""

import json
from functools import cache

from examples.ways_in import clinic
from ledger.client import Stated, logged, occasion

WEIGHTS = {"radius": -0.9, "texture": -0.15, "smoothness": -20.0, "concavity": -15.0}
WEIGHTS |= {"symmetry": -9.0}  # log-odds for each unit
START = 22.0
TERMS = [{"feature": name, "weight": weight} for name, weight in WEIGHTS.items()]
MODEL = {"v": 1, "kind": "linear", "space": "log-odds", "intercept": START, "terms": TERMS}


def log_odds(row: dict[str, float]) -> float:
    """The model: what each measurement weighs, added up."""
    return START + sum(weight * row[name] for name, weight in WEIGHTS.items())


@cache
def usual() -> dict[str, float]:
    """The averages of the reference group, which every contribution is measured from."""
    return {str(name): float(mean) for name, mean in clinic.samples()[0][1:].mean().items()}


def tell(result: float, row: dict[str, float]) -> Stated:
    """What a call came to: its input, its margin, and what added up to it."""
    values = {n: round(w * (row[n] - usual()[n]) * 10**6) for n, w in WEIGHTS.items()}
    margin, base = round(result * 10**6), round(log_odds(usual()) * 10**6)
    parts = {"engine": "linear", "space": "log-odds", "scale": 6, "base": base, "values": values}
    attributions = parts | {"residual": margin - base - sum(values.values())}
    return Stated(input=row, margin=margin, attributions=attributions)


def files() -> dict[str, tuple[str, bytes]]:
    """The model as it is archived: it can be run again by whoever reads it years later."""
    return {"model": ("linear-json", json.dumps(MODEL).encode())}


def main() -> None:
    version = clinic.register("biopsy-linear", "linear", files())

    with clinic.client("linear") as client:

        @logged(client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME, tell=tell)
        def score(row: dict[str, float]) -> float:
            return log_odds(row)

        (row,) = clinic.samples()[0][:1].to_dict("records")
        with occasion(subject="SAMPLE-1", context={"decision_role": "advisory"}) as case:
            print("log-odds of being benign:", score({str(name): row[name] for name in row}))
        clinic.prove(client, case.tickets[0].id)


if __name__ == "__main__":
    main()
