"""What every ArtefactStore promises, on every implementation."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from ledger.errors import MalformedError, NotFoundError, PushbackError, RefusedError
from ledger.errors import VerificationError as Changed
from ledger.operate import artefact_url, artefacts
from ledger.operate.artefact_url import RemoteArtefacts
from ledger.operate.artefacts import Artefacts, ArtefactStore, place_of

MODEL = b"a booster"
DIGEST = hashlib.sha256(MODEL).hexdigest()
SECRET = "AKIA-SECRET"

Open = Callable[[], ArtefactStore]


class Stumbling(MemoryFileSystem):  # type: ignore[misc]  # it ships no types
    """A store that fails as often as it is told to, and says what it should not."""

    protocol = "stumbling"
    store: dict[str, Any] = {}  # noqa: RUF012 - as its base has it: one for the process
    pseudo_dirs = [""]  # noqa: RUF012
    failing: frozenset[str] = frozenset()

    def _fail(self, what: str) -> None:
        if what in self.failing:
            raise ConnectionError(f"403 for key {SECRET}")

    def pipe_file(self, path: str, value: bytes, **rest: Any) -> None:
        self._fail("before")
        super().pipe_file(path, value, **rest)
        self._fail("between")

    def mv(self, *paths: str, **rest: Any) -> None:
        super().mv(*paths, **rest)
        self._fail("after")

    def cat_file(self, path: str, **rest: Any) -> bytes:
        self._fail("read")
        return bytes(super().cat_file(path, **rest))

    def exists(self, path: str, **rest: Any) -> bool:
        self._fail("look")
        return bool(super().exists(path, **rest))


register_implementation("stumbling", Stumbling, clobber=True)


def remote(url: str, nearby: Path) -> RemoteArtefacts:
    return RemoteArtefacts(url, Artefacts(nearby), os.urandom)


@pytest.fixture
def stumbling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RemoteArtefacts]:
    def fails(*when: str) -> RemoteArtefacts:
        monkeypatch.setattr(Stumbling, "failing", frozenset(when))
        return remote(f"stumbling://{tmp_path.name}", tmp_path / "nearby")

    return fails


@pytest.fixture(params=["directory", "file", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    urls = {"file": f"file://{tmp_path}/far/", "memory": f"memory://{tmp_path}"}
    if request.param == "directory":
        return lambda: Artefacts(tmp_path / "artefacts")
    # Each has a directory of its own for what it read, as a machine of its own would.
    count = iter(range(100))
    return lambda: remote(urls[request.param], tmp_path / f"nearby-{next(count)}")


def test_what_is_kept_is_read_by_everyone(opened: Open) -> None:
    mine, theirs = opened(), opened()
    assert not mine.has(DIGEST)
    assert mine.keep(MODEL) == DIGEST
    assert mine.has(DIGEST)
    assert theirs.has(DIGEST)
    assert theirs.read(DIGEST) == mine.read(DIGEST) == MODEL
    assert mine.keep(MODEL) == DIGEST  # again changes nothing
    assert theirs.keep(b"") == hashlib.sha256(b"").hexdigest()


def test_what_is_not_there_is_not_found(opened: Open) -> None:
    store = opened()
    with pytest.raises(NotFoundError):
        store.read(DIGEST)
    for wrong in ("../../vault.kek", "", "AB" * 32, "ab" * 31):
        with pytest.raises(NotFoundError):
            store.read(wrong)
        with pytest.raises(NotFoundError):
            store.has(wrong)


def test_too_large_a_file_is_refused(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "MAX_ARTEFACT_BYTES", 3)
    with pytest.raises(MalformedError, match="larger than 3 bytes"):
        opened().keep(MODEL)


def changed(store: ArtefactStore, data: bytes) -> None:
    """Change the file where it lies, as whoever owns the place could."""
    if isinstance(store, RemoteArtefacts):
        place, root = store._store()
        place.pipe_file(f"{root}/{place_of(DIGEST)}", data)
    else:
        (store._root / place_of(DIGEST)).write_bytes(data)  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", [b"", b"a worse model", MODEL + b"x" * 100])
def test_a_changed_file_raises_the_alarm(
    opened: Open, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefact_url, "MAX_ARTEFACT_BYTES", 50)  # no more than that is fetched
    opened().keep(MODEL)
    changed(opened(), data)
    with pytest.raises(Changed):
        opened().read(DIGEST)
    opened().keep(MODEL)  # whoever has the file puts it right
    assert opened().read(DIGEST) == MODEL


def test_nothing_but_the_file_is_left(opened: Open, tmp_path: Path) -> None:
    opened().keep(MODEL)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {DIGEST}


def test_a_file_that_was_read_is_there_without_the_store(
    stumbling: Callable[..., RemoteArtefacts], tmp_path: Path
) -> None:
    stumbling().keep(MODEL)
    assert stumbling("read", "look").read(DIGEST) == MODEL
    nearby = tmp_path / "nearby" / place_of(DIGEST)
    nearby.write_bytes(b"changed here")
    assert stumbling().read(DIGEST) == MODEL  # the store has the word
    assert nearby.read_bytes() == MODEL
    nearby.unlink()
    with pytest.raises(PushbackError, match="does not answer") as caught:
        stumbling("read").read(DIGEST)
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    with pytest.raises(PushbackError):
        stumbling("look").has(DIGEST)


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_put_that_fails_leaves_the_whole_file_or_none(
    stumbling: Callable[..., RemoteArtefacts], when: str
) -> None:
    with pytest.raises(PushbackError):
        stumbling(when).keep(MODEL)
    again = stumbling()
    assert again.has(DIGEST) is (when == "after")
    again.keep(MODEL)
    assert again.read(DIGEST) == MODEL


def test_a_full_disk_here_takes_no_file_away(tmp_path: Path) -> None:
    class Full(Artefacts):
        def keep(self, data: bytes) -> str:
            del data
            raise PushbackError("full", retry_after=1)

    store = RemoteArtefacts(f"memory://{tmp_path}", Full(tmp_path / "nearby"), os.urandom)
    assert store.keep(MODEL) == DIGEST
    assert store.read(DIGEST) == MODEL


def test_a_directory_that_cannot_be_written_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    store = Artefacts(tmp_path / "artefacts")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(PushbackError, match="full"):
            store.keep(MODEL)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RefusedError):
        Artefacts(tmp_path / "file").keep(MODEL)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("bucket/prefix", "give an address"),
        ("S3://bucket", "give an address"),
        ("s3://key:secret@bucket/prefix", "give an address"),
        ("simplecache::s3://bucket", "give an address"),
        ("s3://bucket?key=secret", "give an address"),
        ("nonesuch://bucket", "install what fsspec needs for nonesuch://"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(
    tmp_path: Path, url: str, why: str
) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        remote(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_without_fsspec_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(RefusedError, match=r"install decision-ledger\[artefacts\]"):
        remote("memory://x", tmp_path)
