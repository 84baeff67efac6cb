"""The commands for operators: what waits is seen and delivered, and no datum is shown."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.client.__main__ import KEY_VARIABLE, main
from ledger.verify.verifier import verify_receipt
from tests.ledger.client.clients import client_of
from tests.ledger.client.simulator import KEY, POLICY, Ledger, decision, serving, swapped

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def left(spool: Path) -> str:
    """A spool that a process has left behind with three decisions; the lane's name."""
    with client_of(NOWHERE, spool) as client:
        for number in range(3):
            ticket = client.record(**decision(subject=f"S-{number}"))
    return ticket.source


@dataclass(frozen=True)
class Desk:
    """An operator's terminal, beside a spool and a ledger."""

    capsys: pytest.CaptureFixture[str]
    spool: Path
    ledger: Ledger
    url: str
    key: Path
    policy: Path

    def run(self, command: str, *arguments: object) -> tuple[int, str]:
        return run(self.capsys, command, self.spool, *arguments)

    def ship(self, *arguments: object) -> tuple[int, str]:
        return self.run("ship", "--url", self.url, "--key-file", self.key, *arguments)


@pytest.fixture
def desk(
    capsys: pytest.CaptureFixture[str], spool: Path, ledger: Ledger, url: str, tmp_path: Path
) -> Desk:
    key, policy = tmp_path / "key", tmp_path / "policy.txt"
    key.write_text(f"{KEY}\n")
    policy.write_text(POLICY.format())
    return Desk(capsys, spool, ledger, url, key, policy)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main([str(each) for each in arguments])
    return status, capsys.readouterr().out


def test_status_says_what_waits(left: str, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run(capsys, "status", spool)
    assert status == 0
    assert f"{left}: free, 3 pending since 20" in said
    assert "1 lanes, 3 decisions pending, 0 alarms" in said
    assert "S-1" not in said
    status, said = run(capsys, "status", "--json", spool)
    (lane,) = json.loads(said)["lanes"]
    assert (lane["source"], lane["pending"], lane["last"]) == (left, 3, 3)


def test_status_sees_a_lane_in_use_and_one_that_cannot_be_read(
    left: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with client_of(NOWHERE, spool) as client:
        client.start()
        assert f"{left}: in use" in run(capsys, "status", spool)[1]
    (spool / "lanes" / left / "state").write_bytes(b"x")
    status, said = run(capsys, "status", spool)
    assert (status, f"{left}: unreadable" in said) == (1, True)


def test_ship_delivers_what_was_left(left: str, desk: Desk) -> None:
    status, said = desk.ship("--policy", desk.policy)
    assert (status, "3 recorded" in said, "NOT CHECKED" in said) == (0, True, False)
    assert desk.ledger.counters() == {left: [1, 2, 3]}
    name = next(iter(desk.ledger.places))
    status, text = desk.run("receipt", name)
    assert verify_receipt(text, POLICY).entry.id == name
    assert desk.run("status")[0] == 0
    assert desk.run("receipt", name[:-1] + "x")[0] == 2


def test_ship_says_what_stopped_it(left: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert left
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert desk.run("ship", "--url", desk.url)[0] == 2
    monkeypatch.setenv(KEY_VARIABLE, "dl_secret")
    for address, status, why in [
        (NOWHERE, 2, "STOPPED: no answer"),
        (desk.url, 1, "does not know the key"),
        ("ftp://x", 2, "not an http"),
    ]:
        got, said = desk.run("ship", "--url", address)
        assert (got, why in said) == (status, True)
        assert "dl_secret" not in said
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    desk.ledger.after.append(swapped)
    got, said = desk.run("ship", "--url", desk.url, "--policy", desk.policy)
    assert (got, "STOPPED: " in said) == (1, True)
    assert desk.run("status")[0] == 1  # an alarm
    got, said = desk.run("ship", "--url", desk.url)
    assert (got, "NOT CHECKED who signed" in said) == (0, True)


def test_ship_leaves_lanes_in_use_alone(left: str, desk: Desk) -> None:
    with client_of(NOWHERE, desk.spool) as client:
        client.start()
        status, said = desk.ship()
        assert (status, f"{left}: is in use by a process" in said) == (0, True)


def test_refused_decisions_are_listed_and_sent_again_when_the_reason_is_gone(
    left: str, desk: Desk
) -> None:
    desk.ledger.refused = {"S-0", "S-2"}
    status, said = desk.ship()
    assert (status, "1 recorded" in said, "2 refused" in said) == (1, True, True)
    assert desk.ledger.gaps == [(left, seq, seq, "refused_by_ledger") for seq in (1, 3)]
    status, said = desk.run("refused")
    assert (status, said.count("422 /problems/invalid model no such model")) == (1, 2)
    assert "S-0" not in said
    desk.ledger.refused = {"S-2"}
    assert desk.ship("--refused")[0] == 1
    assert desk.run("refused")[1].endswith("1 refused\n")
    desk.ledger.refused = set()
    assert desk.ship("--refused")[0] == 0
    assert desk.run("refused") == (0, "0 refused\n")
    assert desk.ledger.counters() == {left: [2, 1, 3]}


def test_an_encrypted_spool_needs_its_key(desk: Desk, tmp_path: Path) -> None:
    with client_of(NOWHERE, desk.spool, spool_key=bytes(range(32))) as client:
        client.record(**decision())
    assert "1 pending" in desk.run("status")[1]
    status, said = desk.ship()
    assert (status, "cannot be read" in said) == (1, True)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(65)))
    assert desk.ship("--spool-key-file", secret)[0] == 2
    secret.write_bytes(bytes(range(32)))
    assert desk.ship("--spool-key-file", secret)[0] == 0
    assert len(desk.ledger.decisions) == 1


def test_where_there_is_no_spool_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(capsys, "status", tmp_path / "nowhere")
    assert (status, "no spool here" in said) == (2, True)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "lanes").mkdir()
    given = ("--url", NOWHERE, "--key-file", tmp_path / "no", "--policy", tmp_path / "no")
    assert run(capsys, "ship", tmp_path, *given)[0] == 2


def test_it_runs_as_a_command(left: str, spool: Path) -> None:
    command = [sys.executable, "-m", "ledger.client", "status", str(spool)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert left in done.stdout


def test_what_waits_at_the_end_of_a_program_is_delivered(tmp_path: Path) -> None:
    ledger = Ledger()
    code = (
        "import sys; from pathlib import Path; from ledger.client import Client\n"
        "from tests.ledger.client.simulator import *\n"
        "client = Client(sys.argv[1], KEY, source='x', spool=Path(sys.argv[2]), policy=POLICY)\n"
        "client.record(**decision())\n"
    )
    with serving(ledger) as url:
        command = [sys.executable, "-c", code, url, str(tmp_path)]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[3])
    assert len(ledger.decisions) == 1
