"""The spool on disk: crashes, torn ends, full and failing disks."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.client.outbox import LaneOutbox, read_refusals
from ledger.client.segments import Segments, SpoolFull
from ledger.client.spool import DiskSpool
from ledger.client.spooled import Gap, Refusal
from ledger.errors import StoppedError
from tests.ledger.client.spools import dies, directory, draft, drained, numbers, record

MAX = 65_536


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
