"""Totals are stated to the ledger, and its answer is not believed beyond its form."""

import json
from pathlib import Path

import pytest

from ledger.client import StatedTotal
from ledger.client.__main__ import KEY_VARIABLE, main
from ledger.client.totals import state
from ledger.client.transport import HttpLedger
from ledger.errors import MalformedError, PushbackError, RefusedError
from tests.ledger.client.clients import client_of
from tests.ledger.client.simulator import KEY, Ledger, decision

NOWHERE = "http://127.0.0.1:9"


def test_a_process_states_what_it_made(spool: Path, url: str, ledger: Ledger) -> None:
    with client_of(url, spool) as client:
        tickets = [client.record(**decision()) for _ in range(3)]
        assert client.flush()
        first, last = tickets[0].seq, tickets[-1].seq
        assert first is not None
        assert last is not None
        told = client.state_total(first, last, 3)
        assert told == StatedTotal(len(ledger.entries), "agrees", 3, 0)
        assert client.state_total(first, last + 1, 4).short == 1
        assert ledger.requests[-1][0] == f"/v1/sources/{tickets[0].source}/totals"


def answered(**total: object) -> bytes:
    fine = {"held": 1, "short": 0, "verdict": "agrees"}
    return json.dumps({"seq": 7, "total": fine | total}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (422, b'{"detail": "its lanes count apart", "member": "first"}', RefusedError),
        (403, b"not json", RefusedError),
        (404, b"{}", RefusedError),
        (429, b"{}", PushbackError),
        (503, b"{}", PushbackError),
        (302, b"{}", PushbackError),
        (201, b"not json", PushbackError),
        (201, b"[]", PushbackError),
        (201, b'{"seq": 1, "total": null}', PushbackError),
        (201, answered(held="1"), PushbackError),
        (201, answered(short=2**60), PushbackError),
        (201, answered(verdict="fine"), PushbackError),
        (201, answered(verdict=["agrees"]), PushbackError),
        (201, b"[" * 100_000, PushbackError),
    ],
)
def test_other_answers_are_errors(
    spool: Path, url: str, ledger: Ledger, status: int, body: bytes, error: type[Exception]
) -> None:
    ledger.totals.append((status, body))
    with client_of(url, spool) as client, pytest.raises(error):
        client.state_total(1, 2, 2)


def test_no_answer_is_no_refusal(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client, pytest.raises(PushbackError):
        client.state_total(1, 2, 2)


def test_a_source_is_no_path(url: str) -> None:
    with pytest.raises(MalformedError):
        state(HttpLedger(url, lambda: KEY), "../decisions", count=1)


def test_the_command(
    url: str,
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    ledger.decisions["x"] = {"source": {"id": "loan-desk", "seq": 1}}
    counters = ["--first", "1", "--last", "2"]
    assert main(["total", "loan-desk", "1", *counters, "--url", url]) == 0
    assert capsys.readouterr().out == "agrees: 1 stated, 1 held (entry 1)\n"
    assert main(["total", "loan-desk", "2", *counters, "--url", url]) == 1
    assert capsys.readouterr().out.startswith("short: 2 stated, 1 held")
    assert main(["total", "loan-desk", "2", "--first", "1", "--url", url]) == 2
    assert "give --first and --last" in capsys.readouterr().out
    ledger.totals.append((201, answered(verdict="unknown")))
    period = ["--since", "2026-05-01T00:00:00Z", "--until", "2026-06-01T00:00:00Z"]
    assert main(["total", "loan-desk", "2", *period, "--url", url]) == 1
    assert main(["total", "loan-desk", "2", *counters, "--url", NOWHERE]) == 2
