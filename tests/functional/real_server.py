"""The real server in processes of its own, which can be stopped and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

SECONDS = 60  # for the server to answer, on a busy machine


class RealServer:
    """`decision-ledger serve` on a free port, with these settings."""

    def __init__(
        self, settings: Mapping[str, str], log: Path, directory: Path | None = None
    ) -> None:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("LEDGER_")}
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._directory = directory
        self._settings = clean | dict(settings) | {"PORT": str(port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process that was started last, which leads a group of its own."""
        return self._process

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return once it is ready."""
        assert not self.runs
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve"],
                env=self._settings,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,  # one signal reaches the worker too
            )
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, self._log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def ask_to_end(self) -> subprocess.Popen[bytes]:
        """Tell the first process alone, as a service manager does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def kill_writer(self) -> None:
        """End the writer process alone; return once there is no such process."""
        self._kill_child(b"service.writer")

    def kill_attributor(self) -> None:
        """End the worker on attributions alone; return once there is no such process."""
        self._kill_child(b"service.attributor")

    def _kill_child(self, module: bytes) -> None:
        assert self._process is not None
        for pid, words in self.processes().items():
            if module in words and parent(pid) == self._process.pid:
                os.kill(pid, signal.SIGKILL)
                return
        raise AssertionError(f"there is no {module.decode()}")

    def processes(self) -> dict[int, list[bytes]]:
        """Every process of it now, those below others as well, with its command."""
        assert self._process is not None
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            pid = int(path.parent.name)
            try:
                if os.getpgid(pid) == self._process.pid:
                    found[pid] = path.read_bytes().split(b"\0")
            except OSError:
                continue  # it ended meanwhile
        return found

    def client(self, key: str, **headers: str) -> httpx.Client:
        """A client that holds this key."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}", **headers},
            timeout=SECONDS,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait(SECONDS)


def parent(pid: int) -> int | None:
    """The process that started another; None if that ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return None
