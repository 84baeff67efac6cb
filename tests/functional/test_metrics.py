"""Metrics of the real server: every process counts, one shows, and nobody's data is in it."""

import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from service.cli import main
from tests.functional.real_server import RealServer
from tests.functional.test_first_run import declined, register

SECONDS = 60

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def shown(url: str) -> dict[str, float]:
    """Every sample by its name and labels, in the order of the labels' names."""
    answer = httpx.get(url, timeout=SECONDS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            bare, _, labels = name.partition("{")
            samples[bare + "|" + ",".join(sorted(re.findall(r'\w+="[^"]*"', labels)))] = float(
                value
            )
    return samples


def test_what_the_processes_count_is_added_up_and_shown_apart(tmp_path: Path) -> None:
    place = tmp_path / "data"
    settings = {"LEDGER_DATA": str(place), "LEDGER_METRICS_PORT": str(free_port())}
    url = f"http://127.0.0.1:{settings['LEDGER_METRICS_PORT']}/metrics"

    def run(*arguments: str) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    run("init")
    one = declined(*register(run, tmp_path))
    key = run("key", "issue", "--name", "Ann Other", "--role", "source", "--expires", "30d")
    server = RealServer(settings, tmp_path / "server.log")
    with server, server.client(key.stdout.strip()) as client:
        ids = []
        for seq in range(1, 9):
            answer = client.post(
                "/v1/decisions", json=one | {"source": {"id": "loan-desk", "seq": seq}}
            )
            ids.append(answer.json()["id"])
        assert client.post("/v1/decisions", json=one | {"id": ids[0]}).status_code == 200
        client.post("/v1/decisions", json={"decisions": [one | {"subject": 5}, one]})
        client.get("/v1/decisions/Ann-Other?subject=Ann")
        assert client.get("/metrics").status_code in {303, 404}  # the interface has none
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:  # it starts beside the server
            try:
                samples = shown(url)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if samples.get('ledger_up|tenant=""') == 1:
                break
        assert samples['ledger_decisions_total|outcome="recorded",type=""'] == 9
        assert samples['ledger_decisions_total|outcome="duplicate",type=""'] == 1
        assert samples['ledger_decisions_total|outcome="refused",type="invalid"'] == 1
        assert (
            samples['ledger_http_requests_total|method="POST",rule="/v1/decisions",status="201"']
            == 8
        )
        assert samples['ledger_commit_records_sum|log="decisions"'] >= 9
        assert samples['ledger_log_entries|log="decisions",tenant=""'] == 12
        assert samples['ledger_part_ready|part="writer",tenant=""'] == 1
        assert samples['ledger_api_keys|state="in_force",tenant=""'] == 1
        assert 29 < samples['ledger_api_key_seconds_left|tenant=""'] / 86_400 < 30
        assert {
            f'ledger_processes|process="{each}"' for each in ("web", "writer", "exporter")
        } <= samples.keys()
        text = httpx.get(url).text
        for hidden in ("Ann", "MTG-", "loan-desk", "mortgage", *ids, key.stdout.split("_")[1]):
            assert hidden not in text
        assert httpx.get(url.replace("/metrics", "/")).status_code == 404
        before = samples.get('ledger_problems_total|type="not-found"', 0)
        server.kill_writer()
        time.sleep(1)
        client.get("/v1/nothing")
        after = shown(url)
        assert after['ledger_decisions_total|outcome="recorded",type=""'] == 9  # none is forgotten
        assert after['ledger_problems_total|type="not-found"'] == before + 1
    assert "Traceback" not in (tmp_path / "server.log").read_text()
    assert (place / "metrics").stat().st_mode & 0o077 == 0
