"""The README's first program, run as a newcomer runs it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60  # on a busy machine; alone it takes a sixth of that


@pytest.mark.slow
def test_the_first_decision_is_recorded_explained_and_verified(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    done = subprocess.run(
        [sys.executable, "-m", "examples.first_decision"],
        cwd=tmp_path,
        env=clean | {"PORT": str(port), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    receipt = (tmp_path / "first-decision" / "receipt.tlog-proof").read_text()
    assert receipt in done.stdout
    assert "Mean concavity" in done.stdout
    assert "RESULT: fine" in done.stdout


def test_the_program_stays_short_enough_to_read() -> None:
    lines = (ROOT / "examples" / "first_decision.py").read_text().splitlines()
    assert len(lines) <= 120, len(lines)
