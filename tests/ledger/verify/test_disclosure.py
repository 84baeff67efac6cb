"""Packages that are no disclosure, or not of what they say."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ledger import canonical
from ledger.errors import MalformedError, VerificationError
from ledger.verify import disclosure
from ledger.verify.disclosure import (
    MAX_PACKAGE_BYTES,
    README,
    Ground,
    Manifest,
    Part,
    openings_name,
    pack,
    receipt_name,
    unpack,
)

ID = "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71"
MANIFEST = Manifest(
    id=ID,
    origin="ledger.example/demo/log/decisions",
    issued_at="2026-05-14T12:00:00Z",
    recipient="The Court",
    ground=Ground.LEGAL_CLAIMS,
    purpose="Evidence",
    records={ID: (Part.DECISION,)},
    files=dict.fromkeys(
        (README, receipt_name(ID, Part.DECISION), openings_name(ID, Part.DECISION)), "00"
    ),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.parse(MANIFEST.to_bytes()) == MANIFEST


@pytest.mark.parametrize(
    "members",
    [
        {"recipient": ""},
        {"recipient": "two\nlines"},
        {"purpose": "x" * 501},
        {"records": {}},
        {"records": {ID: ()}},
        {"records": {"Ann": (Part.DECISION,)}},
        {"records": {ID: (Part.DECISION, Part.ATTRIBUTIONS)}},
        {"files": {README: "00"}},
    ],
)
def test_what_no_manifest_says(members: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(MANIFEST, **members)


@pytest.mark.parametrize(
    "members",
    [
        {"v": 2},
        {"more": 1},
        {"records": []},
        {"files": []},
        {"purpose": 1},
        {"files": dict.fromkeys(MANIFEST.files, 1)},
        {"ground": "because"},
        {"records": {ID: ["soul"]}},
        {"records": {ID: "decision"}},
        {"records": {ID: [1]}},
    ],
)
def test_what_is_no_manifest(members: dict[str, Any]) -> None:
    document = canonical.parse(MANIFEST.to_bytes(), max_bytes=10_000)
    assert isinstance(document, dict)
    with pytest.raises(MalformedError):
        Manifest.parse(canonical.encode(document | members))
    with pytest.raises(MalformedError):
        Manifest.parse(b"[]")


def test_a_package_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MalformedError):
        unpack(bytes(MAX_PACKAGE_BYTES + 1))
    monkeypatch.setattr(disclosure, "MAX_PACKAGE_BYTES", 100)
    with pytest.raises(MalformedError):
        pack({"a": bytes(100)})


def verify(files: dict[str, bytes]) -> None:
    nobody: Any = None  # no policy is reached
    disclosure.verify_disclosure(pack(files), nobody)


def test_a_package_needs_its_two_files_and_readable_receipts() -> None:
    with pytest.raises(MalformedError, match="without"):
        verify({"disclosure.json": MANIFEST.to_bytes()})
    content = dict.fromkeys(MANIFEST.files, b"")
    hashes = dict.fromkeys(MANIFEST.files, hashlib.sha256(b"").hexdigest())
    raw = replace(MANIFEST, files=hashes).to_bytes()
    with pytest.raises(MalformedError, match="UTF-8"):
        verify(content | {"disclosure.json": raw, "export.tlog-proof": b"\xff"})


def test_a_receipt_of_another_part_or_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile operator lists what it can prove as something that it is not."""
    entry = SimpleNamespace(id=ID, body=SimpleNamespace(kind="decision", decision="other"))
    proved = SimpleNamespace(entry=entry, checkpoint=SimpleNamespace(origin="here"))
    monkeypatch.setattr(disclosure, "verify_receipt", lambda *_: proved)
    files = {receipt_name(ID, Part.EXPLANATION): b"", openings_name(ID, Part.EXPLANATION): b""}
    with pytest.raises(VerificationError, match="listed as"):
        disclosure._shown(ID, Part.EXPLANATION, files, "here", None)  # type: ignore[arg-type]
    with pytest.raises(VerificationError, match="another log"):
        disclosure._proved(b"", "there", None)  # type: ignore[arg-type]
