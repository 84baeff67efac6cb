"""Erasing as an operator meets it: at the command line, over restarts, and after a restore."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from ledger.errors import ErasedError, LedgerError, PushbackError
from ledger.operate.backup_manifest import Part
from ledger.operate.erasure import Ground, Stage
from ledger.operate.erasure_store import DECISIONS, ErasureStore
from ledger.roles import Principal, Role
from service import create_app
from service.cli import main
from service.erasing import clean_up, go_on, holder_name
from service.inspecting import inspected
from service.restoring import put_back
from service.runtime import Runtime, system_clock
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment, quiet

PERSON = "MTG-000001"  # every decision of a deployment is about this one
ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Zo\u00eb M\u00fcller", "Zoe\u0308 Mu\u0308ller"),
        ("Zo\u00eb", "Zoe\u034f\u0308"),
        ("Ann Lee", "\uff21nn  LEE "),
        ("Ann Lee", "Ann\u00a0Lee"),
        ("Ann Lee", "Ann\u034f Lee"),
        ("Ann Lee", "Ann Lee\u3164"),
        ("Ann Lee", "Ann \u115f Lee"),
        ("Ann Lee", "A\u200bnn\u00ad Lee\ufe0f"),
        ("Stefan Pfiff", "Stefan P\ufb01ff"),
        ("Jo Stra\u00dfe", "JO STRASSE"),
        ("Ann Lee", "Ann Lee ., -"),
        ("Ann Lee", "Ann Lee\u3002"),
    ],
)
def test_one_name_is_one_person_however_it_is_typed(name: str, other: str) -> None:
    assert holder_name(name) == holder_name(other) != ""


def test_other_names_are_other_people() -> None:
    names = {"Ann Lee", "Ann-Lee", "Anna Lee", "Ann L", "Zoe", "Zo\u00eb", "!", "?"}
    assert len({holder_name(each) for each in names}) == len(names)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = Deployment(Settings(data=tmp_path_factory.mktemp("made") / "data", origin=ORIGIN))
    one.found()
    one.grow(2)
    return one.data


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(made, tmp_path / "data")
    return Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))


@pytest.fixture
def run(one: Deployment) -> Run:
    def invoke(*arguments: str, code: int = 0, typed: str | None = None) -> Result:
        done = CliRunner(env={"LEDGER_DATA": str(one.data), "LEDGER_ORIGIN": ORIGIN}).invoke(
            main, arguments, input=typed
        )
        assert done.exit_code == code, done.output
        return done

    return invoke


def key_of(run: Run, folder: Path, name: str, role: str = "data_protection_officer") -> str:
    """A file with a fresh key."""
    path = folder / f"{name}.key"
    path.write_text(run("key", "issue", "--name", name, "--role", role).stdout)
    return str(path)


def requested(runtime: Runtime, *records: str) -> str:
    if records:
        found, _ = runtime.erasing.request(ANN, Ground.OBJECTION, records=records)
    else:
        found, _ = runtime.erasing.request(ANN, Ground.OBJECTION, subject=PERSON)
    return found.id


def intended(runtime: Runtime, erasure_id: str) -> None:
    """Approve, and die before anything else is done."""
    store = ErasureStore(runtime.databases[1])
    size = runtime.logs["decisions"].size()
    store.approve(erasure_id, BEN.id, BEN.role.value, system_clock(), size)


def gone(runtime: Runtime, record_id: str) -> bool:
    try:
        runtime.decisions.read(record_id)
    except ErasedError as error:
        return error.tombstone is not None
    return False


def test_two_officers_at_the_command_line(run: Run, one: Deployment, tmp_path: Path) -> None:
    ann, ben = (key_of(run, tmp_path, name) for name in ("ann", "ben"))
    asked = run("erasure", "request", "--subject", "-", "--ground", "objection", "--key-file", ann,
                typed=f"{PERSON}\n")  # fmt: skip
    assert PERSON not in asked.output
    (erasure, *_) = asked.stdout.split()
    again = run("erasure", "request", "--subject", PERSON, "--ground", "objection",
                "--key-file", ben)  # fmt: skip
    assert (erasure in again.stdout, "already" in again.stderr) == (True, True)
    alone = run("erasure", "approve", erasure, "--key-file", ann, code=1)
    assert "another person has to agree" in alone.output
    early = run("erasure", "certificate", erasure, "--key-file", ann, code=1)
    assert "no certificate" in early.output
    with open(ben, encoding="utf-8") as file:  # noqa: PTH123  a key that is typed
        done = run("erasure", "approve", erasure, typed=file.read())
    assert "erased, key destroyed: 2 decisions and 0 records" in done.stdout
    said = json.loads(run("erasure", "certificate", erasure, "--key-file", ann).stdout)
    assert len(said["decisions"]) == 2
    receipt = tmp_path / "tombstone.tlog-proof"
    receipt.write_text(said["tombstones"][0]["receipt"])
    run("verify", str(receipt), "--policy", str(one.data / "policy.txt"))
    shown = json.loads(run("erasure", "show", erasure, "--key-file", ann).stdout)
    assert (shown["stage"], shown["cleaned_at"]) == ("done", None)
    assert "Clean: 1 erasures" in run("erasure", "clean-up").stdout
    assert "Clean: 0 erasures" in run("erasure", "clean-up").stdout
    shown = json.loads(run("erasure", "show", erasure, "--key-file", ann).stdout)
    assert shown["cleaned_at"]
    listed = run("erasure", "list", "--key-file", ann).stdout
    assert erasure in listed
    assert "done" in listed
    assert "No erasure was cut short" in run("erasure", "resume").stdout
    unknown = run("erasure", "request", "--subject", "nobody", "--ground", "objection",
                  "--key-file", ann, code=1)  # fmt: skip
    assert "nothing is known" in unknown.output
    run("verify", str(one.data / "ledger.db"), "--policy", str(one.data / "policy.txt"))


def test_holds_at_the_command_line(run: Run, one: Deployment, tmp_path: Path) -> None:
    (record,) = one.grow()
    ann, ben = (key_of(run, tmp_path, name) for name in ("ann", "ben"))
    about = ("--matter", "Other v Bank", "--ground", "a claim", "--owner", "legal")
    hold = run("hold", "set", "--record", record, *about, "--key-file", ann).stdout.strip()
    listed = run("hold", "list", "--key-file", ann).stdout
    assert f"{hold}  in force" in listed
    assert "Other v Bank" in listed
    assert run("hold", "list", "--overdue", "--key-file", ann).stdout == ""
    erasure = run("erasure", "request", "--record", record, "--ground", "objection",
                  "--key-file", ann).stdout.strip()  # fmt: skip
    refused = run("erasure", "approve", erasure, "--key-file", ben, code=1)
    assert hold in refused.output
    assert "Art. 77" in refused.output
    assert "Other" not in refused.output
    asked = run("hold", "release", hold, "--reason", "settled", "--key-file", ann)
    assert "until another officer" in asked.stdout
    assert "Released" in run("hold", "release", hold, "--reason", "settled",
                             "--key-file", ben).stdout  # fmt: skip
    second = run("erasure", "request", "--record", record, "--ground", "objection",
                 "--key-file", ann).stdout.strip()  # fmt: skip
    told = run("erasure", "refuse", second, "--reason", "identity_not_shown", "--key-file", ben)
    assert "Art. 12(4)" in told.stdout
    with one.opened() as runtime:
        assert not gone(runtime, record)


def test_who_is_no_officer_is_refused(run: Run, tmp_path: Path) -> None:
    key = key_of(run, tmp_path, "desk", "administrator")
    said = run("erasure", "list", "--key-file", key, code=1)
    assert "may not" in said.output
    nobody = tmp_path / "nobody.key"
    nobody.write_text("dl_0011223344556677_" + "A" * 43)
    assert (
        "not one that is in force" in run("hold", "list", "--key-file", str(nobody), code=1).output
    )
    assert (
        "No such file" in run("hold", "list", "--key-file", str(tmp_path / "none"), code=2).output
    )


def test_an_overdue_hold_is_a_no(run: Run, one: Deployment, tmp_path: Path) -> None:
    (record,) = one.grow()
    ann = key_of(run, tmp_path, "ann")
    about = ("--matter", "m", "--ground", "g", "--owner", "o", "--review-days", "1")
    hold = run("hold", "set", "--record", record, *about, "--key-file", ann).stdout.strip()
    with one.opened() as runtime, runtime.databases[1].begin() as connection:
        connection.execute(text("UPDATE legal_hold SET review_us = 1"))
    late = run("hold", "list", "--overdue", "--key-file", ann, code=1)
    assert f"{hold}  OVERDUE" in late.stdout


def test_a_start_goes_on_with_what_was_cut_short(one: Deployment) -> None:
    (record,) = one.grow()
    with one.opened() as runtime:
        erasure = requested(runtime, record)
        intended(runtime, erasure)
        assert not gone(runtime, record)
    app = create_app(one.settings)
    runtime = app.extensions["ledger"]
    go_on(runtime)  # beside the one that the start began
    for thread in threading.enumerate():
        if thread.name == "erasures":
            thread.join()
    assert gone(runtime, record)
    assert runtime.erasing.read(erasure).stage is Stage.DONE
    assert go_on(runtime) is None
    runtime.close()


def test_what_cannot_go_on_waits_for_the_next_start(
    one: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    (record,) = one.grow()
    with one.opened() as runtime:
        erasure = requested(runtime, record)
        intended(runtime, erasure)
        guard = next((one.data / "checkpoints").glob("decisions*.guard"))
        guard.unlink()
        guard.mkdir()
        thread = go_on(runtime)
        assert thread is not None
        thread.join()
        guard.rmdir()
        assert runtime.erasing.read(erasure).stage is Stage.APPROVED
        assert "an erasure could not go on: StoppedError" in caplog.text
        assert record not in caplog.text
    with one.opened() as runtime:
        thread = go_on(runtime)
        assert thread is not None
        thread.join()
        assert gone(runtime, record)


def test_a_restored_backup_does_not_bring_it_back(one: Deployment, tmp_path: Path) -> None:
    first, second = one.grow(2)
    with one.opened() as runtime:
        runtime.decisions.attach_explanation(first, {"a": "b"}, "0" * 64, "1" * 64)
    one.back_up(tmp_path / "v", Part.VAULT)
    with one.opened() as runtime:
        erasure = requested(runtime, first)
        done = runtime.erasing.approve(BEN, erasure)
        assert done.attached == 1
        attached = runtime.erasing.certificate(erasure).attached
    for path in one.data.glob("vault.db*"):
        path.unlink()
    with inspected([tmp_path / "v"], None, quiet) as inspection:
        replayed, _ = put_back(one.settings, inspection, quiet, write_lock=False)
    assert replayed.keys == 2
    with one.opened() as runtime:
        assert gone(runtime, first)
        assert not gone(runtime, second)
        for each in (first, *attached):
            with pytest.raises(LedgerError):
                runtime.decisions._vault.key(each)  # not by any door


def test_a_vault_from_amid_an_erasure_goes_on_with_it(one: Deployment, tmp_path: Path) -> None:
    """Its backup has the intent; its log has the tombstones; what was attached goes as well."""
    (first,) = one.grow()
    with one.opened() as runtime:
        runtime.decisions.attach_explanation(first, {"a": "b"}, "0" * 64, "1" * 64)
        erasure = requested(runtime, first)
        intended(runtime, erasure)
    one.back_up(tmp_path / "v", Part.VAULT)
    with one.opened() as runtime:
        runtime.erasing._entomb(runtime.erasing.read(erasure), DECISIONS)  # and died again
    one.grow()  # later records, so that the start does not look that far back
    one.back_up(tmp_path / "w", Part.VAULT)
    for backup in ("v", "w"):
        for path in one.data.glob("vault.db*"):
            path.unlink()
        shutil.copyfile(tmp_path / backup / "vault" / "vault.db", one.data / "vault.db")
        if backup == "v":  # older than the newest record: not without the operator
            continue
        with one.opened() as runtime:
            assert gone(runtime, first)
            (waiting,) = runtime.erasing.under_way()
            done = runtime.erasing.resume(waiting.id)
            assert (done.stage, done.attached) == (Stage.DONE, 1)


def test_the_clean_up_waits_its_turn(one: Deployment) -> None:
    one.grow()
    with one.opened() as runtime:
        requested_id = requested(runtime)
        runtime.erasing.approve(BEN, requested_id)
        vault = runtime.databases[1]
        with vault.execution_options(sqlite_begin="BEGIN IMMEDIATE").connect() as writer:
            writer.exec_driver_sql("SELECT 1")
            with vault.connect() as impatient:
                impatient.connection.cursor().execute("PRAGMA busy_timeout=1")
            with pytest.raises(PushbackError, match="try again"):
                clean_up(runtime)
        assert runtime.erasing.read(requested_id).cleaned_at is None
        assert clean_up(runtime) == 1
