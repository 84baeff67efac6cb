"""The manifest of a backup: exactly what we would have written, or refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import MalformedError
from ledger.operate.backup_manifest import (
    BackedUpFile,
    BackedUpLog,
    BackupManifest,
    Engine,
    Part,
)

DIGEST = "ab" * 32
MANIFEST = BackupManifest(
    part=Part.LEDGER,
    software="decision-ledger/0.1.0",
    created="2026-05-14T12:00:00Z",
    origin="ledger.example/demo",
    engine=Engine.SQLITE,
    logs=(
        BackedUpLog("ledger.example/demo/log/access", 3, "a note"),
        BackedUpLog("ledger.example/demo/log/decisions", 7, "a note"),
    ),
    files=(
        BackedUpFile("artefacts/sha256/ab/abcd", DIGEST, 12),
        BackedUpFile("ledger.db", DIGEST, 4096),
    ),
)


def test_it_reads_back() -> None:
    assert BackupManifest.parse(MANIFEST.format()) == MANIFEST


def test_the_database_is_named_after_what_keeps_it() -> None:
    assert MANIFEST.database == "ledger.db"
    archive = json.loads(MANIFEST.format())
    archive["engine"] = "postgresql"
    archive["files"][1]["path"] = "ledger.dump"
    assert BackupManifest.parse(canonical.encode(archive)).database == "ledger.dump"


def file(**members: Any) -> dict[str, Any]:
    return {"path": "ledger.db", "sha256": DIGEST, "bytes": 1} | members


def log(**members: Any) -> dict[str, Any]:
    return {"origin": "o", "size": 1, "checkpoint": "n"} | members


HOSTILE: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "true is one": {"v": True},
    "another part": {"part": "keys"},
    "a list for a part": {"part": []},
    "another engine": {"engine": "mysql"},
    "no text": {"software": 1},
    "another time": {"created": "2026-05-14T12:00:00+02:00"},
    "no logs": {"logs": []},
    "logs are an object": {"logs": {}},
    "a log with more": {"logs": [log(more=1)]},
    "a log twice": {"logs": [log(), log()]},
    "logs out of order": {"logs": [log(origin="p"), log()]},
    "a log of no name": {"logs": [log(origin=1)]},
    "a negative size": {"logs": [log(size=-1)]},
    "a size that is true": {"logs": [log(size=True)]},
    "too many logs": {"logs": [log(origin=f"{at:03}") for at in range(65)]},
    "a file that is no object": {"files": [1]},
    "no database": {"files": [file(path="policy.txt")]},
    "a file twice": {"files": [file(), file()]},
    "files out of order": {"files": [file(path="policy.txt"), file()]},
    "a digest of another length": {"files": [file(sha256="ab")]},
    "a digest in capitals": {"files": [file(sha256=DIGEST.upper())]},
    "a length that is no count": {"files": [file(bytes=1.5)]},
    "a path upwards": {"files": [file(path="../ledger.db"), file()]},
    "a path upwards inside": {"files": [file(path="artefacts/../../x"), file()]},
    "a path from the root": {"files": [file(path="/etc/passwd"), file()]},
    "a hidden path": {"files": [file(path=".ssh/key"), file()]},
    "a backslash": {"files": [file(path="a\\b"), file()]},
    "a path of no text": {"files": [file(path=1)]},
    "an empty step": {"files": [file(path="artefacts//x"), file()]},
    "a line feed": {"files": [file(path="a\n"), file()]},
    "a long path": {"files": [file(path="a" * 401), file()]},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_we_never_wrote_is_refused(members: dict[str, Any]) -> None:
    document = json.loads(MANIFEST.format()) | members
    with pytest.raises(MalformedError):
        BackupManifest.parse(canonical.encode(document))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", MANIFEST.format() + b"\n"])
def test_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        BackupManifest.parse(data)


SCALARS = st.none() | st.booleans() | st.integers(-5, 2**53) | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(st.sampled_from(["path", "sha256", "bytes", "x"]), inner))  # fmt: skip


@given(st.sampled_from(["v", "part", "created", "engine", "logs", "files", "origin"]), VALUES)
def test_any_value_in_any_place_is_read_back_or_refused(member: str, value: Any) -> None:
    document = json.loads(MANIFEST.format()) | {member: value}
    try:
        data = canonical.encode(document)
        assert BackupManifest.parse(data).format() == data
    except MalformedError:
        pass
