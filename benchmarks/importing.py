"""What a relying party waits for before the verifier starts, and what it must not load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measuring import Measured, at_most

SECONDS = 0.3  # the goal is a share of this
RUNS = 9
HEAVY = {
    "flask",
    "marshmallow",
    "numpy",
    "shap",
    "sqlalchemy",
    "weasyprint",
    "xgboost",
    "zstandard",
}

_IMPORT = """
import sys, time
began = time.perf_counter()
import ledger.verify.__main__
print(time.perf_counter() - began, *{name.partition(".")[0] for name in sys.modules})
"""


def measure() -> Iterator[Measured]:
    runs = []
    for _ in range(RUNS):
        answer = subprocess.run(
            [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True
        )
        seconds, *loaded = answer.stdout.split()
        assert not HEAVY.intersection(loaded), loaded
        runs.append(float(seconds) / SECONDS)
    yield Measured("import_light", at_most(1), tuple(runs))
