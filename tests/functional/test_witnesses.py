"""Witnesses as processes of their own: what a relying party with a quorum then accepts.

Also what the operator is told when one is stopped, one lies, or the ledger was rolled back.
"""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.tlog.note import NoteSignature
from ledger.tlog.policy import Group, Policy, Witness
from ledger.verify.__main__ import main as verify
from service import create_app
from service.cli import main
from service.runtime import Runtime
from service.settings import Settings
from tests.ledger.operate.witnessed import new_keys
from tests.service.ui.lender import POLICY

SECONDS = 30  # for a process to answer, on a busy machine

pytestmark = pytest.mark.slow


def run(*arguments: str, data: Path | None = None, code: int = 0) -> Result:
    environment = {} if data is None else {"LEDGER_DATA": str(data)}
    done = CliRunner(env=environment).invoke(main, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return done


class Process:
    """`decision-ledger witness serve`, on a port that it keeps."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "service.cli",
                "witness",
                "serve",
                str(self.directory),
                "--port",
                str(self.port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert "of 2 logs at http://127.0.0.1:" in said, self._process.communicate()
        self.port = int(said.rpartition(":")[2])

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, complained = self._process.communicate(timeout=SECONDS)
        assert self._process.returncode == 0
        assert complained == ""


@dataclass
class Town:
    """A ledger, two witnesses elsewhere, and a relying party that demands both."""

    place: Path
    witnesses: list[Process] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def reader(self) -> Path:
        return self.place / "reader-policy.txt"

    def cosign(self, *options: str, code: int = 0) -> str:
        return run("cosign", *options, data=self.data, code=code).output

    def grow(self, version: str, code: int = 0) -> str:
        path = self.place / f"policy-{version}.json"
        path.write_text(json.dumps(POLICY | {"version": version}))
        return run("policy", "register", str(path), data=self.data, code=code).output

    def write_policies(self, *more: Witness) -> None:
        """The operator's list of witnesses with addresses, and the reader's quorum of two."""
        logs = Policy.parse((self.data / "policy.txt").read_text()).logs
        lines: list[Witness] = []
        groups: list[Group] = []
        for process in self.witnesses:
            own = Policy.parse((process.directory / "witness.txt").read_text())
            url = f"http://127.0.0.1:{process.port}"
            lines += [Witness(each.name, each.key, url) for each in own.witnesses]
            groups += own.groups
        lines += more
        both = Group("both", 2, tuple(each.name for each in groups))
        policy = Policy(logs, tuple(lines), (*groups, both), "both")
        (self.data / "witnesses.txt").write_text(policy.format())
        bare = tuple(Witness(each.name, each.key) for each in lines)
        self.reader.write_text(Policy(logs, bare, policy.groups, "both").format())

    def accepts(self, target: Path) -> bool:
        """What `python -m ledger.verify` says with the reader's policy."""
        return verify([str(target), "--policy", str(self.reader)]) == 0

    def receipt(self, index: int) -> Path:
        runtime = Runtime.open(Settings(data=self.data))
        try:
            text = runtime.logs["decisions"].receipt_at(index).format()
        finally:
            runtime.close()
        path = self.place / f"{index}.tlog-proof"
        path.write_text(text, encoding="utf-8")
        return path

    def served(self) -> str:
        """What anyone reads at /log/decisions/checkpoint."""
        app = create_app(Settings(data=self.data))
        try:
            return app.test_client().get("/log/decisions/checkpoint").get_data(as_text=True)
        finally:
            app.extensions["ledger"].close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    one = Town(tmp_path)
    run("init", "--origin", "ledger.example/demo", data=one.data)
    with contextlib.ExitStack() as stack:
        for name in ("authority.example/w1", "university.example/w2"):
            directory = tmp_path / name.partition(".")[0]
            policy = str(one.data / "policy.txt")
            run("witness", "init", str(directory), "--name", name, "--policy", policy)
            process = Process(directory)
            stack.callback(process.stop)
            one.witnesses.append(process)
        one.write_policies()
        yield one


def test_a_reader_with_a_quorum_accepts_what_both_witnesses_cosigned(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    town.grow("1.0.0")
    assert not town.accepts(town.receipt(1))
    bare = town.served()
    said = town.cosign()
    assert "decisions: 2 entries, cosigned by 2 of 2 witnesses, quorum reached" in said
    assert "access: 1 entries, cosigned by 2 of 2 witnesses, quorum reached" in said
    assert town.accepts(town.receipt(1))
    served = town.served()
    assert served.startswith(bare)
    assert served.count("— authority.example/w1 ") == 2
    published = town.place / "published"
    run("export", str(published), data=town.data)
    assert town.accepts(published / "decisions")
    assert town.accepts(published / "access")
    # The log grows: its newest head is bare again, and the receipt keeps the cosigned one.
    town.grow("2.0.0")
    assert "authority.example" not in town.served()
    assert town.accepts(town.receipt(1))
    assert not town.accepts(town.receipt(2))
    town.cosign()
    assert town.accepts(town.receipt(2))
    shown = run("witness", "show", str(town.witnesses[0].directory)).output
    assert "# ledger.example/demo/log/decisions: 3 entries, cosigned at " in shown
    assert "witness authority.example/w1-ed25519 authority.example/w1+" in shown
    capsys.readouterr()


def test_a_stopped_witness_costs_the_quorum_and_nothing_else(town: Town) -> None:
    town.cosign()
    town.witnesses[1].stop()
    town.grow("1.0.0")
    said = town.cosign(code=1)
    assert "decisions: 2 entries, cosigned by 1 of 2 witnesses, QUORUM NOT REACHED" in said
    assert f"http://127.0.0.1:{town.witnesses[1].port}: it cannot be reached" in said
    assert town.accepts(town.receipt(0))  # under the head that both cosigned before
    assert not town.accepts(town.receipt(1))
    town.witnesses[1].start()  # with what it remembers
    assert "quorum reached" in town.cosign()
    assert town.accepts(town.receipt(1))


def test_a_rolled_back_ledger_is_told_and_stops(town: Town) -> None:
    town.grow("1.0.0")
    backup = town.place / "backup"
    shutil.copytree(town.data, backup)
    town.grow("2.0.0")
    town.cosign()
    # Somebody restores everything, the checkpoint lock as well: nothing local can tell.
    shutil.rmtree(town.data)
    backup.rename(town.data)
    said = town.cosign(code=1)
    assert "FORK SUSPECTED" in said
    assert "has cosigned 3 entries of ledger.example/demo/log/decisions" in said
    assert "this ledger has 2" in said
    # From here on nothing is written, until somebody who owns the files takes the mark away.
    assert "nothing is written" in town.grow("3.0.0", code=1)
    shutil.rmtree(town.data / "fork-suspected")
    # It grows to the old size with other entries; now the witness has the proof of it.
    town.grow("3.0.0")
    assert "that are not the first 3 of this ledger" in town.cosign(code=1)
    shutil.rmtree(town.data / "fork-suspected")
    assert not town.accepts(town.receipt(2))
    shown = run("witness", "show", str(town.witnesses[0].directory), code=1).output
    assert "FORK of ledger.example/demo/log/decisions" in shown
    assert shown.count("ledger.example/demo/log/decisions\n3\n") == 2


def test_the_commands_of_a_witness_load_no_server(town: Town) -> None:
    """What the `witness` extra installs is enough."""
    directory = str(town.witnesses[0].directory)
    code = f"import sys; before = set(sys.modules); from service.cli import main; main(['witness', 'show', {directory!r}], standalone_mode=False); print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    ours = {"ledger", "service", "explain", "reports"}
    light = {"click", "cryptography", "_cffi_backend", "_openssl", "rfc8785"}
    assert "service" in loaded
    loaded = {name for name in loaded if not name.startswith("_sysconfigdata")}  # of no list
    assert loaded - ours - light - sys.stdlib_module_names == set()


@contextlib.contextmanager
def liar(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """A machine that answers every request as `act` does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                act(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(SECONDS)


def slow(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.05)


def huge(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall("— x AAAAAAAA\n".encode() * 5_000)


@pytest.mark.parametrize(
    ("act", "trouble"), [(slow, "it was too slow"), (huge, "its answer was too long")]
)
def test_a_witness_that_will_not_end_is_cut(
    town: Town,
    act: Callable[[socket.socket], None],
    trouble: str,
) -> None:
    key = new_keys("liar.example").cosigners(1)[0].verifier_key
    with liar(act) as url:
        town.write_policies(Witness("liar", key, url))
        said = town.cosign("--timeout=1")
    assert "cosigned by 2 of 3 witnesses, quorum reached" in said
    assert f"{url}: {trouble}" in said
    assert town.accepts(town.receipt(0))


def test_a_false_signature_convinces_nobody(town: Town) -> None:
    """The second witness's lines, changed by whoever sits in between."""
    real = town.witnesses[1].port

    def relay(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + false_lines)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):  # one that closes on what it was sent resets the answer
            pass

    own = Policy.parse((town.witnesses[1].directory / "witness.txt").read_text()).witnesses
    key = own[0].key
    signature = b"\0" * 7 + b"\1" + b"x" * 64  # a time, and no signature
    false_lines = NoteSignature(key.name, key.key_id, signature).line().encode()
    with liar(relay) as url:
        town.witnesses[1].port = int(url.rpartition(":")[2])
        town.write_policies()
        said = town.cosign(code=1)
        town.witnesses[1].port = real
    assert f"{url}: Ed25519: the signature does not verify" in said
    assert "QUORUM NOT REACHED, nothing kept" in said
    assert not town.accepts(town.receipt(0))
    assert not (town.data / "cosigned").exists()
