"""The client and a ledger that behaves: each decision gets its receipt, and no prediction is harmed."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.client import State
from ledger.client.inspection import look
from ledger.client.options import Choices, Options
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    StoppedError,
)
from ledger.verify.verifier import verify_receipt
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import POLICY, Ledger, decision, serving

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def test_every_decision_gets_its_receipt(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        tickets = [client.record(**decision(subject=f"S-{n}")) for n in range(25)]
        assert client.flush()
        assert [ticket.seq for ticket in tickets] == list(range(1, 26))
        for ticket in tickets:
            proved = verify_receipt(client.receipt(ticket.id), POLICY)
            assert proved.entry.id == ticket.id
        counters = client.counters()
        assert (counters.accepted, counters.recorded, counters.pending) == (25, 25, 0)
        assert (counters.source, counters.log_size) == (tickets[0].source, 26)
        assert counters.unverified == counters.alarms == counters.failed == 0
    assert client.counters().state is State.STOPPED
    assert ledger.counters() == {tickets[0].source: list(range(1, 26))}
    assert [len(each) for each in (list(spool.rglob("*.seg")), look(spool))] == [0, 1]
    with pytest.raises(NotFoundError):
        client.receipt("0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10")
    with pytest.raises(MalformedError):
        client.receipt("none")


def test_the_moment_of_the_decision_is_stamped_unless_it_is_given(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool, now=lambda: 1_778_751_067_123_456_789) as client:
        client.record(**decision())
        client.record(**decision(context={"decided_at": "2026-05-01T00:00:00Z", "channel": "web"}))
        assert client.flush()
    first, second = (each["context"] for each in ledger.decisions.values())
    assert first == {"decided_at": "2026-05-14T09:31:07.123456Z"}
    assert second == {"decided_at": "2026-05-01T00:00:00Z", "channel": "web"}


def test_a_clock_that_jumps_changes_no_order(ledger: Ledger, url: str, spool: Path) -> None:
    times = iter([10**18, 10**18, 10**9, 10**9, 10**18 * 2, 10**18 * 2] + [5] * 10)
    with client_of(url, spool, now=lambda: next(times)) as client:
        for _ in range(4):
            assert client.record(**decision()).accepted
        assert client.flush()
    assert list(ledger.counters().values()) == [[1, 2, 3, 4]]


def test_submit_returns_a_verified_receipt(ledger: Ledger, url: str, spool: Path) -> None:
    del ledger
    with client_of(url, spool) as client:
        receipt = client.submit(**decision())
        assert verify_receipt(receipt.format(), POLICY).entry.seq == 1


def test_submit_says_why_the_ledger_refused(ledger: Ledger, url: str, spool: Path) -> None:
    ledger.refused.add("S-1")
    with client_of(url, spool) as client:
        with pytest.raises(RefusedError, match="no such model") as refused:
            client.submit(**decision(subject="S-1"))
        assert refused.value.member == "model"


def test_submit_without_an_answer_says_that_it_is_spooled(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        with pytest.raises(PushbackError, match="spooled"):
            client.submit(timeout=0.05, **decision())
        assert client.counters().pending == 1
        with pytest.raises(MalformedError):
            client.submit(**decision(input={"a": object()}))


def test_what_the_ledger_refuses_is_kept_told_and_declared(
    ledger: Ledger, url: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    ledger.refused.add("S-7")
    with client_of(url, spool, on_refused=lambda *each: told.append(each)) as client:
        tickets = [client.record(**decision(subject=f"S-{n}")) for n in range(10)]
        assert client.flush()
        until(lambda: client.counters().gaps_declared)
        counters = client.counters()
        assert (counters.recorded, counters.refused) == (9, 1)
        assert (counters.gaps_declared, counters.gaps_pending) == (1, 0)
    assert [(name, problem["status"]) for name, problem in told] == [(tickets[7].id, 422)]
    assert ledger.gaps == [(tickets[0].source, 8, 8, "refused_by_ledger")]
    assert [each.refused for each in look(spool)] == [1]
    assert "S-7" not in caplog.text
    assert tickets[7].id not in caplog.text


def test_a_callback_that_fails_stops_nothing(ledger: Ledger, url: str, spool: Path) -> None:
    def fails(*_: object) -> None:
        raise ValueError("S-1")

    ledger.refused.add("S-1")
    with client_of(url, spool, on_refused=fails, on_state=fails) as client:
        for number in range(3):
            client.record(**decision(subject=f"S-{number}"))
        assert client.flush()
        assert client.counters().recorded == 2


@pytest.mark.parametrize("strict", [False, True])
def test_a_decision_that_cannot_be_written_harms_nobody(
    ledger: Ledger, url: str, spool: Path, strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"name": object()}
    with client_of(url, spool, strict=strict) as client:
        wrongs: list[dict[str, Any]] = [
            {"input": secret},
            {"input": None},
            {"id": "no id"},
            {"model": {1: 2}},
        ]
        for wrong in wrongs:
            if strict:
                with pytest.raises((LedgerError, TypeError)):
                    client.record(**decision(**wrong))
            else:
                ticket = client.record(**decision(**wrong))
                assert (ticket.accepted, ticket.failure) == (False, "not_encodable")
                assert ticket.seq is not None
        assert client.record(**decision()).seq == 5
        assert client.flush()
        counters = client.counters()
        assert (counters.failed, counters.accepted) == (4, 1)
        until(lambda: len(told(ledger)) == 4)
    assert told(ledger) == dict.fromkeys(range(1, 5), "not_encodable")
    assert "object" not in caplog.text


def test_a_spool_that_cannot_be_made_harms_nobody(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with client_of(url, tmp_path / "file" / "spool") as client:
        for _ in range(3):
            ticket = client.record(**decision(subject="S-1"))
            assert (ticket.accepted, ticket.failure, ticket.seq) == (False, "client_failed", None)
        assert client.counters().failed == 3
        assert client.flush()
        with pytest.raises((OSError, PushbackError)):
            client.start()
    assert "S-1" not in caplog.text


def test_a_closed_client_says_so(ledger: Ledger, url: str, spool: Path) -> None:
    del ledger
    with client_of(url, spool) as client:
        client.record(**decision())
    assert client.close()
    assert client.record(**decision()).failure == "client_closed"
    with pytest.raises(StoppedError):
        client.submit(**decision())
    assert client.counters().failed == 2


def test_in_memory_it_keeps_the_same_promises_for_as_long_as_it_lives(
    ledger: Ledger, url: str
) -> None:
    ledger.before.extend([500, None])
    with client_of(url, None) as client:
        tickets = [client.record(**decision()) for _ in range(20)]
        assert client.flush()
        assert client.counters().recorded == 20
        verify_receipt(client.receipt(tickets[3].id), POLICY)
        assert client.receipt(tickets[19].id)
        with pytest.raises(NotFoundError):
            client.receipt("0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10")
    assert list(ledger.counters().values()) == [list(range(1, 21))]


def test_an_encrypted_spool_is_delivered_and_readable_to_nobody_else(
    ledger: Ledger, spool: Path
) -> None:
    with client_of(NOWHERE, spool, spool_key=bytes(32)) as client:
        client.record(**decision(subject="MTG-000123"))
    held = b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())
    assert b"MTG-000123" not in held
    assert b"debt_to_income" not in held
    with serving(ledger) as url:
        with client_of(url, spool) as client:  # without the key
            client.start()
            until(lambda: client.counters().unreadable == 1)
        assert ledger.decisions == {}
        with client_of(url, spool, spool_key=bytes(32)) as client:
            client.start()
            until(lambda: ledger.decisions)
    assert [each["subject"] for each in ledger.decisions.values()] == ["MTG-000123"]


def test_durability_can_be_waited_for(
    ledger: Ledger, url: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.client import acceptance

    del ledger
    with client_of(url, spool, durability="fsync", sync_seconds=0) as client:
        ticket = client.record(**decision())
        assert (ticket.accepted, ticket.failure) == (True, None)
        assert client._running is not None
        monkeypatch.setattr(acceptance, "SYNC_SECONDS", 0.01)
        monkeypatch.setattr(client._running.spool, "sync", lambda: None)
        ticket = client.record(**decision())
        assert (ticket.accepted, ticket.failure) == (True, "not_synced")
        monkeypatch.undo()


def test_a_disk_that_fails_while_syncing_is_told_and_tried_again(
    ledger: Ledger, url: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del ledger
    with client_of(url, spool, sync_seconds=0) as client:
        client.start()
        assert client._running is not None
        store = client._running.spool
        real, calls = store.sync, []  # type: ignore[union-attr]

        def fails() -> None:
            calls.append(1)
            if len(calls) == 1:
                raise OSError(5, "the disk failed")
            real()

        store.sync = fails  # type: ignore[union-attr,method-assign]
        client.record(**decision())
        until(lambda: len(calls) > 1 or client.record(**decision()) is None)
        assert client.flush()
    assert "the disk failed" in caplog.text


def test_many_threads_lose_nothing(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:

        def work() -> None:
            for _ in range(50):
                assert client.record(**decision()).accepted

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(30)
    assert list(ledger.counters().values()) == [list(range(1, 401))]


def test_what_an_earlier_process_left_is_sent_first(ledger: Ledger, spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        first = client.record(**decision())
    assert not client.flush(0) or client.counters().state is State.STOPPED
    with serving(ledger) as url, client_of(url, spool) as client:
        second = client.record(**decision())
        assert client.flush()
        assert (second.source, second.seq) == (first.source, 2)
    assert list(ledger.places) == [first.id, second.id]


@pytest.mark.parametrize(
    "wrong",
    [
        {"when_full": "drop"},
        {"durability": "maybe"},
        {"when_full": "spill"},
        {"spill": Path("x")},
        {"batch": 0},
        {"batch": 1_001},
        {"max_bytes": 1},
        {"block_seconds": -1},
        {"source": "Loan Desk"},
        {"spool_key": b"short"},
    ],
)
def test_choices_that_make_no_sense_are_refused(wrong: dict[str, Any], spool: Path) -> None:
    with pytest.raises(MalformedError), client_of(NOWHERE, spool, **wrong):
        pass
    with pytest.raises(MalformedError), client_of(NOWHERE, None, durability="fsync"):
        pass


def test_every_choice_is_an_option() -> None:
    own = {"source", "spool", "policy"}
    assert Choices.__annotations__.keys() == Options.__annotations__.keys() - own
