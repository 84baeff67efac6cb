"""Trust policies: the specification's example, what is refused, and quorums."""

import itertools
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import Ed25519Cosigner
from ledger.tlog.note import Ed25519Signer, VerifierKey, sign_note
from ledger.tlog.policy import MAX_POLICY_LENGTH, Group, Log, Policy, Witness

OWN = json.loads((Path(__file__).parents[2] / "vectors" / "checkpoints.json").read_text())
ORIGIN = "a.example/log"
TEXT = Checkpoint(ORIGIN, 7, bytes(32)).format()


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))


LOG = Ed25519Signer(ORIGIN, _key(1))
WITNESSES = {
    name: Ed25519Cosigner(f"{name}.example", _key(number), lambda: 1_700_000_000)
    for number, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"), start=2)
}
VKEYS = {name: witness.verifier_key.vkey() for name, witness in WITNESSES.items()}
EXAMPLE = "\n".join(
    (
        "# the specification's example",
        f"log {LOG.verifier_key.vkey()} https://a.example/log",
        "",
        *(f"witness {name} {VKEYS[name]}" for name in ("X1", "X2", "X3")),
        "\tgroup X-witnesses 2 X1 X2  X3 ",
        *(f"witness {name} {VKEYS[name]}" for name in ("Y1", "Y2", "Y3")),
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    )
)


def test_the_example_parses_and_its_own_form_reads_back() -> None:
    policy = Policy.parse(EXAMPLE)
    assert [group.threshold for group in policy.groups] == [2, 1, 2]
    assert policy.logs[0].url == "https://a.example/log"
    assert Policy.parse(policy.format()) == policy


def test_the_quorum_is_two_of_the_x_and_one_of_the_y() -> None:
    policy = Policy.parse(EXAMPLE)
    for count in range(7):
        for names in itertools.combinations(WITNESSES, count):
            note = sign_note(TEXT, [LOG, *(WITNESSES[name] for name in names)])
            enough = sum(name[0] == "X" for name in names) >= 2 and any(
                name[0] == "Y" for name in names
            )
            if enough:
                assert policy.check(note).size == 7
            else:
                with pytest.raises(SignatureError, match="too few"):
                    policy.check(note)


def test_a_policy_without_witnesses_takes_the_logs_word() -> None:
    policy = Policy((Log(LOG.verifier_key),))
    assert policy.format() == f"log {LOG.verifier_key.vkey()}\nquorum none\n"
    assert policy.check(sign_note(TEXT, [LOG])).origin == ORIGIN


def test_one_witness_can_be_the_quorum() -> None:
    policy = Policy(
        (Log(LOG.verifier_key),), (Witness("w", WITNESSES["X1"].verifier_key),), (), "w"
    )
    assert Policy.parse(policy.format()) == policy
    policy.check(sign_note(TEXT, [LOG, WITNESSES["X1"]]))
    with pytest.raises(SignatureError):
        policy.check(sign_note(TEXT, [LOG]))


def test_the_log_itself_must_have_signed_under_its_own_origin() -> None:
    policy = Policy.parse(EXAMPLE)
    with pytest.raises(SignatureError, match="not signed by a log"):
        policy.check(sign_note(TEXT, [WITNESSES["X1"]]))
    elsewhere = Checkpoint("b.example/log", 7, bytes(32)).format()
    with pytest.raises(SignatureError, match="not signed by a log"):
        policy.check(sign_note(elsewhere, [LOG]))
    with pytest.raises(MalformedError):
        policy.check(sign_note("not a checkpoint\n", [LOG]))


def test_our_vectors_pass_their_policy() -> None:
    ed25519, mldsa44, witness = (VerifierKey.parse(vkey) for vkey in OWN["vkeys"])
    policy = Policy((Log(ed25519), Log(mldsa44)), (Witness("w1", witness),), (), "w1")
    assert policy.check(OWN["note"]).size == 131


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("quorum none", "quorum none"),
        ("quorum nobody",),
        ("log",),
        ("log x y z w",),
        (f"log {LOG.verifier_key.vkey()} u v", "quorum none"),
        ("log not-a-key", "quorum none"),
        (f"log {VKEYS['X1']}", "quorum none"),
        (f"log {LOG.verifier_key.vkey()}",) * 2 + ("quorum none",),
        (f"witness w {LOG.verifier_key.vkey()}", "quorum none"),
        (f"witness w {VKEYS['X1']}", f"witness w {VKEYS['X2']}", "quorum none"),
        (f"witness none {VKEYS['X1']}", "quorum none"),
        ("group g all x", "quorum none"),
        ("group g all", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g 2 w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g 0 w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g 01 w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g ١ w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group w all w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g all w w", "quorum none"),
        (f"witness w {VKEYS['X1']}", "group g all w", "group h all w", "quorum none"),
        ("group g all w", f"witness w {VKEYS['X1']}", "quorum none"),
        ("quorum w", f"witness w {VKEYS['X1']}"),
        (f"witness w {VKEYS['X1']}", "group g all none w", "quorum none"),
        ("unknown line", "quorum none"),
        ("quorum none", "contr\x01ol"),
        ("#" * (MAX_POLICY_LENGTH + 1), "quorum none"),
        ("#",) * 5_000 + ("quorum none",),
    ],
)
def test_what_is_not_a_policy(lines: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        Policy.parse("".join(f"{line}\n" for line in lines))


def test_the_last_line_ends() -> None:
    with pytest.raises(MalformedError):
        Policy.parse("quorum none")


def test_policies_that_cannot_be() -> None:
    witness = Witness("w", WITNESSES["X1"].verifier_key)
    for group, quorum in (
        (Group("g", 2, ("w",)), "none"),
        (Group("g", 1, ("v",)), "none"),
        (Group("g", 1, ("w",)), "v"),
    ):
        with pytest.raises(MalformedError):
            Policy((), (witness,), (group,), quorum)
    with pytest.raises(MalformedError, match="too many"):
        Policy((Log(LOG.verifier_key),) * 300)


@given(
    st.text(max_size=100)
    | st.from_regex(r"\A((log|witness|group|quorum|#)( [a-z1]{1,5}){0,4}\n){1,4}\Z")
)
def test_any_text_is_a_policy_or_our_error(text: str) -> None:
    try:
        policy = Policy.parse(text)
    except MalformedError:
        return
    assert Policy.parse(policy.format()) == policy
