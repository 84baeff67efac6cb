"""Tiles over HTTP: what a server cannot give could not be checked, what it gives is judged."""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ledger.tlog.merkle import leaf_hash
from ledger.verify import http_fetch, http_reader
from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.findings import Code
from ledger.verify.http_reader import HttpLogReader
from ledger.verify.reader import UnreadableError
from tests.ledger.verify.audits import found, honest, log
from tests.ledger.verify.tile_log import POLICY, STRANGER, Liar, edited, note, tiles_of
from tests.ledger.verify.web import Site, answer, served

SIZE = 600
Act = Callable[[BaseHTTPRequestHandler, str], bool]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_fetch, "SILENCE", 0.5)
    monkeypatch.setattr(http_fetch, "FIRST_PAUSE", 0.001)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(Site(Liar(log(SIZE)).directory(tmp_path / "tiles"))) as one:
        yield one


def audited(site: Site) -> AuditResult:
    with HttpLogReader.open(site.address, POLICY) as reader:
        return audit(reader, POLICY)


def test_everything_is_asked_for_once(site: Site) -> None:
    assert audited(site).findings == ()
    assert sorted(site.asked) == sorted(
        [
            *("checkpoint", "minimum-index"),
            *(tile.path() for tile in tiles_of(honest(SIZE))),
            *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"),
        ]
    )


def test_a_prefix_may_end_in_a_slash(site: Site) -> None:
    site.address += "/"
    assert audited(site).findings == ()


def test_the_command_checks_an_address(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.txt").write_text(POLICY.format())
    arguments = [site.address, "--policy", str(tmp_path / "policy.txt")]
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 0
    site.asked.clear()
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 0
    assert "0 new ones were read now" in capsys.readouterr().out
    # The last entry's bundle, and the tiles at the tree's edge, and nothing of what is full.
    assert {path for path in site.asked if "/00" in path} == {
        *("tile/entries/002.p/88", "tile/0/002.p/88", "tile/1/000.p/2"),
    }
    assert main([*arguments, "--processes", "2"]) == 0  # one is enough for an address


def refusing(path: str, status: int, *, times: int = 10**6, **headers: str) -> Act:
    left = [times]

    def act(handler: BaseHTTPRequestHandler, asked: str) -> bool:
        if asked != path or not left[0]:
            return False
        left[0] -= 1
        return answer(handler, status, b"no", **headers)

    return act


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/001", "tile/0/001", "tile/1/000.p/2"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_what_the_server_does_not_give_could_not_be_checked(
    site: Site, path: str, status: int
) -> None:
    site.act = refusing(path, status)
    with pytest.raises(UnreadableError):
        audited(site)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_fault_that_passes_is_tried_again(site: Site, status: int) -> None:
    site.act = refusing("tile/entries/001", status, times=3, Retry_After="0")
    assert audited(site).findings == ()
    assert site.asked.count("tile/entries/001") == 4


def test_a_server_may_ask_for_a_pause_but_not_for_a_long_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_fetch, "MAX_PAUSE", 0.2)
    site.act = refusing("checkpoint", 503, times=1, Retry_After="9999")
    began = time.monotonic()
    assert audited(site).findings == ()
    assert 0.2 <= time.monotonic() - began < 30


def test_a_partial_file_that_was_dropped_is_read_from_the_full_one(
    site: Site, tmp_path: Path
) -> None:
    later = Liar(log(800)).directory(tmp_path / "later")
    (later / "checkpoint").write_text(note(honest(800), SIZE))
    (later / "tile/1/000.p/2").write_bytes((site.files / "tile/1/000.p/2").read_bytes())
    site.files = later
    assert audited(site).findings == ()
    assert "tile/entries/002.p/88" in site.asked
    assert "tile/entries/002" in site.asked


# What is there and wrong


def replacing(path: str, change: Callable[[bytes], bytes]) -> Callable[[Site], Act]:
    def of(site: Site) -> Act:
        def act(handler: BaseHTTPRequestHandler, asked: str) -> bool:
            if asked != path:
                return False
            return answer(handler, 200, change((site.files / path).read_bytes()))

        return act

    return of


def one_edited(data: bytes) -> bytes:
    at = data.index(honest(SIZE)[300])
    raw = honest(SIZE)[300]
    return data[:at] + edited(raw) + data[at + len(raw) :]


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("tile/entries/001", one_edited, (Code.TILE_DIFFERS, 300)),
        ("tile/entries/001", lambda data: data[:-3], (Code.TILE_DIFFERS, 511)),
        ("tile/entries/001", lambda data: data + b"x", (Code.TILE_DIFFERS, 511)),
        ("tile/entries/001", lambda _: b"", (Code.ENTRY_MISSING, 256)),
        ("tile/entries/001", lambda _: b"<html>", (Code.TILE_DIFFERS, 256)),
        ("tile/0/001", lambda _: bytes(8192), (Code.TILE_DIFFERS, 256)),
        ("tile/0/001", lambda data: data[:-1], (Code.TILE_DIFFERS, 511)),
        ("tile/0/001", lambda data: data + bytes(1), (Code.TILE_DIFFERS, 256)),
        ("tile/0/002.p/88", lambda data: data + bytes(32), (Code.TILE_DIFFERS, 512)),
        ("tile/1/000.p/2", lambda _: bytes(64), (Code.TILE_DIFFERS, 0)),
    ],
)
def test_bytes_that_are_wrong_are_a_finding(
    site: Site, path: str, change: Callable[[bytes], bytes], expected: tuple[Code, int]
) -> None:
    site.act = replacing(path, change)(site)
    assert expected in found(audited(site))


def test_a_file_without_end_is_not_read_whole(site: Site) -> None:
    def act(handler: BaseHTTPRequestHandler, asked: str) -> bool:
        if asked != "tile/0/001":
            return False
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65_536))
        except OSError:
            return True

    site.act = act
    assert (Code.TILE_DIFFERS, 256) in found(audited(site))


def test_a_checkpoint_that_nobody_signed_is_a_finding_and_no_size_to_read_up_to(
    site: Site,
) -> None:
    forged = note(honest(SIZE), signer=STRANGER).replace(f"\n{SIZE}\n", f"\n{10**15}\n")
    site.act = replacing("checkpoint", lambda _: forged.encode())(site)
    result = audited(site)
    assert found(result) == {(Code.CHECKPOINT_REFUSED, None), (Code.CHECKPOINT_MISSING, None)}
    assert site.asked == ["checkpoint"]


@pytest.mark.parametrize("data", [b"", b"<html>sign in to this network", b"\xff\xfe", b"a\nb\nc\n"])
def test_a_page_in_place_of_a_checkpoint_could_not_be_checked(site: Site, data: bytes) -> None:
    site.act = replacing("checkpoint", lambda _: data)(site)
    with pytest.raises(UnreadableError, match="not a checkpoint"):
        audited(site)


def test_no_more_is_read_ahead_than_may_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_reader, "AHEAD", 1)
    with HttpLogReader.open(site.address, POLICY) as reader:
        runs = reader.runs()
        next(runs)
        assert {path for path in site.asked if "002" in path} == set()
        assert [run.indexes[0] for run in runs] == [256, 512]


def test_an_audit_that_ends_early_leaves_nothing_behind(site: Site) -> None:
    with HttpLogReader.open(site.address, POLICY) as reader:
        run = next(reader.runs())
        assert leaf_hash(run.raws[0]) == leaf_hash(honest(SIZE)[0])
