"""A disk that is really full: what was accepted is delivered all the same, and room comes back."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.client import Client
from ledger.client import reserve as reserve_module
from ledger.client.receipts import FileReceipts
from ledger.client.reserve import Reserve
from ledger.private_files import append_synced
from ledger.verify.verifier import verify_receipt
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import POLICY, Ledger, decision, serving
from tests.small_disk import NoSmallDisk, fill, small_disk

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens
LARGE = {"reason": "x" * 1_000, "other": "y" * 1_000, "third": "z" * 1_000}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "disk", 3_000_000) as place:
            yield place
    except NoSmallDisk as error:
        pytest.skip(f"no small disk can be mounted: {error}")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(reserve_module, "FREE_SECONDS", 0.3)
    monkeypatch.setattr("ledger.client.client.AGAIN_SECONDS", 0.0)


def fill_up(client: Client) -> int:
    count = 0
    while client.record(**decision(input=LARGE)).accepted:
        count += 1
    return count


def test_a_full_disk_is_emptied_with_what_was_held_back(disk: Path) -> None:
    ledger = Ledger()
    with client_of(NOWHERE, disk / "spool", block_seconds=0) as client:
        count = fill_up(client)
        lane = client.counters().source
        assert count > 300
        fill(disk)
        failed = client.counters().failed
    with serving(ledger) as url, client_of(url, disk / "spool") as client:
        client.start()
        until(lambda: len(ledger.decisions) == count)
        assert client.flush()
        assert client.counters().alarms == 0
        until(lambda: client.record(**decision()).accepted)  # and there is room again
        assert client.flush()
        until(lambda: len(told(ledger)) >= failed)
    assert ledger.counters()[lane][:count] == list(range(1, count + 1))
    assert set(told(ledger).values()) == {"spool_full"}
    for name in ledger.decisions:
        text = FileReceipts(disk / "spool" / "receipts").find(name).format()
        assert verify_receipt(text, POLICY).entry.id == name


def test_what_is_kept_free_is_not_taken_by_decisions(disk: Path) -> None:
    with client_of(NOWHERE, disk / "spool", block_seconds=0) as client:
        fill_up(client)
        held = disk / "spool" / "reserve"
        size = held.stat().st_size
        assert 100_000 < size < 1_500_000
        assert client._running is not None
        assert client._running._make_room()
        assert not client._running._make_room()
        for _ in range(20):
            assert client.record(**decision(input=LARGE)).failure == "spool_full"
        until(held.exists)
        assert held.stat().st_size == size


def test_a_disk_that_somebody_else_has_filled_accepts_nothing_and_says_so(disk: Path) -> None:
    (disk / "spool" / "lanes").mkdir(parents=True)
    other = fill(disk)
    with client_of(NOWHERE, disk / "spool", block_seconds=0) as client:
        assert not client.record(**decision(input=LARGE)).accepted
        other.unlink()
        until(lambda: client.record(**decision(input=LARGE)).accepted)


def test_a_failed_addition_leaves_the_file_as_it_was(disk: Path) -> None:
    path = disk / "file"
    append_synced(path, lambda start: b"%d" % start)
    with pytest.raises(OSError, match="No space"):
        append_synced(path, lambda _: bytes(4_000_000))
    append_synced(path, lambda start: b"%d" % start)
    assert path.read_bytes() == b"01"


def holds(reserve: Reserve) -> bool:
    reserve.hold()
    return reserve.held


def test_room_is_held_again_after_a_while(tmp_path: Path) -> None:
    one, two = (Reserve(tmp_path / "reserve", 10_000) for _ in range(2))
    assert one.held
    assert holds(one)
    assert holds(two)
    assert (tmp_path / "reserve").stat().st_size == 10_000
    assert one.release()
    assert not two.release()
    assert not holds(one)
    until(lambda: holds(one))
    assert [path.name for path in tmp_path.iterdir()] == ["reserve"]


def test_a_disk_that_holds_nothing_back_has_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    reserve = Reserve(tmp_path / "reserve", 10_000)
    reserve.hold()
    assert reserve.held
    assert list(tmp_path.iterdir()) == []
    Reserve(tmp_path / "none" / "reserve", 1).hold()
    (tmp_path / "file").touch()
    Reserve(tmp_path / "file" / "reserve", 1).hold()


SHORT = """
import resource, sys
from pathlib import Path
from ledger.client import Client
from tests.ledger.client.simulator import KEY, POLICY, decision

limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
with Client(sys.argv[1], KEY, source="loan-desk", spool=Path(sys.argv[2]), policy=POLICY) as client:
    tickets = [client.record(**decision(subject=f"S-{n}")) for n in range(300)]
    print(sum(each.accepted for each in tickets), client.flush(30), flush=True)
"""


def test_a_limit_on_the_length_of_files_is_no_end(ledger: Ledger, url: str, spool: Path) -> None:
    # The reserve is longer than the limit, and every file in turn reaches it.
    command: list[Any] = [sys.executable, "-c", SHORT, url, spool, "100000"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["300", "True"], done.stderr
    assert list(ledger.counters().values()) == [list(range(1, 301))]
    assert len(list(spool.glob("receipts/*"))) > 2


def test_a_disk_that_is_read_only_harms_nobody(disk: Path, url: str) -> None:
    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    with client_of(url, disk / "spool") as client:
        client.submit(**decision())
    remount("ro")
    with client_of(url, disk / "spool") as client:
        for _ in range(3):
            assert client.record(**decision()).failure == "client_failed"
        remount("rw")
        assert client.record(**decision()).seq == 2
        assert client.flush()
