"""The decision page's panels say what the explanation, the manifest and the log say."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from explain.explanation import Contribution, Counterfactual, Explanation, Gate, Points
from ledger import entries
from ledger.canonical import JsonValue
from ledger.entries import Entry
from service.ui import detail
from service.ui.views import Icon, Tone

MINUS = "\N{MINUS SIGN}"
DIGEST = "ab" * 32
ID = "0196ceb1-7f4a-7c31-9d2e-8a51c0f361f2"
AT = datetime(2026, 5, 14, 9, 31, 7, tzinfo=UTC)

CONTRIBUTIONS = (
    Contribution("ltv", "Loan-to-value ratio", "92.5 %", "71 %", -900_000, Decimal("-26.0"),
                 f"{MINUS}26.0", favourable=False),
    Contribution("worth", "Net worth", "not stated", "120", 200_000, Decimal("5.8"), "+5.8",
                 favourable=True),
)  # fmt: skip
EXPLANATION = Explanation(
    language="en",
    outcome="declined",
    outcome_label="Declined",
    margin=-413_207,
    cut_off=0,
    points=Points(
        Decimal("579.8"), "580 points", Decimal(600), "600 points", Decimal(600), "600 points"
    ),
    summary="The application scored 580 points; 600 were needed.",
    paragraphs=("The loan is 92.5 % of the value.",),
    reasons=(),
    helped=(),
    contributions=CONTRIBUTIONS,
    suppressed=(),
    counterfactuals=(Counterfactual((), 100, "603 points", "approved", "With 80 %: approved."),),
    counterfactual_note="Not a promise.",
    reference="All applicants.",
    method="Exact.",
    limits=("About the model, not the person.",),
    gates=(Gate("adds_up", passed=True, detail="to the unit"), Gate("stable", False, "")),
    stable=False,
    automatic_text_allowed=False,
)
MANIFEST: dict[str, JsonValue] = {
    "name": "mortgage-approval",
    "version": "1.0.0",
    "kind": "trees",
    "artefacts": {"model": {"sha256": DIGEST, "format": "xgboost-json"}},
    "explainer": {"engine": "leaf-tables", "space": "log-odds", "versions": {"xgboost": "3.2"}},
    "background": {"sha256": DIGEST, "population": "all applicants"},
    "features": [
        {"name": "worth", "label": {"en": "Net worth"}, "source": "form"},
        {"name": "ltv", "label": {"en": "Loan-to-value ratio"}, "source": "appraisal"},
    ],
}


def test_why_carries_the_explanations_own_sentences() -> None:
    panel = detail.why(EXPLANATION, "Issued.")
    assert panel.standing == "Issued."
    assert panel.summary == EXPLANATION.summary
    assert panel.paragraphs == EXPLANATION.paragraphs
    assert panel.counterfactuals == ("With 80 %: approved.",)
    assert panel.limits == (
        "Reference group: All applicants.",
        "Exact.",
        "About the model, not the person.",
    )
    assert [(gate.word, gate.tone, gate.icon) for gate in panel.gates] == [
        ("Adds up: to the unit", Tone.PLAIN, Icon.TICK),
        ("Stable", Tone.ADVERSE, Icon.CROSS),
    ]


def test_the_waterfall_has_a_row_per_feature_and_ends_at_the_score() -> None:
    chart = detail.waterfall(EXPLANATION)
    assert [(row.label, row.value, row.points, row.gain) for row in chart.rows] == [
        ("Loan-to-value ratio", "92.5 %", f"{MINUS}26.0", False),
        ("Net worth", "not stated", "+5.8", True),
    ]
    assert chart.limit == "limit, 600 points"
    assert chart.start_x == chart.limit_x > chart.result_x
    assert abs(chart.rows[-1].x + chart.rows[-1].width - chart.result_x) <= 1


def test_the_smallest_of_many_contributions_are_one_row() -> None:
    many = tuple(
        replace(CONTRIBUTIONS[0], feature=f"f{n}", amount=-n, points=Decimal(-n))
        for n in range(1, 31)
    )
    chart = detail.waterfall(replace(EXPLANATION, contributions=many))
    assert len(chart.rows) == detail.MAX_ROWS
    assert chart.rows[-1].label == "13 smaller facts"
    assert chart.rows[-1].points == f"{MINUS}91.0"  # 1 + 2 + … + 13


def test_inputs_stand_in_the_models_order_in_the_explanations_words() -> None:
    rows = detail.inputs(MANIFEST, {"ltv": 92.5, "worth": None, "extra": True}, EXPLANATION)
    assert [(row.label, row.value, row.origin) for row in rows] == [
        ("Net worth", "not stated", "form"),
        ("Loan-to-value ratio", "92.5 %", "appraisal"),
        ("Extra", "yes", ""),
    ]
    unexplained = detail.inputs(MANIFEST, {"ltv": 9250, "worth": [1, 2]}, None)
    assert [row.value for row in unexplained] == ["2 values", "9,250"]


def test_the_timeline_tells_entries_in_words() -> None:
    commitment = base64.b64decode("A" * 43 + "=")
    decision = entries.Decision(
        model=DIGEST, policy=DIGEST, source=entries.SourceCounter(id="loan-desk", seq=1214),
        input=commitment, output=commitment, attributions=commitment, context=commitment,
    )  # fmt: skip
    tombstone = entries.Erased(
        records=(ID,), ground="subject_request", method="key_destroyed", approver_role="dpo"
    )
    events = detail.timeline(
        [
            Entry(ID, 1213, AT, bytes(32), decision),
            Entry(ID, 1300, AT, bytes(32), tombstone),
        ]
    )
    assert [(event.title, event.text, event.latest) for event in events] == [
        ("Decision recorded", "Entry 1,213. From loan-desk, its number 1,214.", False),
        ("Erased", "Entry 1,300. Ground: subject request.", True),
    ]
    assert events[0].moment.iso == "2026-05-14T09:31:07Z"


def test_provenance_names_digests_and_leaves_out_what_is_not_there() -> None:
    facts = detail.provenance(MANIFEST, DIGEST, "cd" * 32, "mortgage-cutoff 1.0.0")
    assert [(fact.label, fact.text, fact.code) for fact in facts] == [
        ("Model", "mortgage-approval, 1.0.0, trees", DIGEST),
        ("Model file", "xgboost-json", DIGEST),
        ("Explainer", "leaf-tables, log-odds", "xgboost 3.2"),
        ("Background", "all applicants", DIGEST),
        ("Policy", "mortgage-cutoff 1.0.0", "cd" * 32),
    ]
