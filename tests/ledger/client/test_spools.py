"""One contract for both spools: on disk, encrypted on disk, and in memory."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.client.memory_spool import MemorySpool
from ledger.client.outbox import LaneOutbox, Outbox, read_refusals
from ledger.client.segments import Segments, SpoolFull
from ledger.client.spool import DiskSpool, Spool
from ledger.client.spool_cipher import CLEAR, SpoolCipher
from ledger.client.spooled import Gap, Refusal
from ledger.errors import StoppedError
from tests.ledger.client.spools import dies, directory, draft, drained, numbers, record

Pair = tuple[Spool, Outbox]
MAX = 65_536


@pytest.fixture(params=["disk", "encrypted", "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    if request.param == "memory":
        both = MemorySpool("loan-desk", MAX)
        yield both, both
        both.close()
        return
    cipher = SpoolCipher(bytes(32)) if request.param == "encrypted" else CLEAR
    spool = DiskSpool(directory(tmp_path, max_bytes=MAX, cipher=cipher).claim())
    yield spool, LaneOutbox(spool.lane)
    spool.close()


def seqs(outbox: Outbox, most: int = 1_000, most_bytes: int = 10**9) -> list[int]:
    return [item.decision.seq for item in outbox.batch(most, most_bytes)]


def fill(spool: Spool) -> int:
    """How many decisions it took."""
    count = 0
    while True:
        try:
            count = spool.append(draft(count))
        except SpoolFull:
            return count


def test_decisions_come_out_in_the_order_of_their_counters(pair: Pair) -> None:
    spool, outbox = pair
    assert spool.source == outbox.source
    assert [spool.append(draft(number)) for number in range(5)] == [1, 2, 3, 4, 5]
    assert seqs(outbox, 2) == seqs(outbox, 2) == [1, 2]  # the same until they are settled
    assert seqs(outbox, 3) == [1, 2, 3]
    outbox.settle(())
    assert seqs(outbox) == [4, 5]
    outbox.settle(())
    assert seqs(outbox) == []
    assert spool.append(draft(6)) == 6
    assert seqs(outbox) == [6]
    assert b'"seq":6' in outbox.batch(1, 1)[0].body


def test_a_batch_is_bounded_by_bytes_but_has_one_at_least(pair: Pair) -> None:
    spool, outbox = pair
    for number in range(3):
        spool.append(draft(number))
    size = len(outbox.batch(1, 1)[0].body)
    assert seqs(outbox, 9, 1) == [1]
    assert len(seqs(outbox, 9, size * 2 + size // 2)) == 2


def test_a_counter_given_out_in_vain_becomes_a_gap(pair: Pair) -> None:
    spool, outbox = pair
    spool.append(draft(1))
    assert [spool.skip("spool_full"), spool.skip("spool_full")] == [2, 3]
    assert spool.append(draft(4)) == 4
    assert seqs(outbox) == [1, 4]
    outbox.settle(())
    assert seqs(outbox) == []
    assert outbox.gaps() == (Gap(2, 3, "spool_full"),)
    outbox.gaps_declared(outbox.gaps())
    assert outbox.gaps() == ()


def test_a_gap_in_other_counters_uses_none(pair: Pair) -> None:
    spool, outbox = pair
    spool.declare(Gap(100, 200, "shadow_mode"))
    assert spool.append(draft(1)) == 1
    assert seqs(outbox) == [1]
    outbox.settle(())
    assert outbox.gaps() == (Gap(100, 200, "shadow_mode"),)


def test_what_was_refused_is_kept_aside_and_declared(pair: Pair, tmp_path: Path) -> None:
    spool, outbox = pair
    for number in range(3):
        spool.append(draft(number))
    second = outbox.batch(9, 10**9)[1]
    outbox.settle((Refusal(second.decision, {"status": 422}),))
    assert seqs(outbox) == []
    assert outbox.gaps() == (Gap(2, 2, "refused_by_ledger"),)
    if isinstance(spool, DiskSpool):
        kept = read_refusals(spool.lane.directory)
    else:
        assert isinstance(spool, MemorySpool)
        kept = tuple(spool.refusals)
    assert [(each.decision, each.problem) for each in kept] == [(second.decision, {"status": 422})]


def test_a_full_spool_gives_out_no_counter_and_has_room_again_when_emptied(pair: Pair) -> None:
    spool, outbox = pair
    count = fill(spool)
    assert 50 < count < 200
    assert spool.skip("spool_full") == count + 1
    while seqs(outbox, 7):
        outbox.settle(())
    if isinstance(outbox, LaneOutbox):
        outbox.tidy()
    assert spool.append(draft(0)) == count + 2
    assert seqs(outbox) == [count + 2]
    outbox.settle(())
    assert outbox.gaps() == (Gap(count + 1, count + 1, "spool_full"),)


def test_who_waits_for_room_is_woken_when_something_is_settled(pair: Pair) -> None:
    spool, outbox = pair
    spool.append(draft(1))
    waiter = threading.Thread(target=spool.wait_for_room, args=(30.0,))
    waiter.start()
    while waiter.is_alive():
        seqs(outbox)
        outbox.settle(())
        waiter.join(0.01)
    spool.wait_for_room(0.001)


def test_many_threads_get_different_counters_without_a_hole(pair: Pair) -> None:
    spool, outbox = pair
    found: list[int] = []

    def work() -> None:
        found.extend(spool.append(draft(number)) for number in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 81))
    assert seqs(outbox) == list(range(1, 81))


# On disk alone


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    spool.close()
    for use in (
        lambda: spool.append(draft(1)),
        lambda: spool.skip("x"),
        lambda: spool.declare(Gap(1, 1, "x")),
    ):
        with pytest.raises(StoppedError):
            use()


def test_files_are_private_and_gone_once_settled(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path / "spool").claim())
    record(spool, 2)
    paths = [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}
    outbox = LaneOutbox(spool.lane)
    outbox.tidy()  # nothing is settled: nothing is removed
    assert numbers(outbox) == [1, 2]
    outbox.settle(())
    outbox.tidy()
    assert list((tmp_path / "spool").rglob("*.seg")) == []
    spool.close()


def test_a_torn_end_at_any_byte_is_cut_and_counted(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path / "whole").claim())
    record(spool, 1)
    (file,) = spool.lane.directory.glob("*.seg")
    kept = file.stat().st_size
    record(spool, 1)
    whole = file.read_bytes()
    dies(spool.lane)
    for cut in range(kept, len(whole)):
        file.write_bytes(whole[:cut])
        lane = directory(tmp_path / "whole").claim()
        assert (lane.source, lane.last) == (spool.source, 1)
        outbox = LaneOutbox(lane)
        assert numbers(outbox) == [1]
        assert len(outbox.batch(9, 10**9)) == 1
        assert (outbox.torn, outbox.damaged) == (int(cut > kept), 0)
        lane.close()
    lane = directory(tmp_path / "whole").claim()
    again = DiskSpool(lane)
    assert record(again, 1) == [2]
    assert drained(lane) == [1, 2]
    assert LaneOutbox(lane).gaps() == ()
    again.close()


def test_a_file_cut_in_its_header_holds_nothing(tmp_path: Path) -> None:
    for content in [b"", b"dlspool", bytes(500)]:
        place = tmp_path / str(len(content))
        spool = DiskSpool(directory(place).claim())
        record(spool, 1)
        dies(spool.lane)
        (spool.lane.directory / "000000000002.seg").write_bytes(content)
        again = DiskSpool(directory(place).claim())
        assert record(again, 1) == [2]
        assert drained(again.lane) == [1, 2]
        again.close()


def test_damage_inside_a_file_loses_one_and_says_so(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 3)
    (file,) = spool.lane.directory.glob("*.seg")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path).claim())
    outbox = LaneOutbox(again.lane)
    assert numbers(outbox) == [1, 3]
    outbox.settle(())
    assert outbox.gaps() == (Gap(2, 2, "spool_damaged"),)
    assert (outbox.torn, outbox.damaged) == (0, 1)
    assert [path.name for path in (again.lane.directory / "damaged").iterdir()] == [file.name]
    assert record(again, 1) == [4]
    again.close()


def test_settling_that_fails_gives_the_same_batch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 3)
    outbox = LaneOutbox(spool.lane)
    items = outbox.batch(9, 10**9)
    refusal = Refusal(items[0].decision, {"status": 422})

    def fails(**_: object) -> None:
        raise OSError(5, "the disk failed")

    with monkeypatch.context() as patch:
        patch.setattr(spool.lane.state, "change", fails)
        with pytest.raises(OSError, match="the disk failed"):
            outbox.settle((refusal,))
    assert outbox.batch(9, 10**9) == items
    outbox.settle((refusal,))
    assert numbers(outbox) == []
    # Noted down twice, told once.
    assert [each.decision for each in read_refusals(spool.lane.directory)] == [items[0].decision]
    assert outbox.gaps() == (Gap(1, 1, "refused_by_ledger"),)
    spool.close()


@pytest.mark.parametrize(("number", "more"), [(1, -10), (1, 100), (5, 100)])
def test_a_disk_that_takes_part_of_a_frame_takes_none(
    tmp_path: Path, number: int, more: int
) -> None:
    """The kernel's own limit on a file's size stands for a quota: it cuts a write short."""
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, number)
    (file,) = spool.lane.directory.glob("*.seg")
    size = file.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more, before[1]))
    try:
        if more < 0:  # then it does not fit into a new file either
            with pytest.raises(SpoolFull):
                spool.append(draft(9))
        else:
            assert spool.append(draft(9)) == number + 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.stat().st_size == size
    assert drained(spool.lane) == list(range(1, spool.lane.last + 1))
    spool.close()


def full(monkeypatch: pytest.MonkeyPatch, disk: Path, error: int = 28) -> Callable[[], None]:
    """A disk without room: only what was allocated before can be written. Returns the cure."""
    real = os.pwrite

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(disk) and offset + len(data) > os.fstat(descriptor).st_size:
            raise OSError(error, "no room")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return lambda: monkeypatch.setattr(os, "pwrite", real)


@pytest.mark.parametrize("error", [27, 28, 122])
def test_a_full_disk_is_a_full_spool_and_its_counters_are_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 2)
    cure = full(monkeypatch, tmp_path, error)
    with pytest.raises(SpoolFull):
        spool.append(draft(3))
    assert spool.skip("spool_full") == 3
    dies(spool.lane)
    cure()
    again = DiskSpool(directory(tmp_path).claim())
    assert record(again, 1) == [4]
    assert drained(again.lane) == [1, 2, 4]
    assert LaneOutbox(again.lane).gaps() == (Gap(3, 3, "spool_full"),)
    again.close()


def test_a_disk_that_fails_is_no_full_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    for fresh in (True, False):
        cure = full(monkeypatch, tmp_path, 5)
        with pytest.raises(OSError, match="no room"):
            spool.append(draft(1))
        cure()
        assert record(spool, 1) == [1 if fresh else 2]
    assert drained(spool.lane) == [1, 2]
    spool.close()


def test_a_spool_goes_on_in_a_second_directory_and_keeps_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = directory(tmp_path / "one", spill=tmp_path / "two")
    spool = DiskSpool(places.claim())
    record(spool, 2)
    cure = full(monkeypatch, tmp_path / "one")
    record(spool, 2)
    assert len(list((tmp_path / "two").rglob("*.seg"))) == 1
    cure()
    spool.lane.segments.finish()
    record(spool, 2)
    dies(spool.lane)
    # Who comes later need not know of the second directory.
    again = directory(tmp_path / "one").claim()
    assert again.source == spool.source
    assert drained(again) == [1, 2, 3, 4, 5, 6]
    again.close()


def test_what_other_lanes_hold_counts_too(tmp_path: Path) -> None:
    other = DiskSpool(directory(tmp_path).claim())
    record(other, 10)
    mine = directory(tmp_path, max_bytes=6_000)
    spool = DiskSpool(mine.claim())
    mine.measure(spool.lane)
    assert mine.others > 5_000
    with pytest.raises(SpoolFull):
        record(spool, 10)
    other.close()
    spool.close()


def test_long_spools_are_many_files_that_go_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.client import segments

    monkeypatch.setattr(segments, "SEGMENT_BYTES", 2_000)
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 20)
    count = len(list(tmp_path.rglob("*.seg")))
    assert count >= 5
    outbox = LaneOutbox(spool.lane)
    assert numbers(outbox, 10) == list(range(1, 11))
    outbox.settle(())
    assert len(list(tmp_path.rglob("*.seg"))) <= count // 2 + 1
    assert numbers(outbox) == list(range(11, 21))
    spool.sync()
    assert spool.wait_synced(20, 0)
    assert not spool.wait_synced(21, 0)
    spool.close()


def test_segments_begin_behind_what_was_acknowledged(tmp_path: Path) -> None:
    from ledger.client.segments import Place

    segments = Segments([Place(tmp_path, lambda: MAX)], bytes(8), after=7)
    segments.append(b"x")
    assert segments.active == 8
    segments.remove(8)
    assert (segments.size, segments.files) == (0, {})
    segments.close()
