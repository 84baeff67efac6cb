"""The proof panel shows what the receipt holds."""

import base64

from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import ED25519, VerifierKey
from service.ui import proof
from service.ui.views import Fact
from tests.service.ui import receipts

PROVED = receipts.proved()
PANEL = proof.panel(
    PROVED.receipt, PROVED.keys, record_id=receipts.ID, href="/r", openings=PROVED.openings
)


def test_facts_are_those_of_the_receipt() -> None:
    leaf = leaf_hash(PROVED.receipt.entry).hex()
    assert PANEL.leaf == leaf
    assert PANEL.facts == (
        Fact("Entry", "4, in a tree of 11"),
        Fact("Leaf", "", code=leaf),
        Fact("Log", "", code=receipts.ORIGIN),
    )
    assert PANEL.path == tuple(each.hex() for each in PROVED.receipt.proof)
    assert PANEL.command.split()[3] == f"{receipts.ID}.tlog-proof"


def test_the_browser_gets_the_key_it_can_use() -> None:
    assert VerifierKey.parse(PANEL.verifier_key).kind == ED25519
    without = proof.panel(PROVED.receipt, PROVED.keys[1:], record_id=receipts.ID, href="/r")
    assert without.verifier_key == ""


def test_long_signatures_are_cut_and_short_ones_are_whole() -> None:
    note = PROVED.receipt.checkpoint_note.splitlines()
    shown = PANEL.checkpoint.splitlines()
    assert shown[:5] == note[:5]
    assert shown[5].endswith("…")
    assert note[5].startswith(shown[5].removesuffix("…"))


def test_every_disclosed_value_stands_in_canonical_form_beside_its_salt() -> None:
    by_name = {(field.section, field.name): field for field in PANEL.committed}
    assert by_name["input", "loan_to_value"].value == "92.5"
    assert by_name["input", "net_worth"].value == "null"
    assert by_name["input", "é"].value == r'"ü\n\"' + "'" + '"'
    assert by_name["output", "outcome"].value == '"declined"'
    assert all(len(base64.b64decode(field.salt)) == 16 for field in PANEL.committed)
    assert [field.name for field in PANEL.committed if field.section == "input"] == [
        "bankruptcy_on_file", "loan_to_value", "net_worth", "é",
    ]  # fmt: skip


def test_nothing_is_opened_without_openings() -> None:
    assert proof.panel(PROVED.receipt, PROVED.keys, record_id="x", href="/r").committed == ()
