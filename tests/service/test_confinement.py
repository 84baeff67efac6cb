"""What the process of a model may still do: threads and numbers, and none of it after its end."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from explain.errors import ModelCrashed
from service import sandbox
from service.model_frames import packed
from tests.service.test_sandbox import peer


def test_it_is_confined_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_KEY_PASSPHRASE", "secret")
    key = tmp_path / "vault.kek"
    key.write_bytes(b"a key")
    code = f"""
import ctypes, fcntl, json, os, platform, resource, signal, socket, subprocess, sys, threading
from service.confinement import confine
from service.readable_files import leave_only_programs
answers = os.dup(1)
library = ctypes.CDLL(None, use_errno=True)
def call(name, *given):
    at = ["x86_64", "aarch64"].index(platform.machine())
    if library.syscall({{"tgkill": (234, 131), "rt_sigqueueinfo": (129, 138)}}[name][at], *given):
        raise OSError(ctypes.get_errno(), name)
def threads():
    one = threading.Thread(target=str)
    one.start()
    one.join()
said = {{"jailed": leave_only_programs(), "confined": confine(), "told": "LEDGER_KEY_PASSPHRASE" in os.environ}}
for name, deed in {{
    "network": lambda: socket.socket(),
    "program": lambda: subprocess.run(["/bin/true"]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "queued": lambda: call("rt_sigqueueinfo", os.getppid(), 0, bytes(128)),
    "thread": lambda: call("tgkill", os.getppid(), os.getppid(), 0),
    "handle": lambda: os.pidfd_open(os.getppid()),
    "handled": lambda: signal.pidfd_send_signal(0, 0),
    "limit": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE),
    "owner": lambda: fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid()),
    "fork": lambda: os.fork() or os._exit(0),
    "own": lambda: call("tgkill", os.getpid(), os.getpid(), 0),
    "abreast": lambda: threads(),
    "file": lambda: open({str(tmp_path / "written")!r}, "w").write("x" * 9000),
    "key": lambda: open({str(key)!r}).read(),
    "parent": lambda: open(f"/proc/{{os.getppid()}}/environ").read(),
    "library": lambda: __import__("zoneinfo"),
    "memory": lambda: bytearray(2**33),
}}.items():
    try:
        deed()
        said[name] = "done"
    except BaseException as error:
        said[name] = type(error).__name__
said["processor"] = resource.getrlimit(resource.RLIMIT_CPU)[1] < 10_000
os.write(answers, json.dumps(said).encode())
"""
    process = sandbox._Process(peer(code))
    with os.fdopen(os.dup(process._from), "rb") as answers:
        said = json.loads(answers.read())
    process.end()
    assert said["told"] is False
    assert said["processor"] is True
    assert said["file"] == ("PermissionError" if said["jailed"] else "OSError")
    assert said["library"] == "done"
    if said["jailed"]:  # on Linux with Landlock
        assert (said["key"], said["parent"]) == ("PermissionError",) * 2
    assert said["memory"] == "MemoryError"
    if said["confined"]:  # on Linux, on processors that are known
        refused = ("network", "program", "signal", "queued", "thread", "handle", "handled")
        for deed in (*refused, "limit", "owner", "fork"):
            assert (deed, said[deed]) == (deed, "PermissionError")
        assert (said["own"], said["abreast"]) == ("done", "done")


# A process that has another, which goes on when it ends.
FORKING = """
import os, subprocess, sys
two = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=2)
os.write(1, str(two.pid).encode().rjust(9))
{end}
"""


@pytest.mark.parametrize("end", ["import time; time.sleep(600)", "os._exit(3)"])
def test_whatever_it_started_ends_with_it(end: str) -> None:
    process = sandbox._Process(peer(FORKING.format(end=end)))
    other = int(process._read(9, time.monotonic() + 60))
    if "exit" in end:
        with pytest.raises(ModelCrashed, match="status 3"):
            process.exchange(packed({}), 60)
    process.end()
    until = time.monotonic() + 60
    while is_alive(other) and time.monotonic() < until:
        time.sleep(0.01)  # it is killed at once, and gone when the system comes to it
    assert not is_alive(other)


def is_alive(pid: int) -> bool:
    """Whether the process runs: one that nobody has waited for is none."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return state.stdout.strip()[:1] not in {"", "Z"}
