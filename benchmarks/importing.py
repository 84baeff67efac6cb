"""What one waits for before the verifier, or the client, starts, and what neither may load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measuring import Measured, at_most

SECONDS = 0.3  # the goal is a share of this
RUNS = 9
HEAVY = {
    "click",
    "flask",
    "marshmallow",
    "numpy",
    "shap",
    "sqlalchemy",
    "urllib3",
    "weasyprint",
    "xgboost",
    "zstandard",
}

_IMPORT = """
import sys, time
began = time.perf_counter()
import {module}
print(time.perf_counter() - began, *{{name.partition(".")[0] for name in sys.modules}})
"""


def measure() -> Iterator[Measured]:
    yield Measured("import_light", at_most(1), _runs("ledger.verify.__main__"))
    yield Measured("import_client_light", at_most(1), _runs("ledger.client"))


def _runs(module: str) -> tuple[float, ...]:
    runs = []
    code = _IMPORT.format(module=module)
    for _ in range(RUNS):
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        seconds, *loaded = answer.stdout.split()
        assert not HEAVY.intersection(loaded), loaded
        runs.append(float(seconds) / SECONDS)
    return tuple(runs)
