"""The file of `--state`: one that was changed is refused, and hides nothing."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import LedgerError, MalformedError
from ledger.tlog.note import sign_note
from ledger.verify import kept_state
from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.kept_state import KeptLog
from ledger.verify.reader import UnreadableError
from ledger.verify.verified import Verified
from tests.ledger.verify.audits import honest, log
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.tile_log import (
    ORIGIN,
    POLICY,
    SIGNER,
    STRANGER,
    Liar,
    edited,
    note,
    rechained,
)

ACCESS = "ledger.example/test/log/access"
THEN = datetime(2026, 5, 14, tzinfo=UTC)

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.txt"
    path.write_text(POLICY.format())
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def run(policy: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> tuple[int, str]:
        options = ["--policy", str(policy), "--state", str(state)]
        return main([*map(str, arguments), *options]), capsys.readouterr().out

    return run


def stored(tmp_path: Path, size: int, name: str = "") -> Path:
    return Liar(log(size)).sqlite(tmp_path / f"{name or size}.db")


def verified(size: int = 300) -> Verified:
    kept = audit(LyingReader(Liar(log(size))), POLICY).verified
    assert kept is not None
    return kept


def document(state: Path) -> Any:
    return json.loads(state.read_bytes())


def rewritten(state: Path, made: Any) -> None:
    """The document as somebody writes it who knows how."""
    made["sha256"] = hashlib.sha256(canonical.encode(made["logs"])).hexdigest()
    state.write_bytes(canonical.encode(made))


def another_note(kept: Any) -> None:
    kept["note"] = note(honest(600), 299)


def another_root(kept: Any) -> None:
    lie = log(300)
    lie[20] = edited(lie[20])
    kept["note"] = note(rechained(lie, 21))


def another_edge(kept: Any) -> None:
    kept["edge"][0] = base64.b64encode(bytes(32)).decode()


def a_shorter_edge(kept: Any) -> None:
    del kept["edge"][0]


def another_last(kept: Any) -> None:
    kept["last"] = base64.b64encode(edited(honest(300)[299])).decode()


def no_entry(kept: Any) -> None:
    kept["last"] = ""


def counts_that_do_not_add_up(kept: Any) -> None:
    kept["counts"]["decision"] = 7


def counters_that_do_not_add_up(kept: Any) -> None:
    kept["sources"][0]["runs"][0][1] = 600


def counters_that_fall(kept: Any) -> None:
    kept["sources"][0]["runs"][0][:2] = [299, 1]


def counters_that_touch(kept: Any) -> None:
    since = kept["sources"][0]["runs"][0][2]
    kept["sources"][0]["runs"] = [[1, 5, since], [6, 299, since]]


def a_moment_that_never_was(kept: Any) -> None:
    kept["sources"][0]["runs"][0][2] = "yesterday"


def later_first(kept: Any) -> None:
    kept["first_at"] = "2030-01-01T00:00:00+00:00"


def zoneless(kept: Any) -> None:
    kept["at"] = "2030-01-01T00:00:00"


def other_origin(kept: Any) -> None:
    kept["origin"] = ACCESS


def no_moment(kept: Any) -> None:
    kept["at"] = "yesterday"


def numbers(kept: Any) -> None:
    kept.update(dict.fromkeys(kept, 5))


def nothing(kept: Any) -> None:
    kept.clear()


def more(kept: Any) -> None:
    kept["more"] = 1


@pytest.mark.parametrize(
    "change",
    [
        *(another_note, another_root, another_edge, a_shorter_edge, another_last, no_entry),
        *(counts_that_do_not_add_up, counters_that_do_not_add_up, counters_that_fall),
        *(counters_that_touch, a_moment_that_never_was, later_first, zoneless),
        *(other_origin, no_moment, numbers),
        *(nothing, more),
    ],
)
def test_a_state_that_was_changed_is_refused(
    run: Run, state: Path, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    run(stored(tmp_path, 300))
    made = document(state)
    change(made["logs"][0])
    rewritten(state, made)
    before = state.read_bytes()
    status, text = run(tmp_path / "300.db")
    assert status == 2
    assert "COULD NOT CHECK: the state was not written by this program, or was changed" in text
    assert state.read_bytes() == before


def test_a_state_that_fits_another_signature_is_refused(
    run: Run, state: Path, tmp_path: Path
) -> None:
    # Whoever changes all of it has to sign it, and that takes the log's own key.
    run(stored(tmp_path, 300))
    lie = log(300)
    lie[20] = edited(lie[20])
    other = audit(LyingReader(Liar(rechained(lie, 21))), POLICY).verified
    assert other is not None
    forged = replace(other, note=sign_note(other.note.partition("\n\n")[0] + "\n", [STRANGER]))
    digest = kept_state.digest_of(POLICY)
    kept_state.write(state, {ORIGIN: KeptLog(ORIGIN, digest, THEN, forged)})
    assert run(tmp_path / "300.db")[0] == 2
    # With the key it is another history, and that is said.
    kept_state.write(state, {ORIGIN: KeptLog(ORIGIN, digest, THEN, other)})
    status, text = run(tmp_path / "300.db")
    assert status == 1
    assert "two histories were signed" in text or "another root" in text
    assert SIGNER.name == ORIGIN


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[]", b'{"logs":[],"v":1}', b"{" * 2_000])
def test_a_state_that_is_none_is_refused(
    run: Run, state: Path, tmp_path: Path, data: bytes
) -> None:
    state.write_bytes(data)
    status, text = run(stored(tmp_path, 3))
    assert status == 2
    assert "remove the file to start anew" in text


def test_a_state_of_any_length_is_not_read_whole(run: Run, state: Path, tmp_path: Path) -> None:
    state.write_bytes(b"")
    os.truncate(state, 10**10)
    assert run(stored(tmp_path, 3))[0] == 2


@given(st.data())
@settings(max_examples=60)
def test_any_bytes_are_a_state_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    state = tmp_path_factory.mktemp("state") / "state"
    kept_state.write(state, {ORIGIN: KeptLog(ORIGIN, "ab" * 32, THEN, verified())})
    raw = bytearray(state.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    if bytes(raw) == state.read_bytes():
        return
    state.write_bytes(bytes(raw))
    with pytest.raises(LedgerError):
        kept_state.read(state)


def test_a_state_is_read_as_it_was_written(state: Path) -> None:
    logs = {ORIGIN: KeptLog(ORIGIN, "ab" * 32, THEN, verified())}
    kept_state.write(state, logs)
    assert kept_state.read(state) == logs
    assert kept_state.read(state.with_name("absent")) == {}


def test_a_state_that_cannot_be_read_or_written(
    run: Run, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.mkdir()
    status, text = run(stored(tmp_path, 3))
    assert status == 2
    assert "cannot read the state" in text
    state.rmdir()
    with pytest.raises(UnreadableError, match="cannot keep the state"):
        kept_state.write(tmp_path / "absent" / "state", {})
    monkeypatch.setattr(kept_state, "MAX_STATE_BYTES", 10)
    with pytest.raises(MalformedError, match="too much to keep"):
        kept_state.write(state, {})


@pytest.mark.parametrize("step", ["write_synced", "sync_directory"])
def test_a_crash_while_it_is_written_leaves_the_old_or_the_new(
    state: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    old = {ORIGIN: KeptLog(ORIGIN, "ab" * 32, THEN, verified(300))}
    new = {ORIGIN: KeptLog(ORIGIN, "ab" * 32, THEN, verified(301))}
    kept_state.write(state, old)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_state, step, fail)
    with pytest.raises(UnreadableError, match="No space left"):
        kept_state.write(state, new)
    monkeypatch.undo()
    assert kept_state.read(state) == (old if step == "write_synced" else new)
    assert sorted(path.name for path in state.parent.iterdir()) == [state.name]
