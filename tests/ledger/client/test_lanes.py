"""No counter of a lane is used twice, whatever becomes of the process, the machine or the files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.client import spool as spool_module
from ledger.client.lanes import LEASE, Lane, SpoolDirectory, boot_id
from ledger.client.outbox import LaneOutbox, read_gaps
from ledger.client.segments import SpoolFull
from ledger.client.spool import DiskSpool
from ledger.client.spool_cipher import SpoolCipher
from ledger.client.spooled import Gap
from ledger.errors import MalformedError
from tests.ledger.client.spools import BOOT, dies, directory, draft, drained, numbers, record


def test_a_lane_is_for_one_process_and_free_again_when_it_ends(tmp_path: Path) -> None:
    first = DiskSpool(directory(tmp_path).claim())
    second = DiskSpool(directory(tmp_path).claim())
    assert first.source != second.source
    assert record(first, 2) == record(second, 2) == [1, 2]
    first.close()
    third = DiskSpool(directory(tmp_path).claim())
    assert third.source == first.source
    assert record(third, 2) == [3, 4]
    for spool in (second, third):
        spool.close()


def test_a_killed_process_leaves_its_lane_to_the_next_with_all_it_accepted(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 5)
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path).claim())
    assert again.source == spool.source
    assert record(again, 1) == [6]
    outbox = LaneOutbox(again.lane)
    assert numbers(outbox) == [1, 2, 3, 4, 5, 6]
    outbox.settle(())
    assert outbox.gaps() == ()
    again.close()


def test_what_was_acknowledged_still_counts_after_its_files_are_gone(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 3)
    outbox = LaneOutbox(spool.lane)
    assert numbers(outbox) == [1, 2, 3]
    outbox.settle(())
    outbox.tidy()
    assert list(spool.lane.directory.glob("*.seg")) == []
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path).claim())
    assert record(again, 1) == [4]
    assert numbers(LaneOutbox(again.lane)) == [4]
    again.close()


def test_after_a_restart_of_the_machine_what_is_in_doubt_is_declared(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 3)
    dies(spool.lane)
    later = directory(tmp_path, boot="another-boot")
    new = DiskSpool(later.claim())
    assert new.source != spool.source
    (old,) = [_drained(lane) for lane in later.orphans()]
    assert old == (spool.source, [1, 2, 3], (Gap(4, LEASE, "power_cut"),))
    new.close()


def _drained(lane: Lane) -> tuple[str, list[int], tuple[Gap, ...]]:
    counters = drained(lane)
    gaps = read_gaps(lane.directory)
    LaneOutbox(lane).gaps_declared(gaps)
    return lane.source, counters, gaps


def test_a_lane_that_was_closed_has_nothing_in_doubt(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 3)
    spool.close()
    later = directory(tmp_path, boot="another-boot")
    (old,) = [_drained(lane) for lane in later.orphans()]
    assert old == (spool.source, [1, 2, 3], ())
    assert later.lanes() == []  # nobody will write there again, and it is empty


def test_a_copy_is_emptied_and_never_written_to(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path / "one").claim())
    record(spool, 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    record(spool, 2)
    copied = directory(tmp_path / "two")
    other = DiskSpool(copied.claim())
    assert other.source != spool.source
    (old,) = [_drained(lane) for lane in copied.orphans()]
    # The original has gone on: what it used, the copy cannot say to be missing.
    assert old == (spool.source, [1, 2, 3], ())
    spool.close()
    other.close()


def test_a_restored_backup_is_not_written_to(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path / "live").claim())
    record(spool, 3)
    shutil.copytree(tmp_path / "live", tmp_path / "backup")
    record(spool, 3)
    spool.close()
    shutil.rmtree(tmp_path / "live")
    shutil.copytree(tmp_path / "backup", tmp_path / "live")
    again = DiskSpool(directory(tmp_path / "live").claim())
    assert again.source != spool.source
    assert record(again, 1) == [1]
    again.close()


def test_without_a_boot_id_no_lane_is_written_to_twice(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path, boot="").claim())
    record(spool, 1)
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path, boot="").claim())
    assert again.source != spool.source
    again.close()
    gaps = {
        gap.reason for lane in directory(tmp_path, boot="").orphans() for gap in _drained(lane)[2]
    }
    assert gaps == {"power_cut"}


def test_this_machine_tells_its_boots_apart_or_says_nothing() -> None:
    assert boot_id() == boot_id()
    assert len(boot_id()) in (0, 36)


def test_counters_given_out_in_vain_survive_a_kill(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    record(spool, 1)
    assert [spool.skip("spool_full"), spool.skip("not_encodable")] == [2, 3]
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path).claim())
    assert again.source == spool.source
    assert record(again, 1) == [4]
    assert drained(again.lane) == [1, 4]
    assert read_gaps(again.lane.directory) == (Gap(2, 2, "spool_full"), Gap(3, 3, "not_encodable"))
    again.close()


def test_a_crash_after_the_gap_was_spooled_does_not_spool_it_twice(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    spool.skip("spool_full")
    left = spool.lane.state.state.skipped
    spool.sync()
    assert spool.lane.state.state.skipped is None
    spool.lane.state.change(skipped=left)  # as if the crash had come before
    dies(spool.lane)
    again = DiskSpool(directory(tmp_path).claim())
    assert record(again, 1) == [2]
    assert drained(again.lane) == [2]
    assert read_gaps(again.lane.directory) == (Gap(1, 1, "spool_full"),)
    again.close()


def test_lanes_of_other_sources_are_not_ours(tmp_path: Path) -> None:
    other = DiskSpool(directory(tmp_path, source="loan-desk.north").claim())
    record(other, 1)
    other.close()
    spool = DiskSpool(directory(tmp_path).claim())
    assert spool.source.rpartition(".")[0] == "loan-desk"
    assert len(directory(tmp_path).lanes()) == 1
    assert len(SpoolDirectory(tmp_path, boot=BOOT).lanes()) == 2
    spool.close()


def test_a_lane_under_another_key_or_of_another_version_is_left_alone(tmp_path: Path) -> None:
    secret = directory(tmp_path, cipher=SpoolCipher(bytes(32)))
    spool = DiskSpool(secret.claim())
    record(spool, 1)
    spool.close()
    clear = directory(tmp_path)
    assert list(clear.orphans()) == []
    assert clear.unreadable == (spool.source,)
    assert [_drained(lane)[1] for lane in secret.orphans()] == [[1]]

    (tmp_path / "lanes" / spool.source / "state").write_bytes(b"another version")
    assert list(secret.orphans()) == []
    assert secret.unreadable == (spool.source,)


def test_a_lane_whose_maker_died_at_once_is_removed(tmp_path: Path) -> None:
    half = tmp_path / "lanes" / "loan-desk.abcdefgh"
    half.mkdir(parents=True)
    (half / "lock").touch()
    assert list(directory(tmp_path).orphans()) == []
    assert not half.exists()


def test_a_lane_that_is_removed_while_its_lock_is_awaited_is_not_taken(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    spool.close()
    lane = tmp_path / "lanes" / spool.source
    code = (
        "import sys, ledger.client.lanes as lanes, pathlib, os\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "real = os.fstat\n"
        "def swapped(fd):\n"
        "    found = real(fd); path.unlink(); path.touch(); os.fstat = real; return found\n"
        "os.fstat = swapped\n"
        "assert lanes._locked(path) is None\n"
    )
    subprocess.run([sys.executable, "-c", code, str(lane / "lock")], check=True)


def test_more_counters_than_are_leased_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "LEASE_SECONDS", 0.01)
    spool = DiskSpool(directory(tmp_path).claim())
    spool.renew(2)
    assert record(spool, 2) == [1, 2]
    assert spool.needs_counters()
    with pytest.raises(SpoolFull):
        spool.append(draft(3))
    spool.renew(2)
    assert spool.append(draft(3)) == 3
    assert not spool.has_many_counters(64)
    spool.close()


def test_a_source_that_leaves_no_room_for_a_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        directory(tmp_path, source="Loan desk")
