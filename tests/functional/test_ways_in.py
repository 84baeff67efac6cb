"""Each way in, run as a newcomer runs it, against one ledger that they share."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "examples" / "ways_in"
PROGRAMS = (
    *("decorator", "fastapi_app", "flask_app", "jsonl_file", "kserve_events", "lightgbm_model"),
    *("mlflow_model", "parquet_file", "sklearn_model", "xgboost_model"),
)
SECONDS = 120  # on a busy machine; alone it takes a tenth of that

Ways = dict[str, "tuple[int, str]"]


def settings(port: int) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return clean | {"PORT": str(port), "PYTHONPATH": str(ROOT)}


def ready(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    folder = tmp_path_factory.mktemp("clinic")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "examples.ways_in"],
            cwd=folder,
            env=settings(port),
            stdout=log,
            stderr=log,
            start_new_session=True,  # one signal reaches all its processes
        )
    try:
        ready(port, server, folder / "serve.log")
        yield folder, port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(SECONDS)


@pytest.fixture(scope="module")
def ran(clinic: tuple[Path, int]) -> Ways:
    """Exit status and output of each; all run at once, as many systems do."""
    folder, port = clinic
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", f"examples.ways_in.{name}"],
            cwd=folder,
            env=settings(port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in PROGRAMS
    }
    said = {name: each.communicate(timeout=SECONDS)[0] for name, each in running.items()}
    return {name: (each.returncode, said[name]) for name, each in running.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_prediction_is_recorded_and_its_receipt_verified(ran: Ways, name: str) -> None:
    status, said = ran[name]
    assert status == 0, said
    assert "RESULT: fine" in said
    if name == "jsonl_file":
        assert said.count("\n50 recorded, ") == said.count("\n0 recorded, 0 were there") == 1
    if name == "kserve_events":
        assert "attributions: later" in said
    if name == "flask_app":
        assert "1 decision, 1 repeated" in said


@pytest.mark.slow
def test_the_receipts_hold_and_no_decision_is_missing(clinic: tuple[Path, int], ran: Ways) -> None:
    folder, port = clinic
    receipts = sorted((folder / "ways-in").glob("*.tlog-proof"))
    assert len(receipts) == len(ran)
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "ledger.verify", receipts[0]),
            *("--policy", folder / "ways-in" / "ledger" / "policy.txt"),
        ],
        env=settings(port),
        check=False,
    )
    assert checked.returncode == 0
    counted = subprocess.run(
        [sys.executable, "-m", "service.cli", "sources"],
        env=settings(port) | {"LEDGER_DATA": str(folder / "ways-in" / "ledger")},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = counted.stdout.splitlines()
    assert len(lines) == len(PROGRAMS)
    assert all(" recorded, none missing; " in line for line in lines), counted.stdout


def test_each_program_is_there_and_short_enough_to_read() -> None:
    shared = {"__init__", "__main__", "clinic"}
    programs = {path.stem: path for path in PLACE.glob("*.py") if path.stem not in shared}
    assert set(programs) == set(PROGRAMS)
    lengths = {name: len(path.read_text().splitlines()) for name, path in programs.items()}
    assert {name: length for name, length in lengths.items() if length >= 60} == {}
