"""The same application with MLflow tracing: one trace for each prediction, logged asynchronously.

    PYTHON benchmarks/loss/mlflow_desk.py CONFIG.json

It runs where mlflow is installed and nothing of ours is, so it imports nothing of ours. Its
journal has the form of `desk.py`'s; what the caller is told is that no exception came.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import mlflow

ACCEPTED = "accepted"


def main(config: dict[str, Any]) -> None:
    decisions = json.loads(Path(config["decisions"]).read_text())
    mlflow.set_tracking_uri(config["url"])
    mlflow.set_experiment("loan-desk")
    journal = Path(config["journal"])
    left = iter(_left(journal, config["count"]))
    log = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    mutex = threading.Lock()

    def work() -> None:
        while True:
            with mutex:
                each = next(left, None)
            if each is None:
                return
            number, name = each
            _call(log, number, name or str(uuid.uuid4()), decisions[number % len(decisions)])
            time.sleep(config["pause"])

    threads = [threading.Thread(target=work) for _ in range(config["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mlflow.flush_trace_async_logging(terminate=True)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps({"peak": peak}), flush=True)


def _left(journal: Path, count: int) -> list[tuple[int, str | None]]:
    done: set[int] = set()
    begun: dict[int, str] = {}
    text = journal.read_text() if journal.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        kind, number, name, *_ = line.split(" ")
        begun[int(number)] = name
        if kind == "end":
            done.add(int(number))
    return [(number, begun.get(number)) for number in range(count) if number not in done]


def _call(log: int, number: int, name: str, decision: dict[str, Any]) -> None:
    os.write(log, f"begin {number} {name}\n".encode())
    began = time.perf_counter()
    try:
        with mlflow.start_span(name="decision") as span:
            mlflow.update_current_trace(tags={"decision": name, "model": decision["model"]})
            span.set_inputs(decision["input"])
            span.set_attributes(
                {each: decision[each] for each in ("policy", "attributions", "context")}
            )
            span.set_outputs(decision["output"])
        outcome = ACCEPTED
    except Exception as error:  # noqa: BLE001  # that is what the caller is told
        outcome = type(error).__name__
    took = time.perf_counter() - began
    os.write(log, f"end {number} {name} - - {outcome} {took:.7f}\n".encode())


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
