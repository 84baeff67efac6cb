"""Measures every ratio, prints them with their goals, and writes them to results.json.

    python -m benchmarks [--full] [NAME ...]     the groups to run; none means all

A goal that is missed is shown as missed: `docs/performance.md` says why. Only a run of
all groups replaces the file. With `--full` logs are longer where that is worth the wait.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    auditing,
    client,
    documents,
    engines,
    erasing,
    explaining,
    growth,
    importing,
    ingest,
    log,
)
from benchmarks.measuring import Measured

RESULTS = Path(__file__).with_name("results.json")
DIGITS = 4  # of a ratio in the file; the machine's noise is in the second

FULL = "--full"

GROUPS: dict[str, Callable[[Path, bool], Iterator[Measured]]] = {
    "log": lambda folder, _: log.measure(folder),
    "auditing": auditing.measure,
    "ingest": ingest.measure,
    "erasing": erasing.measure,
    "growth": growth.measure,
    "client": lambda folder, _: client.measure(folder),
    "explaining": lambda *_: explaining.measure(),
    "engines": lambda *_: engines.measure(),
    "documents": lambda *_: documents.measure(),
    "importing": lambda *_: importing.measure(),
}


def main(names: list[str]) -> int:
    """Return 0 if everything could be measured, whether or not a goal is met."""
    full, names = FULL in names, [name for name in names if name != FULL]
    unknown = set(names) - GROUPS.keys()
    if unknown:
        print(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
        return 2
    logging.disable(logging.INFO)
    began = time.perf_counter()
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    print(f"{'ratio':<36}{'goal':>9}{'median':>10}{'lowest':>10}{'highest':>10}")
    results = []
    for name in names or GROUPS:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            for measured in GROUPS[name](Path(folder), full):
                print(_line(measured), flush=True)
                results.append(measured)
    met = sum(each.met for each in results)
    print(f"{met} of {len(results)} goals met, {time.perf_counter() - began:.0f} seconds")
    if not names and not full:
        RESULTS.write_text(json.dumps(_document(results), indent=1) + "\n")
    return 0


def _line(measured: Measured) -> str:
    figures = (measured.ratio, min(measured.runs), max(measured.runs))
    columns = "".join(f"{figure:>10.3g}" for figure in figures)
    return f"{measured.name:<36}{measured.goal!s:>9}{columns}  {'' if measured.met else 'missed'}"


def _document(results: list[Measured]) -> dict[str, dict[str, object]]:
    return {
        each.name: {
            "ratio": round(each.ratio, DIGITS),
            "goal": str(each.goal),
            "runs": [round(run, DIGITS) for run in each.runs],
        }
        for each in results
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
