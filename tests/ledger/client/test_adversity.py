"""Clocks, keys, disks and peers at their worst: nothing is lost, and delivery goes on."""

import os
from pathlib import Path
from typing import Any

import pytest

from ledger.client import State, running, shipping
from ledger.client.counters import Tally
from ledger.client.delivery import Paused, Retry, Sent
from ledger.client.outbox import LaneOutbox, read_gaps
from ledger.client.shipping import Shipper
from ledger.client.spool import DiskSpool
from ledger.client.spooled import Gap
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Answer, Ledger, decision
from tests.ledger.client.spools import dies, directory, draft, drained, record
from tests.ledger.client.test_steps import Desk

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


# Peers


@pytest.mark.parametrize("status", [400, 422])
def test_somebody_else_than_the_ledger_refuses_nothing(
    ledger: Ledger, url: str, spool: Path, status: int
) -> None:
    """A proxy's own 400 is not the ledger's word on a decision."""
    ledger.before.extend([status] * 2)
    with client_of(url, spool) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.PAUSED)
        assert client.counters().refused == 0
        ledger.before.clear()
        client.resume()
        assert client.flush()
    assert told(ledger) == {}


def test_a_ledger_that_asks_for_no_pause_is_not_asked_all_the_time(
    ledger: Ledger, url: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "FIRST_WAIT", 0.05)
    ledger.retry_after = "0"
    ledger.before.extend([503] * 1_000)
    with client_of(url, spool) as client:
        client.record(**decision())
        until(lambda: ledger.requests)
        before = len(ledger.requests)
        assert not client.flush(0.5)
        assert len(ledger.requests) - before < 12
        ledger.before.clear()
        assert client.flush()


LONE = "\ud800"


def lone_note(_: Ledger, answer: Answer) -> Answer:
    return answer | {"checkpoint": LONE + answer["checkpoint"]}


def lone_entry(_: Ledger, answer: Answer) -> Answer:
    answer["results"][0]["entry"] = LONE
    return answer


def lone_proof(_: Ledger, answer: Answer) -> Answer:
    answer["results"][0]["proof"] = [LONE]
    return answer


def below_zero(_: Ledger, answer: Answer) -> Answer:
    answer["results"][0]["seq"] = -1
    return answer


def too_long(_: Ledger, answer: Answer) -> Answer:
    answer["results"][0]["seq"] = 10**4_000
    return answer


def no_head(_: Ledger, answer: Answer) -> Answer:
    return answer | {"checkpoint": ""}


def deep(_: Ledger, answer: Answer) -> Answer:
    problem: Any = {}
    for _level in range(500):
        problem = {"detail": problem}
    return answer | {"results": [{"status": "refused", "problem": problem | {"type": LONE}}]}


@pytest.mark.parametrize(
    "fault", [lone_note, lone_entry, lone_proof, below_zero, too_long, no_head, deep]
)
def test_nonsense_ends_in_an_outcome_and_never_in_another_error(
    ledger: Ledger, url: str, spool: Path, fault: Any
) -> None:
    ledger.after.append(fault)
    spooled = DiskSpool(directory(spool).claim())
    record(spooled, 1)
    desk = Desk(spool, url)
    outbox = LaneOutbox(spooled.lane)
    outcome = desk.delivery.step(outbox)
    if fault is deep:  # which is a refusal, in so many words
        assert isinstance(outcome, Sent)
    else:
        assert not isinstance(outcome, Sent)
        assert spooled.waiting == 1
        assert isinstance(desk.delivery.step(outbox), Sent)
    spooled.close()


# Keys


def test_a_key_that_cannot_be_had_is_asked_for_again(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path / "key"
    with client_of(url, spool, key=key) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.WAITING)
        assert client.counters().reason == "the key cannot be had (FileNotFoundError)"
        key.write_text(ledger.key)
        assert client.flush()

    def fails() -> str:
        raise KeyError("a secret")

    with client_of(url, spool, key=fails) as client:
        client.record(**decision())
        until(lambda: "KeyError" in client.counters().reason)
    assert "a secret" not in caplog.text


def test_a_key_that_is_revoked_in_the_middle_only_pauses(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(ledger.key)
    with client_of(url, spool, key=key, batch=5) as client:
        for number in range(60):
            client.record(**decision(subject=f"S-{number}"))
            if number == 20:
                until(lambda: len(ledger.decisions) > 5)
                ledger.key = "dl_the-next"
        until(lambda: client.counters().state is State.PAUSED)
        assert "key" in client.counters().reason
        key.write_text(ledger.key)
        client.resume()
        assert client.flush()
    assert list(ledger.counters().values()) == [list(range(1, 61))]


# Clocks and directories


def test_a_clock_before_1970_harms_nobody(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool, now=lambda: -1) as client:
        ticket = client.record(**decision())
        assert not ticket.accepted or client.flush()

    def broken() -> int:
        raise OverflowError

    with client_of(url, spool, now=broken) as client:
        given = decision(id="0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10")
        assert client.record(**given).failure == "client_failed"


def test_a_server_may_change_its_directory(
    ledger: Ledger, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    spool, spill = Path("spool"), Path("spill")
    with client_of(url, spool, when_full="spill", spill=spill) as client:
        monkeypatch.chdir(tmp_path / "b")
        client.record(**decision())
        monkeypatch.chdir(tmp_path)
        assert client.flush()
        assert client.receipt(next(iter(ledger.decisions)))
    assert list((tmp_path / "b").iterdir()) == []


# Disks


def test_a_sync_that_failed_is_not_made_good_by_the_next(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error the kernel forgets what it could not write, and says that all is well."""
    spooled = DiskSpool(directory(spool).claim())
    record(spooled, 2)
    with monkeypatch.context() as broken:

        def fails(_: int) -> None:
            raise OSError(5, "Input/output error")

        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="Input/output"):
            spooled.sync()
    spooled.append(draft(3))
    spooled.sync()
    assert [spooled.wait_synced(seq, 0.01) for seq in (1, 2, 3)] == [False, False, True]
    spooled.close()


def test_a_start_that_fails_keeps_no_lane(
    ledger: Ledger, url: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.client.client.AGAIN_SECONDS", 0.0)
    descriptors = len([*Path("/dev/fd").iterdir()])
    with client_of(url, spool) as client:
        with monkeypatch.context() as broken:

            def fails(*_: Any) -> None:
                raise OSError(5, "Input/output error")

            broken.setattr(running, "DiskSpool", fails)
            for _ in range(5):
                assert client.record(**decision()).failure == "client_failed"
        with monkeypatch.context() as broken:

            def no_thread(_: Shipper) -> None:
                raise RuntimeError("can't start new thread")

            broken.setattr(Shipper, "start", no_thread)
            for _ in range(5):
                assert client.record(**decision()).failure == "client_failed"
        assert len([*Path("/dev/fd").iterdir()]) <= descriptors + 1
        assert client.record(**decision()).accepted
        assert client.flush()
    assert len(list((spool / "lanes").iterdir())) == 1
    assert len(ledger.decisions) == 1


def test_a_lane_that_cannot_be_read_does_not_keep_others_waiting(
    ledger: Ledger, url: str, spool: Path
) -> None:
    lanes = [DiskSpool(directory(spool).claim()) for _ in range(3)]
    lanes.sort(key=lambda each: each.source)
    for number, each in enumerate(lanes):
        each.append(draft(number))
        dies(each.lane)

    class Unreadable(LaneOutbox):
        def batch(self, most: int, most_bytes: int) -> tuple[Any, ...]:
            if self.source == lanes[0].source:
                raise OSError(5, "Input/output error")
            return super().batch(most, most_bytes)

    own = DiskSpool(directory(spool, source="other").claim())
    tally = Tally()
    desk = Desk(spool, url)
    shipper = Shipper(desk.delivery, LaneOutbox(own.lane), tally, orphans=directory(spool).orphans)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipping, "LaneOutbox", Unreadable)
        shipper.adopt()
    assert tally.look().unreadable == 1
    assert sorted(ledger.counters()) == [lanes[1].source, lanes[2].source]
    shipper.adopt()
    assert len(ledger.counters()) == 3
    own.close()


def test_what_a_power_cut_took_is_declared_though_there_was_no_room_at_first(
    tmp_path: Path,
) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 40)
    dies(spool.lane)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.seg"))
    found: list[int] = []
    gaps: tuple[Gap, ...] = ()
    for _ in range(3):  # the frame that says so needs room that only delivery makes
        for lane in directory(tmp_path, boot="next", max_bytes=size).orphans():
            found += drained(lane)
            gaps += read_gaps(lane.directory)
    assert found == list(range(1, 41))
    assert set(gaps) == {Gap(41, 1_024, "power_cut")}
    outbox_left = [lane for lane in directory(tmp_path).lanes() if not read_gaps(lane)]
    assert outbox_left == []


def test_what_was_given_out_in_vain_is_declared_after_a_proper_end_too(tmp_path: Path) -> None:
    full = directory(tmp_path, max_bytes=65_536)
    spool = DiskSpool(full.claim())
    record(spool, 3)
    full.others = 65_536
    assert spool.skip("spool_full") == 4
    spool.close()
    for lane in directory(tmp_path, boot="next").orphans():
        assert drained(lane) == [1, 2, 3]
        outbox = LaneOutbox(lane)
        assert outbox.gaps() == (Gap(4, 4, "spool_full"),)
        outbox.gaps_declared(outbox.gaps())
    for lane in directory(tmp_path, boot="next").orphans():
        assert drained(lane) == []
    assert directory(tmp_path).lanes() == []


def test_a_readers_errors_say_whom_they_concern(spool: Path) -> None:
    spooled = DiskSpool(directory(spool).claim())
    record(spooled, 1)
    (file,) = spooled.lane.directory.glob("*.seg")
    file.write_bytes(b"another version" + file.read_bytes()[15:])
    desk, outbox = Desk(spool, NOWHERE), LaneOutbox(spooled.lane)
    outcome = desk.delivery.step(outbox)
    assert isinstance(outcome, Paused)
    assert outcome.alone
    file.unlink()
    outcome = desk.delivery.step(outbox)
    assert isinstance(outcome, Retry)
    assert outcome.alone
    spooled.close()
