"""Models, policies and files: registered once, believed by their digests only."""

import hashlib
import sqlite3
from typing import Any

import pytest

from ledger import canonical
from ledger.entries import ModelVersionRegistered, ModelVersionStatus, PolicyRegistered, parse_entry
from ledger.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    VerificationError,
)
from ledger.operate.sequencer import Sequencer
from tests.ledger.operate.premises import (
    MODEL_FILE,
    Open,
    Premises,
    enter,
    model_manifest,
    policy_manifest,
)


def digest_of(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(canonical.encode(manifest)).hexdigest()


def test_a_version_is_found_by_name_and_by_digest(ledger: Open) -> None:
    for model in (
        ledger.registry.model("mortgage-approval@1.0.0"),
        ledger.registry.model(digest_of(model_manifest())),
        *ledger.registry.models(),
    ):
        assert model.digest == digest_of(model_manifest())
        assert model.reference == "mortgage-approval@1.0.0"
        assert model.manifest == model_manifest()
        assert model.status == "registered"
    for policy in (ledger.registry.policy("mortgage-cutoff@1.0.0"), *ledger.registry.policies()):
        assert policy.digest == digest_of(policy_manifest())
        assert policy.reference == "mortgage-cutoff@1.0.0"
    bodies = [parse_entry(raw).body for raw in ledger.log.entries()]
    assert bodies[1:] == [
        ModelVersionRegistered(digest_of(model_manifest())),
        PolicyRegistered(digest_of(policy_manifest())),
    ]


def test_the_same_again_changes_nothing(premises: Premises, ledger: Open) -> None:
    registry = premises.open().registry
    registry.register_model(model_manifest(), {})
    registry.register_policy(policy_manifest())
    assert ledger.log.size() == 3


def test_a_version_means_one_manifest(ledger: Open) -> None:
    with pytest.raises(ConflictError) as raised:
        ledger.registry.register_model(model_manifest(purpose="another"), {})
    assert raised.value.member == "version"
    ledger.registry.register_model(model_manifest(version="1.0.1"), {})
    assert [each.version for each in ledger.registry.models()] == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize(
    "reference", ["mortgage-approval@2", "nobody@1", "ab" * 32, "", "x", "@", "a\0@1"]
)
def test_what_was_never_registered_is_not_found(ledger: Open, reference: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        ledger.registry.model(reference)
    assert raised.value.member == "model"
    with pytest.raises(NotFoundError) as raised:
        ledger.registry.policy(reference)
    assert raised.value.member == "policy"


def test_a_protected_characteristic_is_refused_by_name(ledger: Open) -> None:
    manifest = model_manifest(version="2")
    manifest["features"].append({"name": "sex", "type": "category", "protected": True})
    with pytest.raises(RefusedError, match="sex is a protected characteristic") as raised:
        ledger.registry.register_model(manifest, {})
    assert raised.value.member == "features.sex"
    assert ledger.log.size() == 3


@pytest.mark.parametrize(
    ("members", "files", "member"),
    [
        ({"name": "two words"}, {}, "name"),
        ({"version": None}, {}, "version"),
        ({"version": "2", "features": 1}, {}, "features"),
        ({"version": "2", "artefacts": None}, {}, "artefacts"),
        ({"version": "2", "artefacts": {"model": {}}}, {}, "artefacts.model"),
        ({"version": "2", "artefacts": {"model": {"sha256": "ab" * 32}}}, {}, "artefacts.model"),
        ({"version": "2"}, {"model": b"another model"}, "artefacts.model"),
        ({"version": "2"}, {"stranger": b"x"}, "artefacts"),
    ],
)
def test_a_manifest_is_refused_by_the_member_at_fault(
    ledger: Open, members: dict[str, Any], files: dict[str, bytes], member: str
) -> None:
    with pytest.raises(MalformedError) as raised:
        ledger.registry.register_model(model_manifest(**members), files)
    assert raised.value.member == member
    assert ledger.log.size() == 3


def test_a_manifest_is_bounded(ledger: Open) -> None:
    with pytest.raises(MalformedError, match="larger"):
        ledger.registry.register_model(model_manifest(version="2", notes="x" * 4_000_000), {})


def test_the_log_says_in_which_stage_a_model_is(premises: Premises, ledger: Open) -> None:
    model = ledger.registry.model("mortgage-approval@1.0.0")
    for status in ("approved", "promoted", "retired"):
        enter(ledger.writer, model.digest, status)
        assert ledger.registry.model(model.digest).status == status
    assert premises.open().registry.model("mortgage-approval@1.0.0").status == "retired"
    body = [parse_entry(raw).body for raw in ledger.log.entries()][-1]
    assert isinstance(body, ModelVersionStatus)
    with pytest.raises(MalformedError):
        enter(ledger.writer, model.digest, "excellent")


def test_a_stage_that_another_process_logged_is_seen_at_once(
    premises: Premises, ledger: Open
) -> None:
    elsewhere = premises.open().registry
    for status in ("approved", "suspended", "promoted"):
        assert elsewhere.model("mortgage-approval@1.0.0").status != status
        enter(ledger.writer, elsewhere.model("mortgage-approval@1.0.0").digest, status)
        assert elsewhere.model("mortgage-approval@1.0.0").status == status


def test_files_are_hashed_when_they_are_read(premises: Premises, ledger: Open) -> None:
    digest = hashlib.sha256(MODEL_FILE).hexdigest()
    assert ledger.registry.artefact(digest) == MODEL_FILE
    path = premises.directory / "artefacts" / "sha256" / digest[:2] / digest
    path.write_bytes(b"a worse model")
    with pytest.raises(VerificationError):
        ledger.registry.artefact(digest)
    for wrong in ("cd" * 32, "../../vault.kek", ""):
        with pytest.raises(NotFoundError):
            ledger.registry.artefact(wrong)


@pytest.mark.parametrize(
    ("statement", "reference"),
    [
        ("UPDATE model_version SET manifest = CAST('{}' AS BLOB)", "mortgage-approval@1.0.0"),
        ("UPDATE model_version SET name = 'better'", "better@1.0.0"),
    ],
)
def test_a_changed_row_raises_the_alarm(
    premises: Premises, ledger: Open, statement: str, reference: str
) -> None:
    assert ledger.registry.models()
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.executescript(statement)
    connection.close()
    with pytest.raises(VerificationError):
        premises.open().registry.model(reference)


class _Unwritable(Sequencer):
    def append(self, *_: Any) -> Any:
        raise PushbackError("the machine died", retry_after=1)


def test_a_registration_that_was_cut_short_is_taken_up(premises: Premises, ledger: Open) -> None:
    assert ledger.log.size() == 3
    keys = premises.keys["decisions"]
    log = _Unwritable(
        premises.store(), premises.lock(), keys.origin, keys.signers(premises.clock), premises.clock
    )
    for purpose in ("abandoned", "kept"):
        manifest = model_manifest(version="2", purpose=purpose)
        with pytest.raises(PushbackError):
            premises.open(log).registry.register_model(manifest, {})
        with pytest.raises(NotFoundError):  # a row without its entry is nothing
            premises.open().registry.model("mortgage-approval@2")
    model = premises.open().registry.register_model(manifest, {})
    assert model.manifest["purpose"] == "kept"
    assert ledger.log.size() == 4
