"""Replays of many decisions: how many a second, against the model and the engine alone.

    python -m benchmarks.replaying [COUNT]       10,000 unless said otherwise

Records so many decisions of the demo's lender into a new ledger, then runs all of them again
as `decision-ledger replay --all` does: noted on the access log, opened, compared with the
log, scored and attributed by the archived model, and written down. Beside it stands the time
that margin and attributions take by themselves, a row at a time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.lender import decisions, trained
from examples.demo.training import policy
from ledger.operate.decision import Decision
from ledger.roles import Principal, Role
from service.founding import found
from service.reading import Caller, Reading
from service.replaying import ReplayRequest, replay_many
from service.runtime import Runtime
from service.settings import Settings

COUNT = 10_000
BATCH = 500
AUDITOR = Caller(Principal("benchmark", "a benchmark", Role.AUDITOR))


def main(wanted: int) -> int:
    """Return 0 if every decision was reproduced."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data=Path(directory) / "ledger", origin="ledger.example/benchmark")
        found(settings)
        runtime = Runtime.open(settings)
        try:
            return _measure(runtime, Path(directory) / "replay.jsonl", wanted)
        finally:
            runtime.close()


def _measure(runtime: Runtime, path: Path, wanted: int) -> int:
    model = trained()
    runtime.registry.register_model(model.manifest, model.artefacts)
    runtime.registry.register_policy(policy())
    _record(runtime, wanted)
    began = time.perf_counter()
    reading = Reading(runtime, AUDITOR)
    tally, _ = replay_many(runtime, reading, ReplayRequest(), path, lambda *_: None)
    spent = time.perf_counter() - began
    schema, opened = model.model.schema, model.model
    bodies = decisions()
    rows = [np.atleast_2d(schema.row(body["input"])) for body in bodies]
    began = time.perf_counter()
    for row in rows:
        opened.predictor.margin(row)
        opened.attributor.attribute(row)
    alone = (time.perf_counter() - began) / len(rows)
    print(
        f"{tally.count:,} decisions in {spent:.1f} s: {tally.count / spent:,.0f} a second,"
        f" {spent / tally.count / alone:.1f} times margin and attributions alone"
        f" ({path.stat().st_size / tally.count:,.0f} bytes a decision)"
    )
    print(tally.to_json())
    return 0 if tally.verdicts["reproduced"] == wanted else 1


def _record(runtime: Runtime, wanted: int) -> None:
    numbers = count(1)
    bodies = islice(cycle(decisions()), wanted)
    while batch := list(islice(bodies, BATCH)):
        runtime.decisions.record(
            [
                Decision.from_json(
                    body
                    | {
                        "id": runtime.decisions.new_id(),
                        "source": {"id": "benchmark", "seq": next(numbers)},
                    }
                )
                for body in batch
            ]
        )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
