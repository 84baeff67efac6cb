"""Numbers of several processes: kept in files with room of their own, and added up."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from ledger.errors import RefusedError
from ledger.operate.group_commit import crowded
from ledger.operate.writer_process import Watch
from service.exporter import Exporter, collected
from service.founding import found
from service.gauges import Ledger
from service.meters import DIRECTORY_VARIABLE, FILE_BYTES, Meters, WriterMeters, clear
from service.runtime import Runtime
from service.settings import Settings
from tests.faults.small_disk import PAGE, SmallDisk, small_disk

COUNT = """
import os
from service.meters import keep, meters, WriterMeters
keep()
meters().answered("GET", "/healthz", 200, 0.01)
watch = WriterMeters(meters())
watch.committed("decisions", 3, 0.002, well=True)
watch.waits(7)
print(os.getpid())
"""


def counted(directory: Path) -> int:
    """Have a process count; its id."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        env=os.environ | {DIRECTORY_VARIABLE: str(directory)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def refuse() -> Runtime:
    raise RefusedError("start-up: no")


def test_processes_are_added_up_and_their_room_is_taken_at_once(tmp_path: Path) -> None:
    clear(tmp_path / "metrics")
    pids = [counted(tmp_path / "metrics") for _ in range(2)]
    files = list((tmp_path / "metrics").iterdir())
    assert len(files) == 6
    for file in files:
        assert file.stat().st_size == file.stat().st_blocks * 512 == FILE_BYTES
        assert file.stat().st_mode & 0o077 == 0
    text = collected(tmp_path / "metrics", [Ledger("bank-a", refuse)], os.getpid()).decode()
    assert 'ledger_http_requests_total{method="GET",rule="/healthz",status="200"} 2.0' in text
    assert 'ledger_commit_records_sum{log="decisions"} 6.0' in text
    assert 'ledger_up{tenant="bank-a"} 0.0' in text
    assert "ledger_writer_waiting 7" not in text  # nothing waits with a process that is gone
    assert all(f"{pid}" not in text for pid in pids)
    clear(tmp_path / "metrics")
    assert list((tmp_path / "metrics").iterdir()) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 64 * PAGE) as made:
        yield made


def test_without_room_they_are_kept_in_memory(disk: SmallDisk) -> None:
    counted(disk.path)
    assert list(disk.path.iterdir()) == []


def test_a_ledger_that_starts_later_is_taken_up_then(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    ledger = Ledger("", lambda: Runtime.open(settings))
    assert list(ledger.samples()) == [("ledger_up", (), 0)]
    found(settings)
    samples = {(name, labels): value for name, labels, value in ledger.samples()}
    assert samples["ledger_up", ()] == 1
    assert samples["ledger_log_entries", ("access",)] == 1
    assert samples["ledger_part_ready", ("clock",)] == 1
    (settings.locks_dir / "access.lock").unlink()
    later = {(name, labels): value for name, labels, value in ledger.samples()}
    assert later["ledger_part_ready", ("lock",)] == 0
    assert ("ledger_log_entries", ("access",)) not in later  # unknown, rather than zero
    assert later["ledger_disk_free_bytes", ()] > 0
    ledger.close()


def test_the_writers_numbers_are_what_the_writer_tells() -> None:
    registry = CollectorRegistry()
    watch: Watch = WriterMeters(Meters(registry))
    watch.committed("access", 1, 0.5, well=False)
    watch.crowded()
    assert crowded().retry_after > 0
    commits = registry.get_sample_value
    assert commits("ledger_commits_total", {"log": "access", "outcome": "failed"}) == 1
    assert commits("ledger_writer_pushbacks_total") == 1


def test_a_scrape_that_fails_is_one_line_and_the_next_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "metrics"
    with Exporter(("127.0.0.1", 0), directory, [], 0) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(httpx.RemoteProtocolError):  # its directory is gone
            httpx.get(url)
        clear(directory)
        assert httpx.get(url).status_code == 200
        server.shutdown()
    assert caplog.text.count("a scrape failed") == 1
