"""Chosen fields go out in one file that proves them, and nothing else does."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.entries import ExportIssued, parse_entry
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    PermissionRefused,
    SecondPersonNeeded,
    VerificationError,
)
from ledger.operate.access_log import Manner
from ledger.roles import Principal, Role
from ledger.tlog.policy import Policy
from ledger.verify.__main__ import main
from ledger.verify.disclosure import Manifest, pack, unpack, verify_disclosure
from service.disclosing import Disclosing, Wanted
from service.reading import Caller
from tests.service.ui.lender import Lender

ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(24)
    yield made
    made.runtime.close()


@pytest.fixture(scope="module")
def policy(lender: Lender) -> Policy:
    return Policy.parse(lender.settings.policy_path.read_text())


def acting(lender: Lender, who: Principal = ANN) -> Disclosing:
    return Disclosing(lender.runtime, Caller(who, "complaint", "C-1"))


def wanted(lender: Lender, **members: Any) -> Wanted:
    return Wanted(
        **{
            "records": (lender.ids[0],),
            "fields": ("input.late", "output"),
            "recipient": "The Court",
            "ground": "legal_claims",
            "purpose": "Evidence in a case",
        }
        | members
    )


def test_it_verifies_and_says_what_was_shown(
    lender: Lender, policy: Policy, tmp_path: Path, capsys: Any
) -> None:
    lender.runtime.explaining.issue(lender.ids[2], "en")
    fields = ("input.late", "output", "explanation.summary")
    manifest, package = acting(lender).issue(
        wanted(lender, records=(lender.ids[2],), fields=fields)
    )
    file = tmp_path / "disclosure.zip"
    file.write_bytes(package)
    assert main([str(file), "--policy", str(lender.settings.policy_path)]) == 0
    said = capsys.readouterr().out
    assert "Recipient   The Court" in said
    assert "input.late" in said
    assert "explanation.summary" in said
    assert "loan_to_value" not in said
    arguments = [str(file), "--policy", str(lender.settings.policy_path), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)["disclosure"]
    assert [each["part"] for each in told["records"]] == ["decision", "explanation"]
    late = lender.runtime.decisions.read(lender.ids[2]).payload.input["late"]
    assert told["records"][0]["disclosed"]["input"] == {"late": late}
    assert told["records"][0]["hidden"] == 2
    issued = parse_entry(lender.runtime.logs["decisions"].entry(manifest.id))
    assert isinstance(issued.body, ExportIssued)


def test_it_is_on_both_logs_and_found_by_its_person(lender: Lender) -> None:
    before = lender.runtime.logs["access"].size()
    manifest, _ = acting(lender).issue(wanted(lender, records=(lender.ids[23],)))
    log = lender.runtime.access_log
    entry = parse_entry(next(log.log.entries(before)))
    detail = log.open(entry.id)
    assert (detail.manner, detail.records) == (Manner.EXPORT, (lender.ids[23],))
    assert detail.fields == ("input.late", "output")
    ((at, found),) = acting(lender).about(lender.ids[23])
    assert found == manifest
    assert at > entry.at
    assert lender.runtime.access_log.about([lender.ids[23]])[0].manner is Manner.EXPORT
    for raw in lender.runtime.logs["decisions"].entries():
        assert b"The Court" not in raw
    assert acting(lender).about(lender.ids[21]) == ()
    with pytest.raises(NotFoundError):
        lender.runtime.disclosures.read(lender.ids[23])


@settings(max_examples=20)  # each one opens, logs and packs
@given(data=st.data())
def test_no_salt_of_a_field_that_is_not_shown(lender: Lender, data: st.DataObject) -> None:
    record = lender.ids[1]
    whole = lender.runtime.decisions.openings(record)
    every = {
        (o.section, f.name): f.salt for o in whole for f in o.fields if not isinstance(f, bytes)
    }
    chosen = data.draw(st.sets(st.sampled_from(sorted(every)), min_size=1))
    fields = tuple(f"{section}.{name}" for section, name in chosen)
    _, package = acting(lender).issue(wanted(lender, records=(record,), fields=fields))
    inside = b"".join(unpack(package).values())
    shown = {name for name, salt in every.items() if base64.b64encode(salt) in inside}
    assert shown == chosen


def altered(package: bytes, name: str, change: Any) -> bytes:
    files = unpack(package)
    (found,) = [each for each in files if each.endswith(name)]
    files[found] = change(files[found])
    return pack(files)


def test_whatever_is_changed_is_found(lender: Lender, policy: Policy) -> None:
    _, package = acting(lender).issue(wanted(lender))
    verify_disclosure(package, policy)
    _, other = acting(lender).issue(wanted(lender, records=(lender.ids[1],)))
    for name in unpack(package):
        with pytest.raises(LedgerError):
            verify_disclosure(altered(package, name, lambda data: data + b" "), policy)
    exported = unpack(other)["export.tlog-proof"]
    with pytest.raises(VerificationError):
        verify_disclosure(altered(package, "export.tlog-proof", lambda _: exported), policy)
    files = unpack(package)
    with pytest.raises(VerificationError):
        verify_disclosure(pack(files | {"more": b""}), policy)
    forged = replace(Manifest.parse(files["disclosure.json"]), recipient="Somebody else")
    with pytest.raises(VerificationError):
        verify_disclosure(pack(files | {"disclosure.json": forged.to_bytes()}), policy)


def test_a_forged_package_is_a_finding(lender: Lender, tmp_path: Path, capsys: Any) -> None:
    _, package = acting(lender).issue(wanted(lender))
    file = tmp_path / "disclosure.zip"
    file.write_bytes(altered(package, "README.txt", lambda data: data + b"."))
    assert main([str(file), "--policy", str(lender.settings.policy_path)]) == 1
    assert "NOT FINE" in capsys.readouterr().out


def zipped(**how: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as package:
        package.writestr("disclosure.json", bytes(100_000))
    return out.getvalue()


@pytest.mark.parametrize("data", [b"", b"PK", zipped(compression=zipfile.ZIP_DEFLATED), zipped()])
def test_what_is_no_package(policy: Policy, data: bytes) -> None:
    with pytest.raises(MalformedError):
        verify_disclosure(data, policy)


def test_a_file_twice_or_longer_than_it_is(policy: Policy) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            package.writestr("a", b"2")
    with pytest.raises(MalformedError, match="twice"):
        unpack(out.getvalue())
    data = bytearray(zipped())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(MalformedError, match="more than its size"):
        unpack(bytes(data))


def test_many_records_take_two_people(lender: Lender, policy: Policy) -> None:
    many = wanted(lender, records=tuple(lender.ids[:21]))
    for token in ("", "nonsense", "k-ann.12.ff", f"{ANN.id}.99999999999999999.00"):
        with pytest.raises(SecondPersonNeeded):
            acting(lender, BEN).issue(many, token)
    token = acting(lender, ANN).ask(many)
    with pytest.raises(SecondPersonNeeded):
        acting(lender, ANN).issue(many, token)
    with pytest.raises(SecondPersonNeeded):
        acting(lender, BEN).issue(replace(many, recipient="Somebody else"), token)
    _, package = acting(lender, BEN).issue(many, token)
    assert len(verify_disclosure(package, policy).parts) == 21
    lender.now += timedelta(days=8)
    with pytest.raises(SecondPersonNeeded, match="too long ago"):
        acting(lender, BEN).issue(many, token)


def test_what_is_refused(lender: Lender) -> None:
    size = lender.runtime.logs["decisions"].size()
    with pytest.raises(PermissionRefused):
        acting(lender, Principal("k", "C", Role.CASE_HANDLER)).issue(wanted(lender))
    for fields in (("input.age",), ("output.late",)):
        with pytest.raises(MalformedError):
            acting(lender).issue(wanted(lender, fields=fields))
    with pytest.raises(MalformedError):
        acting(lender).issue(wanted(lender, recipient="two\nlines"))
    with pytest.raises(NotFoundError):
        acting(lender).issue(wanted(lender, records=(lender.ids[9],), fields=("explanation",)))
    for members in ({"fields": ("age",)}, {"fields": ()}, {"records": ()}, {"ground": "because"}):
        with pytest.raises(MalformedError):
            wanted(lender, **members)
    assert lender.runtime.logs["decisions"].size() == size


def test_over_http(lender: Lender, policy: Policy) -> None:
    client = lender.app().test_client()
    key = {"Authorization": f"Bearer {lender.keys[Role.DATA_PROTECTION_OFFICER]}"}
    body = {
        "records": [lender.ids[22]], "fields": ["input.late"], "recipient": "The Court",
        "ground": "legal_claims", "purpose": "Evidence",
    }  # fmt: skip
    got = client.post("/v1/disclosures", json=body, headers=key)
    assert (got.status_code, got.mimetype) == (200, "application/zip")
    assert verify_disclosure(got.data, policy).manifest.recipient == "The Court"
    listed = client.get(f"/v1/decisions/{lender.ids[22]}/disclosures", headers=key).get_json()
    assert [each["recipient"] for each in listed["disclosures"]] == ["The Court"]
    asked = client.post("/v1/disclosures/requests", json=body, headers=key).get_json()
    got = client.post("/v1/disclosures", json=body | asked, headers=key)
    assert (got.status_code, got.get_json()["type"]) == (403, "/problems/second-person")
    for path in ("/v1/disclosures", "/v1/disclosures/requests"):
        got = client.post(path, json=body | {"fields": ["age"]}, headers=key)
        assert (got.status_code, got.get_json()["member"]) == (422, "fields")
