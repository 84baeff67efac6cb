"""A predict function of one's own that is logged: `python -m examples.ways_in.decorator`."""

import json

from examples.ways_in import clinic
from ledger.client import Stated, logged, occasion

POINTS = {"radius": -900, "texture": -150, "smoothness": -20_000, "concavity": -15_000}
POINTS |= {"symmetry": -9_000}  # thousandths of log-odds for each unit
START = 22_000


def contributions(row: dict[str, float]) -> dict[str, int]:
    """What each measurement adds, in millionths of log-odds."""
    return {name: round(points * row[name] * 1_000) for name, points in POINTS.items()}


def tell(result: float, row: dict[str, float]) -> Stated:
    """What a call came to: its input, its margin, and what added up to it."""
    parts = {"engine": "scorecard", "space": "log-odds", "scale": 6, "base": START * 1_000}
    margin = round(result * 1_000_000)
    residual = margin - START * 1_000 - sum(contributions(row).values())
    attributions = parts | {"values": contributions(row), "residual": residual}
    return Stated(input=row, margin=margin, attributions=attributions)


def main() -> None:
    files = {"model": ("scorecard-json", json.dumps({"start": START} | POINTS).encode())}
    version = clinic.register("biopsy-scorecard", "scorecard", files)

    with clinic.client("scorecard") as client:

        @logged(client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME, tell=tell)
        def score(row: dict[str, float]) -> float:
            return (START * 1_000 + sum(contributions(row).values())) / 1_000_000

        (row,) = clinic.samples()[0][:1].to_dict("records")
        with occasion(subject="SAMPLE-1", context={"decision_role": "advisory"}) as case:
            print("log-odds of being benign:", score({str(name): row[name] for name in row}))
        clinic.prove(client, case.tickets[0].id)


if __name__ == "__main__":
    main()
