"""A writer and a web server, kept: here two programs of a few lines stand in for them."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from service.supervision import FAILED, supervise

LISTENS = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open(sys.argv[2], "a").write("started\\n")
import os
if os.path.exists(sys.argv[1]): os.unlink(sys.argv[1])
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
time.sleep(float(sys.argv[3]))
sys.exit(3)
"""


def writer(folder: Path, seconds: float = 60) -> list[str]:
    place, log = str(folder / "w.sock"), str(folder / "log")
    return [sys.executable, "-c", LISTENS, place, log, str(seconds)]


def web(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def starts(folder: Path) -> int:
    return (folder / "log").read_text().count("started")


def test_it_ends_as_the_web_server_ends(tmp_path: Path) -> None:
    for status in (0, 4):
        code = web(f"import sys, time; time.sleep(0.3); sys.exit({status})")
        assert supervise(tmp_path / "w.sock", writer(tmp_path), code) == status


def test_a_writer_that_ends_is_started_again(tmp_path: Path) -> None:
    code = web("import time; time.sleep(2.5)")
    assert supervise(tmp_path / "w.sock", writer(tmp_path, 0.5), code) == 0
    assert starts(tmp_path) >= 2


def test_a_writer_that_always_ends_ends_everything(tmp_path: Path) -> None:
    code = web("import time; time.sleep(60)")
    assert supervise(tmp_path / "w.sock", writer(tmp_path, 0.1), code) == FAILED
    assert starts(tmp_path) == 6


def test_without_a_writer_nothing_is_served(tmp_path: Path) -> None:
    mark = tmp_path / "served"
    code = web(f"open({str(mark)!r}, 'w')")
    refuses = [sys.executable, "-c", "import sys; sys.exit(2)"]
    assert supervise(tmp_path / "w.sock", refuses, code) == FAILED
    assert not mark.exists()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_web_server_first(tmp_path: Path, which: signal.Signals) -> None:
    asked = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    before = signal.getsignal(which)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), which))
    timer.start()
    assert supervise(tmp_path / "w.sock", writer(tmp_path), web(asked + "time.sleep(60)")) == 0
    timer.join()
    assert signal.getsignal(which) == before


def test_what_runs_aside_is_started_again_and_takes_nothing_down(tmp_path: Path) -> None:
    mark = tmp_path / "aside"
    aside = web(f"open({str(mark)!r}, 'a').write('x'); import sys; sys.exit(139)")
    code = web("import time; time.sleep(3.5)")
    assert supervise(tmp_path / "w.sock", writer(tmp_path), code, aside) == 0
    assert 1 <= len(mark.read_text()) <= 2  # after a pause that grows
