"""Pages: values escaped, rights by law, the report's figures as its counts give them."""

import html
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from reports.documents import (
    Completeness,
    ConsumerReport,
    DecidedBy,
    Finding,
    InputUsed,
    Month,
    Movement,
    Organisation,
    Regime,
)
from reports.errors import DocumentError
from reports.formatting import Formatting
from reports.html import letter_html, report_html
from tests.reports import samples

ECOA = "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating"


def plain(page: str) -> str:
    return html.unescape(re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize(
    "value", ["<script>alert(1)</script>", '"><img src=x>', "{{ 7 * 7 }}", "{review}"]
)
def test_a_value_is_never_markup_nor_template(value: str) -> None:
    rows = (InputUsed("x", value, value, value), *samples.inputs(samples.explanation()))
    page = letter_html(samples.letter(inputs=rows, reference=value))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count(value) in ({4, 5, 6} if value[0] == "{" else {0})


def test_each_law_brings_its_own_rights() -> None:
    decided = samples.letter().decision
    ecoa = plain(letter_html(samples.letter(regimes=(Regime.ECOA,))))
    gdpr = plain(letter_html(samples.letter(regimes=(Regime.GDPR,))))
    assert ECOA in ecoa
    assert "Federal Deposit Insurance Corporation, Washington, DC 20429" in ecoa
    assert "Art. 22(3)" not in ecoa
    assert ECOA not in gdpr
    for article in ("Art. 22(3)", "Art. 15, 16, 17", "Art. 77"):
        assert article in gdpr
    both = plain(letter_html(samples.letter(regimes=(Regime.GDPR, Regime.ECOA))))
    assert ECOA in both
    assert "Art. 77" in both
    advised = replace(decided, decided_by=DecidedBy.ADVISORY)
    person = plain(letter_html(samples.letter(regimes=(Regime.GDPR,), decision=advised)))
    assert "Art. 22(3)" not in person
    assert "did not bind that person" in person


def test_an_adverse_action_notice_has_its_elements() -> None:
    # 12 CFR 1002.9(a)(2) and (b): action, creditor, address, notice, agency, at most 4 reasons.
    letter = samples.letter()
    text = plain(letter_html(letter))
    creditor = letter.contacts.controller
    assert f"Creditor: {creditor.name}, {', '.join(creditor.address)}" in text
    assert "Action taken on application MTG-000123: Declined, May 14, 2026." in text
    assert 1 <= len(letter.explanation.reasons) <= 4
    for reason in letter.explanation.reasons:
        assert reason.text in text


def test_a_favourable_decision_has_no_adverse_action() -> None:
    approved = replace(samples.letter().decision, adverse=False)
    text = plain(letter_html(samples.letter(decision=approved)))
    assert ECOA not in text
    assert "What counted in your favour" in text
    assert "These items counted against you, but less:" in text


def test_a_consumer_report_is_named_if_one_was_used() -> None:
    contacts = samples.letter().contacts
    agency = Organisation("Example Credit Bureau", ("2 Example Street",), "800 555 0199")
    used = replace(contacts, consumer_report=ConsumerReport(agency))
    assert "Example Credit Bureau" in letter_html(samples.letter(contacts=used))
    assert "Fair Credit Reporting Act" not in letter_html(samples.letter())


def test_a_language_without_words_is_refused() -> None:
    foreign = replace(samples.explanation(), language="fi")
    with pytest.raises(DocumentError) as caught:
        letter_html(samples.letter(foreign))
    assert caught.value.member == "language"


def test_the_letter_lists_every_input_with_its_points() -> None:
    letter = samples.letter()
    page = letter_html(letter)
    annex = page[page.index('class="annex"') :]
    for item in letter.explanation.contributions:
        cells = (item.label, item.value_text, item.reference_text, "application form", item.points_text)  # fmt: skip
        row = next(r for r in annex.split("<tr>") if item.label in r and item.value_text in r)
        assert all(cell in plain(row) for cell in cells)


def test_the_letter_names_its_attachments_and_how_to_check_them() -> None:
    page = letter_html(samples.letter())
    assert "evidence.json, openings.json, decision.tlog-proof" in page
    command = "python -m ledger.verify decision.tlog-proof --policy policy.txt"
    assert f"{command} --openings openings.json" in page
    alone = letter_html(samples.letter(evidence="", openings=""))
    assert f"{command}</td>" in alone


def test_the_report_says_its_figures() -> None:
    text = plain(report_html(samples.report()))
    for said in (
        "The model decided 2,380 applications; 2,101 were approved (88.3\u00a0%).",
        "The counters of 2 sources show 5 missing numbers, 1 without a reason.",
        "Of 2,380 decisions, 200 drawn at random",
        "By race, the lowest approval rate relative to “White” is that of “Other”: 0.77 (under four fifths).",
        "This report lists 1 finding; see section 8.",
        "Integrity proves bytes and order since logging",
        "89.2\u00a0% to 91.8\u00a0%",
        "$4.27",
        "0.000003 log-odds",
        "Compared with January 2026, the first month of the period with enough decisions (372).",
        "Not compared: 1 month with fewer than 20 decisions.",
        "March 2026 455 0.102 0.083 more than chance",
        "Item, in March 2026",
        "Bankruptcy on file 455 0.012 0.019 within chance",
    ):
        assert said in text


def test_a_missing_test_is_not_a_pass() -> None:
    verified = replace(samples.report().verification, completeness=Completeness(()), findings=0)
    bare = samples.report(
        fairness=(), findings=(), register=(), reasons=(), weights=(), sample=(), verification=verified
    )  # fmt: skip
    text = plain(report_html(bare))
    for said in (
        "Not tested: no data about groups was at hand.",
        "This report lists no findings.",
        "No register was kept.",
        "No source numbered its decisions.",
        "No reason was given in the period.",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("movement", "said"),
    [
        (None, "Nobody looked whether it moved."),
        (Movement(20, 2), "Not compared: every month of the period has fewer than 20 decisions."),
        (
            Movement(20, 0, date(2026, 1, 1), 40),
            "No later month has enough to be compared.",
        ),
    ],
)
def test_what_was_not_compared_is_said(movement: Movement | None, said: str) -> None:
    text = plain(report_html(samples.report(movement=movement)))
    assert said in text
    assert "Limit of chance" not in text


def test_an_empty_month_has_no_rate() -> None:
    report = samples.report(
        months=(Month(date(2025, 12, 1), 0, 0), Month(date(2026, 1, 1), 300, 20))
    )
    text = plain(report_html(report))
    assert "December 2025 0 0 0 –" in text
    assert "Dec 2025" in text


def test_a_finding_without_an_owner_says_so() -> None:
    text = plain(report_html(samples.report(findings=(Finding("GAP", "A gap."),))))
    assert "GAP A gap. none yet none yet" in text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Fraction(985, 10_000), "9.9"),
        (Fraction(1, 3), "33.3"),
        (Fraction(1, 2000), "0.1"),
        (Fraction(0), "0.0"),
    ],
)
def test_a_share_is_rounded_once_half_up(share: Fraction, text: str) -> None:
    assert Formatting("en").percent(share) == f"{text}\u00a0%"


def test_nothing_has_no_sign() -> None:
    write = Formatting("en")
    assert write.signed(Decimal("0.0"), 1) == "0.0"
    assert write.decimal(Decimal("-0.04"), 1) == "0.0"
    assert write.signed(Decimal("-1.25"), 1) == "−1.3"
    assert write.signed(Decimal("0.25"), 1) == "+0.3"


@pytest.mark.parametrize("language", ["xx-unknown", "", "e n"])
def test_an_unknown_language_is_refused(language: str) -> None:
    with pytest.raises(DocumentError):
        Formatting(language)
