"""Attributions that come later, on the real server: attached once, whoever is killed."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.entries import AttributionsAttached, parse_entry
from ledger.operate.decision import Decision
from ledger.roles import Role
from service.runtime import Runtime
from tests.functional.real_server import SECONDS, RealServer
from tests.service.ui.lender import Lender

COUNT = 300


def bare(lender: Lender) -> list[dict[str, Any]]:
    first = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    del first["attributions"]
    return [
        first | {"id": lender.runtime.decisions.new_id(), "source": {"id": "bulk", "seq": seq}}
        for seq in range(COUNT)
    ]


@pytest.mark.slow
def test_a_backlog_is_worked_out_through_kills_and_a_restart(tmp_path: Path) -> None:
    lender = Lender(tmp_path / "data")
    lender.record(1)
    decisions = bare(lender)
    assert not Decision.from_json(decisions[0]).attributed
    lender.runtime.close()
    server = RealServer({"LEDGER_DATA": str(lender.settings.data)}, tmp_path / "log")
    server.start()
    with server.client(lender.keys[Role.SOURCE]) as source:
        answer = source.post("/v1/decisions", json={"decisions": decisions})
        assert answer.json()["recorded"] == COUNT, answer.text
    server.kill_attributor()
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    server.kill()
    server.start()
    try:
        _wait(lender)
    finally:
        server.stop()
        lender.runtime.close()  # asking it opened its databases anew
    runtime = Runtime.open(lender.settings)
    bodies = [parse_entry(raw).body for raw in runtime.logs["decisions"].entries()]
    attached = [body.decision for body in bodies if isinstance(body, AttributionsAttached)]
    runtime.close()
    assert sorted(attached) == sorted(each["id"] for each in decisions)


def _wait(lender: Lender) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if (counts := lender.runtime.attributions.counts()).pending == 0:
            assert counts.done == COUNT
            return
        time.sleep(0.2)
    raise AssertionError(counts)
