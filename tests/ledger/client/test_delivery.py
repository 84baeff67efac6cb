"""A ledger that fails, answers nonsense or lies: nothing is lost, doubled or believed."""

import time
from pathlib import Path

import pytest

from ledger.client import State
from ledger.errors import (
    LedgerError,
    NotFoundError,
    PushbackError,
    VerificationError,
)
from ledger.verify.verifier import verify_receipt
from tests.ledger.client import simulator
from tests.ledger.client.clients import client_of, until
from tests.ledger.client.simulator import POLICY, Ledger, decision, serving

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.mark.parametrize(
    "faults", [[500], [502, 500], [503], [429], [None], [None, None, 500], [408]]
)
def test_it_tries_again_until_the_ledger_answers(
    ledger: Ledger, url: str, spool: Path, faults: list[int | None]
) -> None:
    ledger.retry_after = "0"
    ledger.before.extend(faults)
    with client_of(url, spool) as client:
        for _ in range(5):
            client.record(**decision())
        until(lambda: not ledger.before)
        client.resume()  # 408 pauses: nobody promised that it goes away
        assert client.flush()
        assert client.counters().recorded == 5
    assert list(ledger.counters().values()) == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    "fault", [simulator.lost, lambda *_: 500, lambda *_: {"results": []}, lambda *_: {}]
)
def test_an_answer_that_got_lost_doubles_nothing(
    ledger: Ledger, url: str, spool: Path, fault: simulator.Fault
) -> None:
    ledger.after.append(fault)
    with client_of(url, spool) as client:
        ticket = client.record(**decision())
        assert client.flush()
        counters = client.counters()
        assert (counters.recorded, counters.duplicates, counters.retries) == (0, 1, 1)
        assert verify_receipt(client.receipt(ticket.id), POLICY).entry.seq == 1
    assert len(ledger.entries) == 2


def test_retry_after_is_respected(ledger: Ledger, url: str, spool: Path) -> None:
    ledger.before.append(503)
    ledger.retry_after = "1"
    with client_of(url, spool) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.WAITING)
        assert "503" in client.counters().reason
        began = time.monotonic()
        assert client.flush()
        assert 0.5 < time.monotonic() - began < 5


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415, 302, 418])
def test_what_somebody_has_to_see_to_pauses_and_tells(
    ledger: Ledger, url: str, spool: Path, status: int
) -> None:
    told: list[State] = []
    ledger.before.append(status)
    with client_of(url, spool, on_state=lambda state, _: told.append(state)) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.PAUSED)
        assert str(status) in client.counters().reason
        with pytest.raises(PushbackError, match=str(status)):
            client.submit(**decision())
        assert not client.flush(0.05)
        client.resume()
        assert client.flush()
    assert State.PAUSED in told


def test_a_key_that_was_replaced_is_read_again(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("dl_old\n")
    with client_of(url, spool, key=key) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.PAUSED)
        key.write_text(f"{ledger.key}\n")
        client.resume()
        assert client.flush()


def test_a_batch_that_is_too_large_is_halved(ledger: Ledger, url: str, spool: Path) -> None:
    ledger.most_bytes = 2_000
    ledger.before.extend([None] * 2)
    with client_of(url, spool) as client:
        for _ in range(20):
            client.record(**decision())
        client.record(**decision(subject="S", input={"a": "x" * 1_000, "b": "y" * 1_000}))
        assert client.flush(20)
        counters = client.counters()
        assert (counters.recorded, counters.refused) == (20, 1)


@pytest.mark.parametrize("fault", [simulator.swapped, simulator.cut_proof])
def test_a_receipt_that_proves_nothing_is_an_alarm_and_the_batch_is_kept(
    ledger: Ledger, url: str, spool: Path, fault: simulator.Fault
) -> None:
    with client_of(url, spool, sync_seconds=0) as client:
        client.submit(**decision())
        ledger.before.append(None)  # so that both are in one batch
        ledger.after.append(fault)
        tickets = [client.record(**decision()) for _ in range(2)]
        until(lambda: client.counters().state is State.ALARM)
        with pytest.raises(VerificationError):
            client.submit(timeout=5, **decision())
        counters = client.counters()
        assert (counters.alarms, counters.recorded, counters.pending) == (1, 1, 3)
        assert len(list(spool.glob("alarms/*.json"))) == 1
        for ticket in tickets:
            with pytest.raises(NotFoundError):
                client.receipt(ticket.id)
        client.resume()
        assert client.flush()
        assert client.counters().duplicates == 2


def test_a_ledger_that_has_lost_entries_is_an_alarm(spool: Path) -> None:
    ledger = Ledger()
    with serving(ledger) as url, client_of(url, spool) as client:
        for _ in range(3):
            client.submit(**decision())
        restored = Ledger()
        ledger.entries[:], ledger.places, ledger.decisions = restored.entries, {}, {}
        ledger._nodes.clear()
        client.record(**decision())
        until(lambda: client.counters().state is State.ALARM)
        assert "fewer entries" in client.counters().reason


def test_another_history_of_the_same_length_is_an_alarm(spool: Path) -> None:
    ledger = Ledger()
    with serving(ledger) as url, client_of(url, spool) as client:
        client.submit(**decision())
        until(lambda: client.counters().grown_size == 2)
        other = Ledger()
        other.record(
            [
                {
                    **decision(),
                    "id": "0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10",
                    "source": {"id": "x", "seq": 1},
                }
            ]
        )
        ledger.entries[:], ledger.places, ledger.decisions = other.entries, {}, {}
        ledger._nodes.clear()
        client.record(**decision())  # the entry is proved, the head is well signed
        until(lambda: client.counters().state is State.ALARM)
        assert "consistency proof" in client.counters().reason


def test_growth_that_cannot_be_checked_is_neither_fine_nor_an_alarm(
    ledger: Ledger, url: str, spool: Path
) -> None:
    del ledger
    with client_of(url, spool) as client:
        client.submit(**decision())
        until(lambda: client.counters().grown_size == 2)

        def closed(path: str) -> bytes:
            raise LedgerError(path)

        assert client._running is not None
        client._running.delivery.ledger.get = closed  # type: ignore[assignment,method-assign]
        client.submit(**decision())
        time.sleep(0.3)
        counters = client.counters()
        assert (counters.log_size, counters.grown_size, counters.alarms) == (3, 2, 0)


def test_a_ledger_without_compact_receipts_pauses(ledger: Ledger, url: str, spool: Path) -> None:
    def older(_: Ledger, answer: simulator.Answer) -> simulator.Answer:
        del answer["checkpoint"]
        for each in answer["results"]:
            del each["entry"], each["proof"]
        return answer

    ledger.after.append(older)
    with client_of(url, spool) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.PAUSED)
        assert "no receipts" in client.counters().reason
        client.resume()
        assert client.flush()


def test_a_ledger_that_takes_no_gaps_yet_gets_them_later(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.takes_gaps = False
    with client_of(url, spool) as client:
        client.record(**decision())
        client.record(**decision(input={"a": float("nan")}))
        client.declare_gap(100, 120, "shadow_mode")
        assert client.flush()
        until(lambda: client.counters().gaps_pending == 22)
        source = client.counters().source
    ledger.takes_gaps = True
    with client_of(url, spool) as client:
        client.start()
        until(lambda: len(ledger.gaps) == 2)
    assert sorted(ledger.gaps) == [
        (source, 2, 2, "not_encodable"),
        (source, 100, 120, "shadow_mode"),
    ]


def test_without_a_policy_receipts_are_counted_as_unverified(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.signer = simulator.STRANGER
    with client_of(url, spool, policy=None) as client:
        client.submit(**decision())
        assert client.counters().unverified == 1


def test_a_busy_process_still_delivers_what_a_dead_one_has_left(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(NOWHERE, spool) as first, client_of(NOWHERE, spool) as second:
        left = {client.record(**decision()).source for client in (first, second)}
    with client_of(url, spool) as client:

        def busy() -> bool:
            for _ in range(20):
                assert client.record(**decision()).accepted
            return left <= ledger.counters().keys()

        until(busy)
        assert client.flush(20)
