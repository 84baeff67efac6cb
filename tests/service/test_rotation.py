"""Rotating keys as the operator does it: cut short anywhere it leaves a log that goes on."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.entries import SourceRegistered, parse_entry
from ledger.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    RefusedError,
    SignatureError,
    VerificationError,
)
from ledger.operate.sequencer import Draft
from ledger.private_files import write_new
from ledger.tlog.note import SignedNote
from ledger.tlog.policy import Policy
from ledger.verify.audit import audit
from ledger.verify.cose_receipt import verify_cose
from ledger.verify.sqlite_reader import SqliteLogReader
from service import rotation
from service.founding import found
from service.rotation import change_passphrases, every_key, key_states, retire, rotate
from service.runtime import Runtime, cosigned_checkpoint
from service.settings import Settings

ORIGIN = "ledger.example/demo"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "data"
    found(Settings(data=directory, origin=ORIGIN))
    return directory


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    shutil.copytree(made, tmp_path / "data")
    return Settings(data=tmp_path / "data")


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    one = Runtime.open(settings)
    yield one
    one.close()


def opened(settings: Settings, work: Callable[[Runtime], object]) -> None:
    runtime = Runtime.open(settings)
    try:
        work(runtime)
    finally:
        runtime.close()


def grow(runtime: Runtime) -> None:
    entry_id = f"0197a3c4-5d21-7c3e-9b1a-{runtime.logs['decisions'].size():012}"
    body = SourceRegistered(source="loan-desk", first=0)
    runtime.logs["decisions"].append([Draft.of(entry_id, body)])


def findings(settings: Settings, policy: str) -> set[str]:
    with SqliteLogReader.open(settings.data / "ledger.db") as readers:
        (reader,) = (each for each in readers if each.origin.endswith("decisions"))
        return {str(each) for each in audit(reader, Policy.parse(policy)).findings}


def kinds(settings: Settings) -> list[str]:
    found: list[str] = []
    opened(
        settings,
        lambda runtime: found.extend(
            str(parse_entry(raw).body.kind) for raw in runtime.logs["decisions"].entries()
        ),
    )
    return found


def keys_of(policy: str, name: str) -> list[str]:
    logs = Policy.parse(policy).logs
    return [log.key.vkey() for log in logs if log.key.name == f"{ORIGIN}/log/{name}"]


def test_the_policy_names_old_and_new_keys_and_then_the_new_ones(runtime: Runtime) -> None:
    before = runtime.policy_text
    done = rotate(runtime, "decisions")
    overlap = runtime.policy_text
    old, new = ([key.vkey() for key in keys] for keys in (done.old, done.new))
    assert keys_of(before, "decisions") == old
    assert keys_of(overlap, "decisions") == [*old, *new]
    assert keys_of(overlap, "access") == keys_of(before, "access")
    assert done.entry == 1
    assert Policy.parse(overlap).check(done.checkpoint.read_text()).size == 2
    assert len(SignedNote.parse(done.checkpoint.read_text()).signatures) == 4
    assert retire(runtime, "decisions", keep=False) is None
    assert keys_of(runtime.policy_text, "decisions") == new
    assert runtime.verifier_keys["decisions"] == done.new


def test_what_the_operator_wrote_into_the_policy_stays(
    runtime: Runtime, settings: Settings
) -> None:
    first, *rest = settings.policy_path.read_text().splitlines(keepends=True)
    line = first.rstrip("\n") + "   https://log.example\n"
    settings.policy_path.write_text("# ours\n" + line + "# more\n\n" + "".join(rest))
    done = rotate(runtime, "decisions")
    text = settings.policy_path.read_text()
    assert text.startswith("# ours\nlog ")
    assert text.count(" https://log.example\n") == 4
    assert "# more\n\n" in text
    retire(runtime, "decisions", keep=False)
    again = settings.policy_path.read_text()
    assert keys_of(again, "decisions") == [key.vkey() for key in done.new]
    assert again.startswith("# ours\nlog ")


def test_a_policy_that_lost_a_log_gets_it_back(runtime: Runtime, settings: Settings) -> None:
    lines = settings.policy_path.read_text().splitlines(keepends=True)
    settings.policy_path.write_text("".join(each for each in lines if "decisions" not in each))
    rotate(runtime, "decisions")
    assert len(keys_of(runtime.policy_text, "decisions")) == 4


def test_a_broken_policy_is_said_and_the_rotation_finished_later(
    runtime: Runtime, settings: Settings
) -> None:
    whole = settings.policy_path.read_text()
    settings.policy_path.write_text("nonsense\n")
    with pytest.raises(MalformedError):
        rotate(runtime, "decisions")
    settings.policy_path.write_text(whole)
    assert rotate(runtime, "decisions").entry == 1
    assert runtime.logs["decisions"].size() == 2


class _Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


def killed(monkeypatch: pytest.MonkeyPatch, step: int, work: Callable[[], object]) -> int:
    """Do it, and die at the `step`-th fsync; return how many there were."""
    calls = 0
    real = os.fsync

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise _Killed
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dying)
        with suppress(_Killed):
            work()
    return calls


ROTATING, RETIRING = 11, 5  # fsyncs of each; the last step of the tests holds them to it


@pytest.mark.parametrize("step", range(1, ROTATING + 2))
def test_rotating_that_was_cut_short_leaves_a_log_that_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = settings.policy_path.read_text()
    runtime = Runtime.open(settings)
    calls = killed(monkeypatch, step, lambda: rotate(runtime, "decisions"))
    runtime.close()
    assert calls == min(step, ROTATING)

    opened(settings, grow)  # with either keys
    rotated = kinds(settings)[1] == "log_key_rotated"
    assert findings(settings, before) == set()
    opened(settings, lambda runtime: rotate(runtime, "decisions"))
    opened(settings, grow)
    assert sorted(kinds(settings)) == [
        "log_created", "log_key_rotated", "source_registered", "source_registered",
    ]  # fmt: skip
    after = settings.policy_path.read_text()
    assert len(keys_of(after, "decisions")) == 4
    for policy in (before, after):
        assert findings(settings, policy) == set()
    (handover,) = settings.handover_dir.glob("*")
    assert handover.name == f"decisions-{1 if rotated else 2}.note"
    assert len(SignedNote.parse(handover.read_text()).signatures) == 4
    assert not list(settings.data.rglob("*.new"))


@pytest.mark.parametrize("keep", [False, True], ids=["destroyed", "kept"])
@pytest.mark.parametrize("step", range(1, RETIRING + 2))
def test_retiring_that_was_cut_short_leaves_a_log_that_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: int, keep: bool
) -> None:
    before = settings.policy_path.read_text()
    runtime = Runtime.open(settings)
    new = [key.vkey() for key in rotate(runtime, "decisions").new]
    calls = killed(monkeypatch, step, lambda: retire(runtime, "decisions", keep=keep))
    runtime.close()
    assert calls == min(step, RETIRING)

    opened(settings, grow)
    for policy in (before, settings.policy_path.read_text()):
        assert findings(settings, policy) == set()
    with suppress(ConflictError):  # it was all done before
        opened(settings, lambda runtime: retire(runtime, "decisions", keep=keep))
    opened(settings, grow)
    policy = settings.policy_path.read_text()
    assert keys_of(policy, "decisions") == new
    assert findings(settings, policy) == set()
    left = {path.name for path in settings.keys_dir.iterdir()} - {"access", "decisions"}
    assert len(left) == keep
    assert "decisions.next" not in left


def test_a_lost_policy_is_written_again_with_what_signs(settings: Settings) -> None:
    runtime = Runtime.open(settings)
    runtime.keys["decisions"].make_next()
    runtime.close()
    before = settings.policy_path.read_bytes()
    settings.policy_path.unlink()
    found(settings)
    assert settings.policy_path.read_bytes() == before  # not the keys that are not in the log
    opened(settings, lambda runtime: rotate(runtime, "decisions"))
    overlap = settings.policy_path.read_bytes()
    settings.policy_path.unlink()
    found(settings)
    assert settings.policy_path.read_bytes() == overlap
    # Ending was cut short, and the policy lost: no third pair of keys is made.
    (settings.keys_dir / "decisions").rename(settings.keys_dir / "decisions.retired")
    settings.policy_path.unlink()
    found(settings)
    assert len(keys_of(settings.policy_path.read_text(), "decisions")) == 2
    opened(settings, grow)


def test_receipts_have_to_be_cosigned_under_the_new_keys_first(
    runtime: Runtime, settings: Settings
) -> None:
    old = runtime.logs["decisions"].own_checkpoint()
    rotate(runtime, "decisions")
    kept = cosigned_checkpoint(settings, "decisions")
    kept.create(old)
    with pytest.raises(RefusedError, match="decision-ledger cosign"):
        retire(runtime, "decisions", keep=False)
    assert len(keys_of(runtime.policy_text, "decisions")) == 4
    kept.swap(old, runtime.logs["decisions"].own_checkpoint())
    retire(runtime, "decisions", keep=False)


def test_a_cosigned_checkpoint_that_nobody_can_read_is_in_nobodys_way(
    runtime: Runtime, settings: Settings
) -> None:
    rotate(runtime, "decisions")
    write_new(settings.cosigned_dir / "decisions.note", b"nonsense")
    retire(runtime, "decisions", keep=False)


def test_every_key_is_listed_with_its_state(runtime: Runtime) -> None:
    def states() -> list[tuple[str, int | None, str]]:
        listed = key_states(runtime, "decisions")
        assert [each.key.kind for each in listed] == [1, 6] * (len(listed) // 2)
        return [(each.state, each.since, each.place) for each in listed[::2]]

    assert states() == [("in force", 0, "file")]
    runtime.keys["decisions"].make_next()
    assert states() == [("in force", 0, "file"), ("made, not in the log yet", None, "file")]
    grow(runtime)
    rotate(runtime, "decisions")
    assert states() == [
        ("leaving: signs beside the new ones", 0, "file"), ("in force", 2, "file"),
    ]  # fmt: skip
    retire(runtime, "decisions", keep=False)
    assert states() == [("retired", 0, ""), ("in force", 2, "file")]
    assert [each.state for each in key_states(runtime, "access")] == ["in force"] * 2


def test_keys_that_no_entry_names_are_an_alarm(runtime: Runtime) -> None:
    with pytest.raises(VerificationError, match="no entry names"):
        rotation._rotation_to(runtime.logs["decisions"], ())


def test_the_passphrase_of_both_logs_is_changed(settings: Settings) -> None:
    opened(settings, lambda runtime: runtime.keys["decisions"].make_next())
    assert change_passphrases(settings, b"correct horse") == 6
    with pytest.raises(RefusedError):
        Runtime.open(settings)
    locked = Settings(data=settings.data, key_passphrase=b"correct horse")
    opened(locked, lambda runtime: rotate(runtime, "decisions"))
    with pytest.raises(NotFoundError):
        change_passphrases(Settings(data=settings.data / "none"), b"x")


def test_every_key_is_known_without_reading_the_log(runtime: Runtime) -> None:
    before = every_key(runtime, "decisions")
    assert set(before) == set(runtime.verifier_keys["decisions"])
    handover = rotate(runtime, "decisions")
    assert set(every_key(runtime, "decisions")) == {*handover.old, *handover.new}
    retire(runtime, "decisions", keep=False)
    assert set(runtime.verifier_keys["decisions"]) == set(handover.new)
    places = runtime.settings.handover_dir
    for name in ("decisions-x.note", "decisions-99.note", "decisions-0.note", "access-1.note"):
        (places / name).write_text("somebody else's")
    assert set(every_key(runtime, "decisions")) == {*handover.old, *handover.new}
    assert set(every_key(runtime, "access")) == set(runtime.verifier_keys["access"])


def test_cose_receipts_are_signed_by_the_newest_key_in_force(runtime: Runtime) -> None:
    def signed_under(policy: str) -> str:
        grow(runtime)
        newest = list(runtime.logs["decisions"].entries())[-1]
        made = runtime.cose["decisions"].of_entry(parse_entry(newest).id).encode()
        try:
            return str(verify_cose(made, Policy.parse(policy)).checkpoint.size)
        except SignatureError:
            return "not signed by it"

    old = runtime.policy_text
    assert signed_under(old) == "2"
    rotate(runtime, "decisions")
    both = runtime.policy_text
    assert signed_under(both) == "4"
    retire(runtime, "decisions", keep=False)
    assert signed_under(runtime.policy_text) == "5"
    assert signed_under(both) == "6"
    assert signed_under(old) == "not signed by it"
