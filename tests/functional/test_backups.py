"""Backups, restores and suspected forks as an operator meets them, with real witnesses outside."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.tlog.policy import Policy
from ledger.verify.__main__ import main as verify
from tests.functional.real_server import RealServer
from tests.functional.test_witnesses import Town, liar, run, town

__all__ = ["town"]

pytestmark = pytest.mark.slow


@pytest.fixture
def cosigned(town: Town) -> Town:
    """A ledger of two entries that was backed up, and of three that both witnesses cosigned."""
    town.grow("1.0.0")
    run("backup", str(town.place / "old"), data=town.data)
    town.grow("2.0.0")
    town.cosign()
    return town


def without_data(town: Town, *kept: str) -> Path:
    """Another machine with the keys of this one, and what else is named."""
    place = town.place / "new"
    place.mkdir()
    for name in ("keys", "vault.kek", *kept):
        source = town.data / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, place / name)
    return place


def kept_checkpoints(town: Town, backup: Path) -> list[str]:
    """Options with the checkpoints of a backup, as if somebody had kept them."""
    options = []
    for log in json.loads((backup / "ledger/manifest.json").read_bytes())["logs"]:
        path = town.place / f"kept-{log['origin'].rpartition('/')[2]}"
        path.write_text(log["checkpoint"], encoding="utf-8")
        options.append(f"--checkpoint={path}")
    return options


def roll_back(town: Town) -> None:
    """Put the old database back by hand, and the lock of its time with it."""
    for path in town.data.glob("*.db*"):
        path.unlink()
    shutil.copyfile(town.place / "old/ledger/ledger.db", town.data / "ledger.db")
    shutil.copyfile(town.place / "old/vault/vault.db", town.data / "vault.db")
    logs = json.loads((town.place / "old/ledger/manifest.json").read_bytes())["logs"]
    for log in logs:
        name = log["origin"].rpartition("/")[2]
        (town.data / f"checkpoints/{name}.lock").write_text(log["checkpoint"], encoding="utf-8")


def test_an_older_backup_is_refused_by_a_witness(cosigned: Town) -> None:
    new = without_data(cosigned)
    options = kept_checkpoints(cosigned, cosigned.place / "old")
    old = str(cosigned.place / "old")
    said = run("restore", old, *options, "--write-checkpoint-lock", data=new, code=1).output
    assert "FORK SUSPECTED: the witness at http://127.0.0.1:" in said
    assert "holds a signed checkpoint of 3 entries of ledger.example/demo/log/decisions" in said
    assert "there are 2 here: 1 missing" in said
    assert {path.name for path in new.iterdir()} == {"keys", "vault.kek"}


def test_the_newest_backup_is_restored_with_the_witnesses_consent(cosigned: Town) -> None:
    backup = cosigned.place / "b"
    made = run("backup", str(backup), data=cosigned.data).output
    assert "ledger.example/demo/log/decisions: 3 entries" in made
    assert "keep the two parts apart" in made
    checked = run("restore", str(backup), "--check", data=cosigned.place / "nowhere").output
    assert "log/decisions: 3 entries as they were signed" in checked
    assert not (cosigned.place / "nowhere").exists()
    new = without_data(cosigned)
    said = run("restore", str(backup), data=new, code=1).output
    assert "say so with --write-checkpoint-lock" in said
    cosigned.witnesses[1].stop()
    said = run("restore", str(backup), "--write-checkpoint-lock", data=new, code=1).output
    assert "could not be asked" in said
    cosigned.witnesses[1].start()
    done = run("restore", str(backup), "--write-checkpoint-lock", data=new).output
    assert done.count("knows 3 entries, all in the backup") == 2
    assert "On your word the checkpoint lock of ledger.example/demo/log/decisions was made" in done
    assert "Restored the ledger and vault" in done
    run("key", "issue", "--name", "x", "--role", "auditor", data=new)
    assert "quorum reached" in run("cosign", data=new).output


def test_the_lock_of_this_machine_decides_alone(cosigned: Town) -> None:
    backup = cosigned.place / "b"
    run("backup", str(backup), data=cosigned.data)
    for witness in cosigned.witnesses:
        witness.stop()
    new = without_data(cosigned, "checkpoints")
    old = run("restore", str(cosigned.place / "old"), data=new, code=1).output
    assert "this machine's checkpoint lock holds a signed checkpoint of 3 entries" in old
    run("restore", str(backup), data=new)
    assert {path.name for path in new.iterdir()} >= {"ledger.db", "vault.db", "policy.txt"}


def test_a_rolled_back_ledger_does_not_serve(cosigned: Town) -> None:
    roll_back(cosigned)
    said = run("serve", data=cosigned.data, code=1).output
    assert "NOT IN THE LOG HERE" in said
    assert "FORK SUSPECTED: the witness at" in said
    # From here on nobody writes, whoever is asked and whatever comes up again.
    (cosigned.data / "witnesses.txt").unlink()
    assert "FORK SUSPECTED" in run("serve", data=cosigned.data, code=1).output
    assert "FORK SUSPECTED" in cosigned.grow("3.0.0", code=1)
    # What the log's own keys signed is no false alarm.
    dismissed = run("fork", "dismiss", "--reason", "never mind", data=cosigned.data, code=1).output
    assert "the evidence holds a signed checkpoint of 3 entries" in dismissed
    assert (cosigned.data / "fork-suspected").is_dir()
    # A backup is made all the same: it is evidence, and it takes the evidence along.
    run("backup", str(cosigned.place / "evidence"), data=cosigned.data)
    assert list((cosigned.place / "evidence/ledger/fork-suspected").iterdir())


def test_a_silent_witness_is_a_warning_at_the_start(cosigned: Town) -> None:
    cosigned.witnesses[1].stop()
    log = cosigned.place / "server.log"
    with RealServer({"LEDGER_DATA": str(cosigned.data)}, log):
        pass
    said = log.read_text()
    assert said.count("decisions, 3 entries, contained in the log here") == 1
    assert said.count("nothing to compare with: it cannot be reached") == 2
    assert f"http://127.0.0.1:{cosigned.witnesses[1].port}: decisions" in said
    assert run("fork", "check", data=cosigned.data, code=2).output.count("cannot be reached") == 2
    cosigned.witnesses[1].start()
    run("fork", "check", data=cosigned.data)


def conflict(size: int) -> bytes:
    body = f"{size}\n"
    head = "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.fixture
def lied_to(cosigned: Town) -> Iterator[Town]:
    """The second witness says that it cosigned a thousand entries, and shows nothing."""
    real = cosigned.witnesses[1].port
    with liar(lambda connection: connection.sendall(conflict(1000))) as url:
        cosigned.witnesses[1].port = int(url.rpartition(":")[2])
        cosigned.write_policies()
        yield cosigned
        cosigned.witnesses[1].port = real


def test_a_suspicion_stops_a_running_service_until_it_is_dismissed(lied_to: Town) -> None:
    data = {"LEDGER_DATA": str(lied_to.data)}
    key = run("key", "issue", "--name", "x", "--role", "auditor", data=lied_to.data).stdout.strip()
    server = RealServer(data, lied_to.place / "server.log")
    with server, server.client(key) as client:
        assert client.get("/readyz").status_code == 200
        said = lied_to.cosign(code=1)
        assert "FORK SUSPECTED" in said
        assert "has cosigned 1000 entries" in said
        assert client.get("/readyz").status_code == 503
        assert client.get("/log/decisions/checkpoint").status_code == 200  # reading goes on
        shown = run("fork", "check", data=lied_to.data, code=1).output
        assert "has cosigned 1000 entries of ledger.example/demo/log/decisions" in shown
        reason = "the witness cannot show what it says it cosigned"
        done = run("fork", "dismiss", "--reason", reason, data=lied_to.data).output
        assert "Dismissed. The reason is sealed with the incident" in done
        assert client.get("/readyz").status_code == 200
    assert not (lied_to.data / "fork-suspected").exists()
    assert list((lied_to.data / "fork-dismissed").rglob("*.json"))
    listed = run("incident", "list", data=lied_to.data).output
    assert listed.count("fork_dismissed") == 1
    entry = listed.split()[2]
    detail = json.loads(run("incident", "show", entry, data=lied_to.data).stdout)
    assert detail["code"] == "fork_dismissed"
    assert detail["detail"]["reason"] == reason
    assert "1000 entries" in detail["detail"]["suspected"][0]["said"]
    said = run("fork", "dismiss", "--reason", "again", data=lied_to.data, code=1).output
    assert "no fork is suspected here" in said
    assert run("incident", "list", data=lied_to.data).output == listed


def test_a_dismissal_says_why(lied_to: Town) -> None:
    lied_to.cosign(code=1)
    assert "--reason" in run("fork", "dismiss", "--reason", "", data=lied_to.data, code=2).output
    assert (lied_to.data / "fork-suspected").exists()


def test_a_lost_ledger_is_continued_and_anyone_can_check_where(cosigned: Town) -> None:
    again = cosigned.place / "again"
    done = run(
        "continue", "--origin", "ledger.example/again", "--from", str(cosigned.place / "old"),
        "--reason", "the disk and its lock are gone", "--checkpoint",
        str(cosigned.data / "cosigned/decisions.note"), data=again,
    ).output  # fmt: skip
    assert "ledger.example/again/log/decisions says in entry 1 (history_lost)" in done
    assert "2 entries are left, 3 were signed" in done
    assert "ledger.example/again/log/access says in entry 1 (fork_acknowledged)" in done
    entry = run("incident", "list", data=again).output.split()[2]
    receipt, openings = cosigned.place / "i.tlog-proof", cosigned.place / "i.json"
    run("incident", "show", entry, "--receipt", str(receipt), data=again)
    shown = run("incident", "show", entry, "--openings", data=again).stdout
    openings.write_text(shown)
    policy = str(again / "policy.txt")
    assert verify([str(receipt), "--policy", policy, "--openings", str(openings)]) == 0
    assert (
        Policy.parse((again / "policy.txt").read_text())
        .logs[0]
        .key.name.startswith("ledger.example/again/")
    )
    said = run("incident", "vault-lost", "--reason", "x", data=again, code=1).output
    assert "nothing is lost" in said


def test_a_backup_that_is_not_sound_says_where(cosigned: Town) -> None:
    path = cosigned.place / "old/ledger/ledger.db"
    path.write_bytes(path.read_bytes().replace(b'"log_created"', b'"log_CREATED"'))
    said = run("restore", str(cosigned.place / "old"), "--check", code=1).output
    assert "ledger.db is not as it was backed up" in said
    from hashlib import sha256

    from ledger import canonical

    manifest = cosigned.place / "old/ledger/manifest.json"
    document = json.loads(manifest.read_bytes())
    for file in document["files"]:
        if file["path"] == "ledger.db":
            file["sha256"] = sha256(path.read_bytes()).hexdigest()
    manifest.write_bytes(canonical.encode(document))
    said = run("restore", str(cosigned.place / "old"), "--check", code=1).output
    assert "RESULT: NOT FINE" in said
    assert "entry 0" in said
    both = run(
        "restore", str(cosigned.place / "old"), "--check", "--witnesses", str(manifest), code=2
    )
    assert "--check compares the backup with itself" in both.output


def test_a_vault_that_is_lost_for_good_is_put_on_record(cosigned: Town) -> None:
    entry = lose_an_incident(cosigned)
    said = run("key", "list", data=cosigned.data, code=1).output
    assert "the vault is empty" in said
    assert f"up to entry {entry}" in said
    said = run("incident", "vault-lost", "--reason", "no backup", data=cosigned.data).output
    assert f"On record as entry {entry + 1}" in said
    run("key", "list", data=cosigned.data)
    assert "vault_records_lost" in run("incident", "list", data=cosigned.data).output


def lose_an_incident(town: Town) -> int:
    """Make a record, and lose the vault with its key; return the record's entry."""
    (town.data / "fork-suspected").mkdir()
    done = run("fork", "dismiss", "--reason", "a trial", data=town.data).output
    for path in town.data.glob("vault.db*"):
        path.unlink()
    return int(done.partition("entry ")[2].split(".")[0])
