"""The page of one decision: explained, issued, erased, tampered with."""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.entries import Erased, ExplanationIssued, SourceCounter, parse_entry
from ledger.errors import ErasedError
from ledger.operate.log_writer import Record, Submission
from ledger.roles import Role
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt
from tests.service.ui.conftest import SignIn, enter
from tests.service.ui.lender import SUBJECT, Lender


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Lender]:
    """A ledger that a test may spoil."""
    lender = Lender(tmp_path / "data")
    lender.record(3)
    yield lender
    lender.runtime.close()


def test_the_page_says_outcome_reasons_inputs_and_provenance(
    lender: Lender, sign_in: SignIn
) -> None:
    view = lender.runtime.decisions.read(lender.ids[0])
    text = sign_in().get(f"/decisions/{view.id}").text
    assert re.search(r"<h1>(Approved|Declined): [\d.]+ points (above|below) the limit</h1>", text)
    assert "by mortgage-approval 1.0.0, without a person." in text
    assert "Loan as a share of the price" in text
    assert f"{view.payload.input['loan_to_value']}\N{NO-BREAK SPACE}%" in text
    assert view.payload.model in text
    assert view.payload.policy in text
    assert f"Entry {view.seq}. From loan-desk, its number 1." in text
    assert text.count('<rect class="') >= 3
    assert SUBJECT not in text


def test_figures_of_the_waterfall_add_up(lender: Lender, sign_in: SignIn) -> None:
    text = sign_in().get(f"/decisions/{lender.ids[2]}").text
    table = text.split('<table class="waterfall">')[1].split("</table>")[0]
    cells = re.findall(r'<td class="n[^"]*">([^<]+)</td>', table)
    start, *moves, result = (
        float(c.replace("\N{MINUS SIGN}", "-").replace(",", "")) for c in cells
    )
    assert abs(start + sum(moves) - result) < 0.06 * len(cells)


def test_the_proof_on_the_page_is_the_receipts(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    record = lender.ids[5]
    page = browser.get(f"/decisions/{record}")
    response = browser.get(f"/decisions/{record}/receipt")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{record}.tlog-proof"'
    receipt = Receipt.parse(response.text)
    checkpoint = Policy.parse(lender.runtime.policy_text).check(receipt.checkpoint_note)
    receipt.verify_inclusion(checkpoint)
    assert f'data-leaf="{leaf_hash(receipt.entry).hex()}"' in page.text
    assert f'data-entry="{record}"' in page.text
    assert page.text.count("<tr><td>input</td>") == 3
    assert browser.get("/decisions/019cd6dc-2ea8-708d-bd08-324947d404c9/receipt").status_code == 404


def test_an_explanation_is_issued_by_a_form_and_only_by_those_who_may(
    own: Lender,
) -> None:
    record = own.ids[0]

    auditor, handler = enter(own, Role.AUDITOR), enter(own, Role.CASE_HANDLER)
    page = auditor.get(f"/decisions/{record}").text
    assert "Worked out now; not issued to the person" in page
    assert "Issue the explanation" not in page
    assert auditor.post(f"/decisions/{record}/explanation").status_code == 403
    assert auditor.get(f"/decisions/{record}/letter.pdf").status_code == 404
    assert "Issue the explanation" in handler.get(f"/decisions/{record}").text
    assert handler.client.post(f"/decisions/{record}/explanation").status_code == 400  # no token
    response = handler.post(f"/decisions/{record}/explanation")
    assert (response.status_code, response.headers["Location"]) == (303, f"/decisions/{record}")
    issued = [e for e in own.runtime.decisions.history(record)
              if isinstance(e.body, ExplanationIssued)]  # fmt: skip
    assert len(issued) == 1
    page = auditor.get(f"/decisions/{record}").text
    assert re.search(r"Issued \d+ Mar 2026, \d\d:\d\d", page)
    assert "Explanation issued" in page
    assert "letter.pdf" not in page  # nobody has said yet who signs letters
    assert auditor.get(f"/decisions/{record}/letter.pdf").status_code == 404


def test_no_letter_where_a_check_of_the_explanation_failed(own: Lender) -> None:
    record = own.ids[0]  # no single item made the difference: a gate says so
    own.settings.contacts_path.write_text("{}")
    assert not own.runtime.explaining.issue(record, "en").explanation.automatic_text_allowed
    browser = enter(own, Role.AUDITOR)
    page = browser.get(f"/decisions/{record}").text
    assert "a check failed (" in page
    assert "), so a person writes the letter" in page
    assert "letter.pdf" not in page
    assert browser.get(f"/decisions/{record}/letter.pdf").status_code == 422


def test_the_letter_is_a_pdf_of_what_was_issued(own: Lender) -> None:
    record = own.ids[1]
    own.settings.contacts_path.write_text(
        json.dumps(
            {
                "controller": {"name": "Example Bank", "address": ["1 Main Street"]},
                "review": {"name": "Review desk", "telephone": "+1 555 0100"},
                "data_protection": {"name": "Data protection", "email": "dpo@bank.example"},
                "authority": {"name": "The authority", "address": ["2 Main Street"]},
            }
        )
    )
    own.runtime.explaining.issue(record, "en")
    own.runtime.explaining.issue_in(record, "de")
    browser = enter(own, Role.AUDITOR)
    page = browser.get(f"/decisions/{record}").text
    assert f'href="/decisions/{record}/letter.pdf"' in page
    assert f'href="/decisions/{record}/letter.pdf?language=de"' in page
    assert browser.get(f"/decisions/{record}/letter.pdf?language=fr").status_code == 404
    german = browser.get(f"/decisions/{record}/letter.pdf?language=de")
    assert (german.status_code, german.mimetype) == (200, "application/pdf")
    response = browser.get(f"/decisions/{record}/letter.pdf")
    assert (response.status_code, response.mimetype) == (200, "application/pdf"), response.text
    assert response.data.startswith(b"%PDF-")
    assert response.headers["Content-Disposition"].startswith("inline;")


def test_a_decision_whose_input_was_not_sent_says_so(own: Lender) -> None:
    known = own.runtime.decisions.read(own.ids[0]).payload
    hidden = replace(
        known,
        id=own.runtime.decisions.new_id(),
        source=SourceCounter("loan-desk", 4),
        input={"input_hash": "ab" * 32},
    )
    own.runtime.decisions.record([hidden])
    text = enter(own, Role.AUDITOR).get(f"/decisions/{hidden.id}").text
    assert "It cannot be explained from what is recorded" in text
    assert "The source sent a hash of the input, not the input itself." in text
    assert re.search(r"<dt>To the limit</dt><dd>.\d+\.\d</dd>", text)
    assert 'data-step="values"' in text


def test_an_erased_decision_leaves_its_entry_and_proof(own: Lender) -> None:
    record = own.ids[1]
    entry = parse_entry(own.runtime.logs["decisions"].entry(record))
    with sqlite3.connect(own.settings.data / "vault.db") as vault:
        vault.execute("DELETE FROM record_key WHERE record_id = ?", (record,))
    vault.close()
    with pytest.raises(ErasedError):
        own.runtime.decisions.read(record)
    body = Erased((record,), "subject_request", "key_destroyed", "data_protection_officer")
    tombstone = Record.of(own.runtime.decisions.new_id(), body)
    own.runtime.writers["decisions"].write(Submission((tombstone,)))
    browser = enter(own, Role.AUDITOR)
    page = browser.get(f"/decisions/{record}")
    assert page.status_code == 410
    assert "This record was erased" in page.text
    assert f"Entry {entry.seq}." in page.text
    assert re.search(r"erased on \d+ March 2026\.", page.text)
    assert "Ground: subject request." in page.text
    assert "data-leaf=" in page.text
    assert 'data-step="values"' not in page.text
    assert browser.get("/decisions").status_code == 200


def test_a_record_that_was_tampered_with_is_named_and_not_shown(own: Lender) -> None:
    record, other = own.ids[1], own.ids[2]
    with sqlite3.connect(own.settings.data / "ledger.db") as ledger:
        (sealed,) = ledger.execute(
            "SELECT sealed FROM sealed_payload WHERE record_id = ?", (record,)
        ).fetchone()
        (log_id,) = ledger.execute(
            "SELECT log_id FROM sealed_payload WHERE record_id = ?", (record,)
        ).fetchone()
        ledger.execute("DELETE FROM sealed_payload WHERE record_id = ?", (record,))
        spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
        ledger.execute("INSERT INTO sealed_payload VALUES (?, ?, ?)", (record, log_id, spoilt))
    ledger.close()
    browser = enter(own, Role.AUDITOR)
    page = browser.get(f"/decisions/{record}")
    assert page.status_code == 422
    assert "What is stored is not what was logged" in page.text
    listed = browser.get("/decisions").text
    assert "Not as logged" in listed
    assert other in listed


def test_an_explanation_is_issued_in_the_language_that_is_chosen(own: Lender) -> None:
    record = own.ids[2]
    handler = enter(own, Role.CASE_HANDLER)
    page = handler.get(f"/decisions/{record}").text
    assert re.findall(r'<option value="(\w\w)">', page) == [
        "en",
        "de",
        "es",
        "fr",
        "it",
        "nl",
        "pl",
    ]
    assert handler.post(f"/decisions/{record}/explanation", language="fi").status_code == 422
    assert handler.post(f"/decisions/{record}/explanation", language="fr").status_code == 422
    assert own.runtime.explaining.languages(record) == ()  # the model has no words in French
    assert handler.post(f"/decisions/{record}/explanation", language="de").status_code == 303
    page = handler.get(f"/decisions/{record}").text
    assert '<div class="says" lang="de"><p class="lead">Abgelehnt: Das Modell ergab' in page
