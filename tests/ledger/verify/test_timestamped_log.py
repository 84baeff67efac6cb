"""Timestamps beside a log: what is believed, what is a finding, and what nobody could check."""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MalformedError
from ledger.tlog.note import NoteSignature, SignedNote
from ledger.verify import timestamp_files
from ledger.verify.__main__ import main
from ledger.verify.findings import Code
from ledger.verify.reader import UnreadableError
from ledger.verify.timestamp_files import (
    COSIGNED,
    NOTE,
    StampedNote,
    TimestampFiles,
    is_file_name,
    stem_of,
    token_name,
)
from ledger.verify.timestamped_log import LogTimestamps, TimestampedLog
from tests import timestamp_authority as tsa
from tests.ledger.verify.stamped import NOON, ONE, TWO, put
from tests.ledger.verify.tile_log import (
    ORIGIN,
    POLICY,
    STRANGER,
    Liar,
    edited,
    entries,
    note,
    receipt,
)

RAWS = entries(20)
AN_HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "directory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """An honest log of twenty entries, and where its timestamps lie."""
    if request.param == "directory":
        path = Liar(RAWS).directory(tmp_path / "published")
        return path, path / "timestamps"
    data = tmp_path / "data"
    data.mkdir()
    return Liar(RAWS).sqlite(data / "ledger.db"), data / "timestamps" / "decisions"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    (tmp_path / "policy.txt").write_text(POLICY.format())
    (tmp_path / "roots.pem").write_bytes(tsa.root().pem)

    def run(target: Path, *options: str | Path, trusted: bool = True) -> tuple[int, str]:
        more = ["--tsa-roots", str(tmp_path / "roots.pem")] if trusted else []
        policy = ["--policy", str(tmp_path / "policy.txt")]
        status = main([str(target), *map(str, options), *policy, *more])
        return status, capsys.readouterr().out

    return run


def codes(text: str) -> set[str]:
    (log,) = json.loads(text)["logs"]
    return {finding["code"] for finding in log["findings"]}


def test_tokens_that_verify(run: Any, place: tuple[Path, Path]) -> None:
    log, stamps = place
    put(stamps, note(RAWS, 7), at=NOON - AN_HOUR)
    put(stamps, note(RAWS, 12), at=NOON - AN_HOUR / 2)
    put(stamps, note(RAWS))
    put(stamps, note(RAWS), TWO, at=NOON + AN_HOUR)
    (stamps / "guard").touch()
    (stamps / "index.txt").write_text("not looked at\n")
    status, text = run(log)
    assert status == 0
    assert "  - 4 timestamps, against the root certificates that you trust\n" in text
    assert (
        "      the checkpoint of size 7 existed at or before 2026-05-14 11:00:00 UTC (give or take 1 s), says"
        " CN=Example Time Stamper,O=Example Time\n      the checkpoint of size 20 existed at or"
        " before 2026-05-14 13:00:00" in text
    )
    assert "- 4 signed checkpoints against that tree" in text
    (found,) = json.loads(run(log, "--json")[1])["logs"]
    assert [(each["size"], each["at"][11:16]) for each in found["timestamps"]] == [
        (7, "11:00"), (12, "11:30"), (20, "12:00"), (20, "13:00"),
    ]  # fmt: skip
    assert found["timestamps"][0]["authority"] == "CN=Example Time Stamper,O=Example Time"
    assert not any("timestamps" in line for line in found["not_checked"])


def test_one_token_is_said_once(run: Any, place: tuple[Path, Path]) -> None:
    put(place[1], note(RAWS))
    assert run(place[0])[1].count("existed at or before") == 1


def test_without_roots_tokens_are_not_checked(run: Any, place: tuple[Path, Path]) -> None:
    log, stamps = place
    put(stamps, note(RAWS)).write_bytes(b"junk")
    status, text = run(log, trusted=False)
    assert status == 0
    unchecked = "1 timestamps: that takes the root certificates of their authorities (--tsa-roots)"
    assert (
        f"Not checked\n  - sealed payloads: they need the operator's keys\n  - {unchecked}" in text
    )
    (found,) = json.loads(run(log, "--json", trusted=False)[1])["logs"]
    assert (unchecked in found["not_checked"], found["timestamps"]) == (True, [])


def test_a_token_of_an_authority_that_is_not_trusted_is_not_checked(
    run: Any, place: tuple[Path, Path]
) -> None:
    log, stamps = place
    stranger = tsa.holder("Elsewhere", tsa.holder("Elsewhere Root"), purposes=tsa.TIME_STAMPING)
    put(stamps, note(RAWS))
    put(stamps, note(RAWS), TWO, by=stranger, chain=(stranger.der,))
    status, text = run(log)
    assert status == 0
    assert "  - 1 timestamps, against the root certificates" in text
    assert "  - 1 timestamps: that takes the root certificates" in text


def test_no_tokens_are_nothing_to_speak_of(run: Any, place: tuple[Path, Path]) -> None:
    status, text = run(place[0])
    assert (status, "timestamp" in text) == (0, False)


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the signature
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (spoil, "does not verify up to a root that you trust"),
        (lambda path: path.write_bytes(b"junk"), "not an RFC 3161 answer"),
        (lambda path: path.write_bytes(bytes(70_000)), "longer than 65,536 bytes"),
        (lambda path: path.write_bytes(tsa.stamp(note(RAWS, 7), NOON)), "something else"),
        (lambda path: path.with_name(f"{stem_of(note(RAWS))}.note").unlink(), "is missing"),
    ],
)
def test_a_token_that_does_not_verify_is_a_finding(
    run: Any, place: tuple[Path, Path], attack: Any, why: str
) -> None:
    log, stamps = place
    put(stamps, note(RAWS, 7))
    attack(put(stamps, note(RAWS)))
    status, text = run(log)
    assert status == 1
    assert "RESULT: NOT FINE. Findings: 1\n" in text
    assert f"  - the log: {token_name(stem_of(note(RAWS)), ONE)}: " in text
    assert why in text
    assert "  - 2 timestamps, against the root certificates" in text
    assert codes(run(log, "--json")[1]) == {"timestamp_refused"}


def test_a_note_under_another_name_is_a_finding(run: Any, place: tuple[Path, Path]) -> None:
    log, stamps = place
    put(stamps, note(RAWS, 7)).rename(stamps / token_name("8-0123456789abcdef", ONE))
    (stamps / f"{stem_of(note(RAWS, 7))}{NOTE}").rename(stamps / "8-0123456789abcdef.note")
    status, text = run(log, "--json")
    assert status == 1
    assert codes(text) == {"timestamp_refused", "checkpoint_refused"}
    assert "another checkpoint than its name says" in text


@pytest.mark.parametrize("content", [b"nonsense", b"\xff\xfe", b"x" * 1_000_001])
def test_a_note_that_is_none_is_a_finding(
    run: Any, place: tuple[Path, Path], content: bytes
) -> None:
    put(place[1], note(RAWS)).with_name(f"{stem_of(note(RAWS))}.note").write_bytes(content)
    status, text = run(place[0], "--json")
    assert status == 1
    assert codes(text) == {"timestamp_refused", "checkpoint_refused"}


def test_a_checkpoint_that_the_log_did_not_sign_is_a_finding(
    run: Any, place: tuple[Path, Path]
) -> None:
    put(place[1], note(RAWS, 12, STRANGER))
    for trusted in (True, False):
        status, text = run(place[0], trusted=trusted)
        assert status == 1
        assert "the timestamped checkpoint of size 12 is refused" in text


def test_a_checkpoint_of_another_history_is_a_fork(run: Any, place: tuple[Path, Path]) -> None:
    other = [*RAWS[:5], edited(RAWS[5])]
    put(place[1], note(other))
    status, text = run(place[0], "--json")
    assert status == 1
    assert codes(text) == {"checkpoint_forked"}
    assert "of size 6 has a root that these entries never had" in text


def test_a_checkpoint_beyond_the_end_shows_a_log_that_was_cut(
    run: Any, place: tuple[Path, Path]
) -> None:
    put(place[1], note(entries(25)))
    status, text = run(place[0])
    assert status == 1
    assert "entries 20 to 24: missing; a signed checkpoint says that there are 25 entries" in text


def test_many_findings_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ledger.verify.findings.MAX_FINDINGS", 2)
    for size in range(1, 6):
        put(tmp_path / "timestamps", note(RAWS, size)).write_bytes(b"junk")
    found = TimestampedLog.beside(tmp_path, ORIGIN).check(tsa.roots())
    assert [each.code for each in found.findings] == [Code.TIMESTAMP_REFUSED] * 2
    assert found.omitted == 3
    assert next(found.checked_lines()).startswith("  - 5 timestamps")
    assert found.verified == ()


def test_a_token_that_went_away_meanwhile(tmp_path: Path) -> None:
    path = put(tmp_path / "timestamps", note(RAWS))
    listed = TimestampedLog.beside(tmp_path, ORIGIN)
    path.unlink()
    (finding,) = listed.check(tsa.roots()).findings
    assert finding.detail.endswith("is missing")


def test_without_the_library_nothing_is_known(
    run: Any, place: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place[1], note(RAWS))
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    status, text = run(place[0])
    assert status == 2
    assert "COULD NOT CHECK: timestamps need the package rfc3161-client: pip install" in text
    assert run(place[0], trusted=False)[0] == 0


def test_bad_roots_could_not_be_used(run: Any, place: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(b"junk")
    status, text = run(place[0])
    assert status == 2
    assert "COULD NOT CHECK: root certificates: not a PEM file of certificates" in text
    (tmp_path / "roots.pem").unlink()
    assert run(place[0])[0] == 2


# Receipts


def receipt_files(tmp_path: Path, **lies: Any) -> tuple[Path, Path]:
    made = receipt(RAWS, 7)
    (tmp_path / "x.tlog-proof").write_text(made.format())
    (tmp_path / "x.tsr").write_bytes(tsa.stamp(made.checkpoint_note, **{"at": NOON} | lies))
    return tmp_path / "x.tlog-proof", tmp_path / "x.tsr"


def test_a_receipt_that_existed_before(run: Any, tmp_path: Path) -> None:
    proof, token = receipt_files(tmp_path)
    status, text = run(proof, "--timestamp", token)
    assert status == 0
    assert (
        "  - the timestamp over that checkpoint, up to a root certificate that you trust:\n"
        "      with the entry in it, it existed at or before 2026-05-14 12:00:00 UTC (give or take 1 s), says"
        " CN=Example Time Stamper,O=Example Time\n" in text
    )
    assert "the log's own clock: that takes" not in text
    document = json.loads(run(proof, "--timestamp", token, "--json")[1])
    assert document["receipt"]["timestamp"]["at"] == "2026-05-14T12:00:00+00:00"


def test_a_receipt_without_a_timestamp_says_so(run: Any, tmp_path: Path) -> None:
    proof, _ = receipt_files(tmp_path)
    status, text = run(proof, trusted=False)
    assert status == 0
    assert "Not checked\n  - the log's own clock: that takes a timestamp (--timestamp)\n" in text
    document = json.loads(run(proof, "--json", trusted=False)[1])
    assert document["receipt"]["timestamp"] is None


def test_a_timestamp_of_something_else_is_no_proof(run: Any, tmp_path: Path) -> None:
    proof, token = receipt_files(tmp_path)
    token.write_bytes(tsa.stamp(note(RAWS, 8), NOON))
    status, text = run(proof, "--timestamp", token)
    assert status == 1
    assert "RESULT: NOT FINE. The timestamp is not over this checkpoint, or nobody whom" in text
    token.write_bytes(b"junk")
    assert run(proof, "--timestamp", token)[0] == 2
    assert run(proof, "--timestamp", tmp_path / "none.tsr")[0] == 2


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("x.db", ["--timestamp", "x.tsr", "--tsa-roots", "r"]),
        ("x.tlog-proof", ["--timestamp", "x.tsr"]),
        ("x.tlog-proof", ["--tsa-roots", "r"]),
    ],
)
def test_options_that_do_not_go_together(target: str, options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([target, "--policy", "p", *options])
    assert caught.value.code == 2


# Files


def test_names_are_made_and_recognised() -> None:
    stem = stem_of(note(RAWS))
    assert stem.startswith("20-")
    parsed = SignedNote.parse(note(RAWS))
    witness = NoteSignature("w.example", bytes(4), bytes(72))
    assert stem_of(SignedNote(parsed.text, (*parsed.signatures, witness)).format()) == stem
    for name in (f"{stem}.note", f"{stem}.cosigned", token_name(stem, ONE)):
        assert is_file_name(name)
    assert token_name(stem, ONE) != token_name(stem, TWO)
    for name in ("", ".note", "guard", "index.txt", f"0{stem}.note", f"{stem}.tsr", f"{stem}.note.new",
                 f"../{stem}.note", f"{stem}.note\n", f"+{stem}.note", f"{stem}.0000000G.tsr"):  # fmt: skip
        assert not is_file_name(name)


def test_a_directory_lists_what_has_tokens(tmp_path: Path) -> None:
    files = TimestampFiles(tmp_path / "timestamps")
    assert (files.names(), files.notes(), files.note("7-0123456789abcdef")) == ((), (), None)
    first = put(tmp_path / "timestamps", note(RAWS, 7))
    second = put(tmp_path / "timestamps", note(RAWS, 7), TWO)
    later = put(tmp_path / "timestamps", note(RAWS, 12))
    (tmp_path / "timestamps" / f"{stem_of(note(RAWS, 9))}.note").write_text(note(RAWS, 9))
    both = tuple(sorted((first.name, second.name)))
    assert files.notes() == (
        StampedNote(stem_of(note(RAWS, 7)), 7, both),
        StampedNote(stem_of(note(RAWS, 12)), 12, (later.name,)),
    )
    assert len(files.names()) == 6
    assert files.note(stem_of(note(RAWS, 7))) == note(RAWS, 7)
    assert files.note(stem_of(note(RAWS, 7)), COSIGNED) is None
    assert files.token(first.name) == first.read_bytes()


def test_a_directory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, note(RAWS, 7))
    monkeypatch.setattr(timestamp_files, "MAX_FILES", 1)
    with pytest.raises(MalformedError, match="more than 1 files"):
        TimestampFiles(tmp_path).notes()


def test_what_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    files = TimestampFiles(tmp_path)
    (tmp_path / "7-0123456789abcdef.note").mkdir()
    with pytest.raises(UnreadableError, match="cannot read 7-"):
        files.note("7-0123456789abcdef")
    long = TimestampFiles(tmp_path / ("x" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1)))
    with pytest.raises(UnreadableError, match="cannot list"):
        long.names()


def test_what_is_no_directory_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "timestamps").touch()
    assert TimestampFiles(tmp_path / "timestamps").names() == ()
    assert TimestampFiles(tmp_path / "timestamps").read("x", 1) is None
    assert TimestampedLog.beside(tmp_path, ORIGIN).check(tsa.roots()) == LogTimestamps()
