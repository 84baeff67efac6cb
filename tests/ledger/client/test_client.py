"""The client and a ledger that behaves, or does not: nothing is lost, doubled or believed."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.client import Client, SpoolFull, State
from ledger.client.inspection import look
from ledger.client.options import Choices, Options
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    StoppedError,
    VerificationError,
)
from ledger.verify.verifier import verify_receipt
from tests.ledger.client import simulator
from tests.ledger.client.clients import client_of, until
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
        until(lambda: ledger.gaps)
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


@pytest.mark.parametrize("fault", [simulator.swapped, simulator.cut_proof, simulator.strange_key])
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


def told(ledger: Ledger) -> dict[int, str]:
    """The counters that are declared missing, each with its reason."""
    return {seq: why for _, first, last, why in ledger.gaps for seq in range(first, last + 1)}


def fill(client: Client) -> int:
    count = 0
    while client.record(**decision()).accepted:
        count += 1
    return count


def test_when_full_it_blocks_for_a_while_and_then_declares(
    ledger: Ledger, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with client_of(NOWHERE, spool, max_bytes=65_536, block_seconds=0.05) as client:
        count = fill(client)
        began = time.perf_counter()
        ticket = client.record(**decision())
        assert time.perf_counter() - began >= 0.05
        assert (ticket.failure, ticket.seq) == ("spool_full", count + 2)
    with serving(ledger) as url, client_of(url, spool) as client:
        client.start()
        until(lambda: len(told(ledger)) == 2)
        assert client.flush()
    assert list(ledger.counters().values()) == [list(range(1, count + 1))]
    assert told(ledger) == dict.fromkeys((count + 1, count + 2), "spool_full")


def test_when_full_it_goes_on_as_soon_as_there_is_room(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.seconds = 0.02
    with client_of(url, spool, max_bytes=65_536, block_seconds=20, batch=10) as client:
        for _ in range(400):
            assert client.record(**decision()).accepted
        assert client.flush(30)
    assert list(ledger.counters().values()) == [list(range(1, 401))]


def test_when_full_it_raises_if_that_was_chosen(spool: Path) -> None:
    with client_of(NOWHERE, spool, max_bytes=65_536, when_full="raise") as client:
        with pytest.raises(SpoolFull):
            fill(client)
        assert client.counters().failed == 1


def test_when_full_it_spills_into_a_second_directory(
    ledger: Ledger, spool: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "max_bytes": 65_536,
        "when_full": "spill",
        "spill": tmp_path / "two",
        "max_spill_bytes": 65_536,
    }
    with client_of(NOWHERE, spool, **options) as client:
        count = fill(client)
        assert count > 150
    with serving(ledger) as url, client_of(url, spool) as client:
        client.start()
        until(lambda: len(ledger.decisions) == count)
        until(lambda: ledger.gaps)
    assert list(ledger.counters().values()) == [list(range(1, count + 1))]
    assert list((tmp_path / "two").rglob("*.seg")) == []


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
