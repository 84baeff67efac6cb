"""A log whose keys were rotated: who believes which checkpoint, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.entries import Body, LogCreated, LogKeyRotated
from ledger.errors import SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import Ed25519Cosigner, MLDSA44Signer
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.note import Ed25519Signer, NoteSigner, sign_note
from ledger.tlog.policy import Log, Policy, Witness
from ledger.verify import key_history, report
from ledger.verify.findings import Code
from tests.ledger.verify.audits import audited, found, one
from tests.ledger.verify.tile_log import ORIGIN, Liar, decision, edited, entries, genesis


def ed25519(seed: int, name: str = ORIGIN) -> Ed25519Signer:
    return Ed25519Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def pair(seed: int) -> tuple[NoteSigner, ...]:
    private = MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)
    return ed25519(seed), MLDSA44Signer(ORIGIN, private, lambda: 1_780_000_000)


OLD, NEW, THIRD = pair(1), pair(2), pair(3)
BOTH = (*OLD, *NEW)
WITNESS = Ed25519Cosigner("w.example", Ed25519PrivateKey.generate(), lambda: 1_780_000_000)
AT, SIZE = 3, 8  # the entry that rotates the keys, and the size of the log
Signers = Sequence[NoteSigner]


def vkeys(signers: Signers) -> tuple[str, ...]:
    return tuple(signer.verifier_key.vkey() for signer in signers)


def policy(*signers: NoteSigner) -> Policy:
    return Policy(tuple(Log(signer.verifier_key) for signer in signers))


def rotation(old: Signers = OLD, new: Signers = NEW) -> LogKeyRotated:
    return LogKeyRotated(vkeys(old), vkeys(new))


def raws(special: Mapping[int, Body] | None = None, size: int = SIZE) -> list[bytes]:
    """A log that begins with the old keys and rotates to the new ones at AT."""
    first = replace(genesis(), vkeys=vkeys(OLD))
    bodies = {0: first, AT: rotation()} | dict(special or {})
    return entries(size, lambda index: bodies.get(index) or decision(index))


def note(of: Sequence[bytes], size: int, signers: Signers) -> str:
    root = Frontier.empty().extend([leaf_hash(raw) for raw in of[:size]]).root()
    return sign_note(Checkpoint(ORIGIN, size, root).format(), signers)


Plan = Mapping[int, Signers]
ROTATED: Plan = {
    **dict.fromkeys((1, 2, 3), OLD), **dict.fromkeys((4, 5, 6), BOTH), **dict.fromkeys((7, 8), NEW),
}  # fmt: skip


def liar(plan: Plan = ROTATED, of: Sequence[bytes] = ()) -> Liar:
    of = of or raws()
    return Liar(list(of), notes={size: note(of, size, who) for size, who in plan.items()})


def database(path: Path, plan: Plan = ROTATED, of: Sequence[bytes] = ()) -> Path:
    return liar(plan, of).sqlite(path / "ledger.db")


def test_with_both_keys_everything_is_verified(tmp_path: Path) -> None:
    result = audited(database(tmp_path), policy(*BOTH))
    assert result.findings == ()
    assert result.checkpoints == SIZE
    (rotated,) = result.rotations
    assert (rotated.index, rotated.vouched, rotated.followed) == (AT, True, False)
    assert [key.vkey() for key in rotated.new] == list(vkeys(NEW))


@pytest.mark.parametrize("trusted", [OLD, OLD[:1], OLD[1:]], ids=["both", "ed25519", "ml-dsa-44"])
def test_a_reader_with_the_old_keys_is_led_to_the_new_ones(
    tmp_path: Path, trusted: Signers
) -> None:
    result = audited(database(tmp_path), policy(*trusted))
    assert result.findings == ()
    assert result.checkpoint is not None
    assert result.checkpoint.size == SIZE
    assert (result.rotations[0].vouched, result.rotations[0].followed) == (True, True)
    text = "\n".join(report.audit_lines(result))
    assert f"by entry {AT}" in text
    assert "the policy names none of the new keys" in text
    document = report.audit_json(result)
    assert document["rotations"] == [
        {
            "index": AT,
            "old": [key.verifier_key.key_id.hex() for key in OLD],
            "new": [key.verifier_key.key_id.hex() for key in NEW],
            "vouched": True,
            "followed": True,
        }
    ]


@pytest.mark.parametrize("trusted", [NEW, NEW[:1], NEW[1:]], ids=["both", "ed25519", "ml-dsa-44"])
def test_a_reader_with_the_new_keys_verifies_what_the_old_ones_signed(
    tmp_path: Path, trusted: Signers
) -> None:
    result = audited(database(tmp_path), policy(*trusted))
    assert result.findings == ()
    assert (result.checkpoints, result.unverified) == (SIZE, 0)
    assert not result.rotations[0].followed
    # A forged signature of the old keys is seen, though the policy does not name them.
    forged = liar()
    forged.notes[2] = forged.notes[2].replace(forged.notes[2][-20:], forged.notes[1][-20:])
    result = audited(forged.sqlite(tmp_path / "forged.db"), policy(*trusted))
    assert found(result) == {(Code.CHECKPOINT_REFUSED, None)}
    assert "of size 2" in result.findings[0].detail


def test_a_chain_of_rotations_is_followed_both_ways(tmp_path: Path) -> None:
    of = raws({5: rotation(NEW, THIRD)})
    plan = {1: OLD, 4: BOTH, 5: NEW, 6: (*NEW, *THIRD), 8: THIRD}
    path = database(tmp_path, plan, of)
    for trusted in (OLD, NEW, THIRD):
        result = audited(path, policy(*trusted))
        assert result.findings == ()
        assert [each.vouched for each in result.rotations] == [True, True]
    assert [each.followed for each in audited(path, policy(*OLD)).rotations] == [True, True]
    assert [each.followed for each in audited(path, policy(*NEW)).rotations] == [False, True]


def test_one_key_of_two_can_be_rotated(tmp_path: Path) -> None:
    new = (NEW[0], OLD[1])
    of = raws({AT: rotation(OLD, new)})
    path = database(tmp_path, {1: OLD, 4: (*OLD, NEW[0]), 8: new}, of)
    for trusted in (OLD, new, NEW[:1]):
        assert audited(path, policy(*trusted)).findings == ()


def test_keys_that_nobody_leads_to_are_not_believed(tmp_path: Path) -> None:
    result = audited(database(tmp_path), policy(*THIRD))
    assert found(result) == {
        (Code.GENESIS_WRONG, 0), (Code.CHECKPOINT_REFUSED, None), (Code.CHECKPOINT_MISSING, None),
    }  # fmt: skip
    assert "of size 1 (and 7 more after it)" in one(result, Code.CHECKPOINT_REFUSED).detail


# A thief of retired keys


@pytest.mark.parametrize("trusted", [OLD, NEW, BOTH], ids=["old", "new", "both"])
def test_retired_keys_sign_nothing_any_more(tmp_path: Path, trusted: Signers) -> None:
    result = audited(database(tmp_path, {**ROTATED, 8: OLD}), policy(*trusted))
    assert found(result) == {(Code.KEY_RETIRED, None), (Code.CHECKPOINT_MISSING, None)}
    detail = one(result, Code.KEY_RETIRED).detail
    assert "the newest stored checkpoint of size 8" in detail
    assert f"entry {AT} retired" in detail


@pytest.mark.parametrize("trusted", [OLD, NEW, BOTH], ids=["old", "new", "both"])
def test_an_older_checkpoint_of_retired_keys_is_as_wrong(tmp_path: Path, trusted: Signers) -> None:
    result = audited(database(tmp_path, {**ROTATED, 7: OLD[:1]}), policy(*trusted))
    assert found(result) == {(Code.KEY_RETIRED, None)}


@pytest.mark.parametrize("trusted", [OLD, NEW, BOTH], ids=["old", "new", "both"])
def test_another_history_under_retired_keys_is_named_so(tmp_path: Path, trusted: Signers) -> None:
    other = raws()
    other[6] = edited(other[6])
    forked = note(other, 7, OLD)
    result = audited(database(tmp_path), policy(*trusted), known=[forked])
    assert found(result) == {(Code.KEY_RETIRED, None)}
    assert "fits these entries not" in result.findings[0].detail


def test_after_two_rotations_the_one_that_retired_the_keys_is_named(tmp_path: Path) -> None:
    of = raws({5: rotation(NEW, THIRD)})
    plan = {1: OLD, 4: BOTH, 6: (*NEW, *THIRD), 7: NEW, 8: OLD}
    result = audited(database(tmp_path, plan, of), policy(*OLD))
    details = [each.detail for each in result.findings if each.code is Code.KEY_RETIRED]
    assert [detail.split(" that ")[1] for detail in details] == [
        "entry 5 retired", f"entry {AT} retired",
    ]  # fmt: skip


@pytest.mark.parametrize("signers", [NEW[:1], (*OLD, NEW[0])], ids=["one", "old and one"])
def test_all_new_keys_sign(tmp_path: Path, signers: Signers) -> None:
    result = audited(database(tmp_path, {**ROTATED, 8: signers}), policy(*BOTH))
    assert found(result) == {(Code.CHECKPOINT_REFUSED, None), (Code.CHECKPOINT_MISSING, None)}
    assert f"not all keys signed that entry {AT} puts" in str(result.findings)


# Rotations that are wrong

BAD = {
    "the old keys were not in force": (rotation(THIRD, NEW), "not those that were in force"),
    "only one of the old keys": (rotation(OLD[:1], NEW), "not those that were in force"),
    "nothing changes": (rotation(OLD, OLD[::-1]), "changes no key"),
    "a key of another name": (rotation(OLD, (ed25519(9, "other.example"),)), "cannot be the log"),
    "a key of a witness": (
        rotation(OLD, (Ed25519Cosigner(ORIGIN, Ed25519PrivateKey.generate(), lambda: 1),)),
        "cannot be the log's",
    ),
    "no key at all": (
        LogKeyRotated(vkeys(OLD), (f"{ORIGIN}+00000000+{'A' * 44}",)),
        "cannot be the log's",
    ),
}


@pytest.mark.parametrize(("body", "why"), BAD.values(), ids=BAD.keys())
def test_a_rotation_that_does_not_follow(tmp_path: Path, body: Body, why: str) -> None:
    of = raws({AT: body})
    result = audited(database(tmp_path, dict.fromkeys((1, 4, 8), BOTH), of), policy(*OLD))
    finding = one(result, Code.ROTATION_WRONG)
    assert finding.index == AT
    assert why in finding.detail


def test_nobody_is_led_over_a_wrong_rotation(tmp_path: Path) -> None:
    of = raws({AT: rotation(THIRD, NEW)})
    result = audited(database(tmp_path, {1: OLD, 4: BOTH, 8: NEW}, of), policy(*OLD))
    assert {Code.ROTATION_WRONG, Code.CHECKPOINT_MISSING} <= {code for code, _ in found(result)}
    assert not result.rotations[0].followed


def test_a_retired_key_does_not_come_back(tmp_path: Path) -> None:
    of = raws({5: rotation(NEW, OLD)})
    plan = {1: OLD, 4: BOTH, 6: BOTH, 8: OLD}
    result = audited(database(tmp_path, plan, of), policy(*BOTH))
    assert (Code.ROTATION_WRONG, 5) in found(result)


@pytest.mark.parametrize("first", [4, 5])
@pytest.mark.parametrize("signers", [NEW, (*OLD[:1], *NEW)], ids=["new alone", "one old"])
def test_the_first_checkpoint_over_a_rotation_is_signed_by_all(
    tmp_path: Path, signers: Signers, first: int
) -> None:
    plan = {1: OLD, first: signers, 8: NEW}
    result = audited(database(tmp_path, plan), policy(*BOTH))
    assert found(result) == {(Code.ROTATION_WRONG, AT)}
    assert f"of size {first}, is not signed by all" in result.findings[0].detail
    assert not result.rotations[0].vouched


def test_too_many_rotations_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_history, "MAX_ROTATIONS", 1)
    of = raws({5: rotation(NEW, THIRD), 7: rotation(THIRD, OLD)})
    plan = {1: OLD, 4: BOTH, 6: (*NEW, *THIRD), 8: THIRD}
    result = audited(database(tmp_path, plan, of), policy(*BOTH))
    assert {(Code.ROTATION_WRONG, 5), (Code.ROTATION_WRONG, 7)} <= found(result)
    assert len(result.rotations) == 1


def test_a_first_entry_whose_keys_are_none(tmp_path: Path) -> None:
    of = raws({0: LogCreated(ORIGIN, (f"{ORIGIN}+00000000+{'A' * 44}",), "decision-ledger/1.0.0")})
    plan = {1: OLD, 2: THIRD, 8: BOTH}
    result = audited(database(tmp_path, plan, of), policy(*BOTH))
    assert (Code.GENESIS_WRONG, 0) in found(result)
    # Nobody can say whose keys signed before: the root is compared, and that is said.
    assert (result.unverified, result.checkpoints) == (1, 3)
    text = "\n".join(report.audit_lines(result))
    assert "signatures of 1 older checkpoints by keys that the policy does not name" in text


# A directory has one checkpoint: the newest


def directory(path: Path, signers: Signers, size: int = SIZE) -> Path:
    return liar({size: signers}, raws(size=size)).directory(path / "tiles")


@pytest.mark.parametrize("trusted", [OLD, NEW], ids=["old", "new"])
def test_in_the_overlap_a_published_log_suits_both(tmp_path: Path, trusted: Signers) -> None:
    result = audited(directory(tmp_path, BOTH), policy(*trusted))
    assert result.findings == ()
    assert result.rotations[0].vouched


def test_after_it_the_old_keys_need_the_checkpoint_of_the_handover(tmp_path: Path) -> None:
    path = directory(tmp_path, NEW)
    assert (Code.CHECKPOINT_MISSING, None) in found(audited(path, policy(*OLD)))
    result = audited(path, policy(*OLD), known=[note(raws(), 4, BOTH)])
    assert result.findings == ()
    assert (result.rotations[0].vouched, result.rotations[0].followed) == (True, True)


def test_with_the_new_keys_alone_nobody_vouched_and_that_is_said(tmp_path: Path) -> None:
    result = audited(directory(tmp_path, NEW), policy(*NEW))
    assert result.findings == ()
    assert not result.rotations[0].vouched
    text = "\n".join(report.audit_lines(result))
    assert f"whether the old keys agreed to the rotation by entry {AT}" in text
    assert f"rotation by entry {AT}" in str(report.audit_json(result)["not_checked"])


def test_a_log_that_has_just_rotated_shows_it_itself(tmp_path: Path) -> None:
    result = audited(directory(tmp_path, NEW, AT + 1), policy(*NEW))
    assert found(result) == {(Code.ROTATION_WRONG, AT)}


# Checkpoints kept elsewhere


def test_one_from_before_the_rotation_still_counts(tmp_path: Path) -> None:
    kept = note(raws(), 2, OLD)
    assert audited(directory(tmp_path, BOTH), policy(*NEW), known=[kept]).findings == ()
    other = raws()
    other[1] = edited(other[1])
    result = audited(database(tmp_path), policy(*NEW), known=[note(other, 2, OLD)])
    assert found(result) == {(Code.CHECKPOINT_FORKED, None)}


def test_one_that_nothing_leads_to_could_not_be_checked(tmp_path: Path) -> None:
    stranger = note(raws(), 2, THIRD)
    with pytest.raises(SignatureError, match="kept elsewhere of size 2"):
        audited(database(tmp_path), policy(*NEW), known=[stranger])
    beyond = note(raws(size=12), 12, THIRD)
    with pytest.raises(SignatureError, match="kept elsewhere of size 12"):
        audited(tmp_path / "ledger.db", policy(*NEW), known=[beyond])
    stolen = note(raws(size=12), 12, OLD)
    result = audited(tmp_path / "ledger.db", policy(*NEW), known=[stolen])
    assert found(result) == {(Code.KEY_RETIRED, None)}


def test_a_finding_outweighs_one_that_could_not_be_checked(tmp_path: Path) -> None:
    lying = liar()
    lying.stored[5] = edited(lying.stored[5])
    result = audited(lying.sqlite(tmp_path / "x.db"), policy(*NEW), known=[note(raws(), 2, THIRD)])
    assert (Code.CHECKPOINT_REFUSED, None) in found(result)
    assert (Code.HASH_DIFFERS, 5) in found(result)


def test_one_in_the_policys_own_name_is_a_finding_all_the_same(tmp_path: Path) -> None:
    result = audited(database(tmp_path), policy(*BOTH), known=[note(raws(), 8, NEW[:1])])
    assert found(result) == {(Code.CHECKPOINT_REFUSED, None)}


# With missing entries, and with witnesses


def test_a_rotation_that_is_missing_leads_nowhere(tmp_path: Path) -> None:
    lying = liar()
    del lying.stored[AT]
    result = audited(lying.sqlite(tmp_path / "x.db"), policy(*OLD))
    assert (Code.ENTRY_MISSING, AT) in found(result)
    assert result.checkpoint is None
    assert Code.KEY_RETIRED not in {code for code, _ in found(result)}


def test_what_was_led_to_before_an_entry_is_missing_still_counts(tmp_path: Path) -> None:
    lying = liar({**ROTATED, 7: OLD})
    del lying.stored[5]
    result = audited(lying.sqlite(tmp_path / "x.db"), policy(*OLD))
    assert found(result) == {(Code.ENTRY_MISSING, 5), (Code.KEY_RETIRED, None)}
    assert result.checkpoint is not None
    assert result.located


def test_a_quorum_holds_for_keys_that_the_policy_is_led_to(tmp_path: Path) -> None:
    logs = policy(*OLD).logs
    demanding = Policy(logs, (Witness("w", WITNESS.verifier_key),), (), "w")
    bare = audited(database(tmp_path), demanding)
    assert found(bare) == {(Code.CHECKPOINT_REFUSED, None), (Code.CHECKPOINT_MISSING, None)}
    cosigned = {**ROTATED, 8: (*NEW, WITNESS)}
    assert audited(liar(cosigned).sqlite(tmp_path / "x.db"), demanding).findings == ()
