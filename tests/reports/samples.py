"""A letter and a report to test with: an invented creditor, figures that add up."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from explain.explanation import Explanation
from reports.documents import (
    AuditReport,
    Completeness,
    Contact,
    Contacts,
    DecidedBy,
    ExcludedFeature,
    FairnessTable,
    FeatureLine,
    FeatureWeight,
    Finding,
    GroupOutcome,
    InputUsed,
    ItemMoved,
    LedgerPlace,
    LetterDecision,
    LogVerification,
    MissingRange,
    ModelCard,
    Month,
    Movement,
    Organisation,
    ReasonCount,
    Recomputation,
    Regime,
    RegisterCount,
    SampledDecision,
    ScoresMoved,
    Signatory,
    Signature,
    SourceCompleteness,
    StatedTotal,
    SubjectLetter,
    TrainingSet,
)

FIXTURE = Path(__file__).parents[1] / "explain" / "fixtures" / "explanation.json"
ORIGIN = "ledger.example/demo/log/decisions"
CREDITOR = Organisation(
    "Harbour Savings Bank (demonstration)",
    ("1 Example Street", "Boston, MA 02109", "United States"),
    telephone="+1 617 555 0100",
    email="decisions@bank.example",
)
MOMENT = datetime(2026, 5, 14, 9, 31, 7, tzinfo=UTC)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def explanation() -> Explanation:
    """The fixture of `explain`: one declined application, as the demo's model explains it."""
    return Explanation.from_json(json.loads(FIXTURE.read_text("utf-8")))


def inputs(explained: Explanation) -> tuple[InputUsed, ...]:
    return tuple(
        InputUsed(item.feature, item.label, item.value_text, "application form, section 3")
        for item in explained.contributions
    )


def letter(explained: Explanation | None = None, **changes: object) -> SubjectLetter:
    explained = explained or explanation()
    values: dict[str, object] = {
        "reference": "HSB-2026-000123",
        "issued": date(2026, 5, 18),
        "regimes": (Regime.ECOA,),
        "decision": LetterDecision(
            id="0196d0b5-7c1e-7a31-9d2f-4f8f3b0c6a11",
            case="MTG-000123",
            decided_at=MOMENT,
            decided_by=DecidedBy.SOLE,
            adverse=True,
            model="mortgage-approval",
            version="1.0.0",
            kind="gradient-boosted trees",
            policy="mortgage-cutoff 1.0.0",
        ),
        "explanation": explained,
        "inputs": inputs(explained),
        "contacts": Contacts(
            controller=CREDITOR,
            review=Contact("Decision Review Desk", "+1 617 555 0101", "review@bank.example"),
            data_protection=Contact("Data protection officer", email="dpo@bank.example"),
            authority=Organisation("Data Protection Authority", ("10 Example Square", "Brussels")),
            agency=Organisation("Federal Deposit Insurance Corporation", ("Washington, DC 20429",)),
        ),
        "place": LedgerPlace(
            ORIGIN,
            48_213,
            hashlib.sha256(b"leaf").digest(),
            48_960,
            hashlib.sha256(b"root").digest(),
        ),
        "proof": "decision.tlog-proof",
        "evidence": "evidence.json",
        "openings": "openings.json",
        "recipients": "Nobody outside the bank.",
        "retention": "25 months after the decision (12 CFR 1002.12), then erased.",
    }
    return SubjectLetter(**(values | changes))  # type: ignore[arg-type]


def card() -> ModelCard:
    explained = explanation()
    return ModelCard(
        name="mortgage-approval",
        version="1.0.0",
        kind="gradient-boosted trees",
        manifest=digest("manifest"),
        artefact=digest("artefact"),
        artefact_format="xgboost-json",
        repository="https://git.example/models/mortgage",
        commit="3b1f0c9d7e52a6b48cc1e0f7a9d2438be6a5f011",
        training=(TrainingSet("Boston mortgage applications", "1990", 1_488, digest("training")),),
        background="all 900 applicants of the training period",
        explainer=(("Explainer", "leaf-tables, exact, log-odds"),),
        metrics=(("AUC on the test set", "0.861"), ("Brier score", "0.071")),
        features=tuple(
            FeatureLine(item.label, "application form") for item in explained.contributions
        ),
        excluded=(
            ExcludedFeature("Race", "protected trait; used for section 7 only, kept apart"),
            ExcludedFeature("Sex", "protected trait"),
            ExcludedFeature("Age", "protected trait"),
        ),
        purpose="Decides whether an application for a home mortgage meets the bank’s policy.",
        owner="Retail Credit, Model Risk",
        approver="Model Risk Committee",
        policy="mortgage-cutoff 1.0.0",
        policy_digest=digest("policy"),
        cost=Decimal("4.27"),
    )


def sampled(count: int) -> tuple[SampledDecision, ...]:
    codes = ("LTV_HIGH", "DEBT_HIGH", "BANKRUPTCY", "JOB_SHORT", "INCOME_LOW")
    rows = []
    for at in range(count):
        declined = at % 4 == 0
        rows.append(
            SampledDecision(
                index=120 + 37 * at,
                id=f"0196d0b5-{at:04x}-7a31-9d2f-{digest(str(at))[:12]}",
                decided_at=MOMENT + timedelta(minutes=83 * at),
                outcome="Declined" if declined else "Approved",
                score_text=f"{575 + 7 * at % 90}.{at % 10}",
                reasons=tuple(codes[(at + k) % 5] for k in range(1 + at // 4 % 4))
                if declined
                else (),
                leaf_hash=digest(f"leaf {at}"),
            )
        )
    return tuple(rows)


def completeness(**changes: object) -> Completeness:
    """One source that lost a number, one that explains what it lost, and what they stated."""
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    values: dict[str, object] = {
        "sources": (
            SourceCompleteness("loan-desk", 40, 2_380, 1, 0, 0, 3, june),
            SourceCompleteness("branch-7", 1, 12, 0, 4, 1, 0, None),
        ),
        "gaps": (
            MissingRange("loan-desk.k3vq7m2a", 1_412, 1_412, "", june, None),
            MissingRange("branch-7", 5, 6, "operator_outage", june, july),
            MissingRange("branch-7", 9, 10, "spool_full", None, july),
        ),
        "ranges": 3,
        "totals": (
            StatedTotal("loan-desk.k3vq7m2a", 1, 2_381, None, None, 2_381, 2_380, "short", 1, 0),
            StatedTotal("loan-desk", None, None, june, july, 400, 401, "more", 0, 0),
            StatedTotal("branch-7", 1, 10, None, None, 6, 6, "agrees", 0, 0),
            StatedTotal("branch-7", None, None, june, july, 6, 5, "unknown", 0, 1),
        ),
        "attachment": "missing-numbers.csv",
    }
    return Completeness(**(values | changes))  # type: ignore[arg-type]


def moved() -> Movement:
    return Movement(
        fewest=20,
        left_out=1,
        reference=date(2026, 1, 1),
        reference_decisions=372,
        scores=tuple(
            ScoresMoved(date(2026, month, 1), decisions, Decimal(index), Decimal(chance))
            for month, decisions, index, chance in (
                (2, 401, "0.031", "0.088"),
                (3, 455, "0.102", "0.083"),
            )
        ),
        last=date(2026, 3, 1),
        items=(
            ItemMoved(
                "Loan amount as a share of the price", 455, Decimal("0.140"), Decimal("0.083")
            ),
            ItemMoved("Bankruptcy on file", 455, Decimal("0.012"), Decimal("0.019")),
        ),
    )


def report(**changes: object) -> AuditReport:
    explained = explanation()
    values: dict[str, object] = {
        "reference": "AR-2026-05",
        "organisation": CREDITOR.name,
        "prepared": date(2026, 7, 1),
        "since": date(2026, 1, 1),
        "until": date(2026, 6, 30),
        "scope": (
            "All decisions of the model in the period, from the log named below. Nothing was left out by hand.",
        ),
        "card": card(),
        "months": tuple(
            Month(date(2026, month, 1), decisions, approved)
            for month, decisions, approved in (
                (1, 372, 331),
                (2, 401, 352),
                (3, 455, 408),
                (4, 398, 341),
                (5, 431, 389),
                (6, 323, 280),
            )
        ),
        "weights": tuple(
            FeatureWeight(item.label, abs(item.points))
            for item in sorted(explained.contributions, key=lambda c: -abs(c.points))
        ),
        "reasons": (
            ReasonCount("LTV_HIGH", "Loan amount is high for the price of the home", 141),
            ReasonCount("DEBT_HIGH", "Debt payments are high for the income", 128),
            ReasonCount("BANKRUPTCY", "A bankruptcy is on file", 77),
            ReasonCount("JOB_SHORT", "Time in present work is short", 40),
        ),
        "verification": LogVerification(
            origin=ORIGIN,
            first=0,
            last=2_401,
            size=2_402,
            root_hash=hashlib.sha256(b"root").digest(),
            verified_at=datetime(2026, 7, 1, 6, 0, tzinfo=UTC),
            signatures=(Signature(ORIGIN, "Ed25519"), Signature(ORIGIN, "ML-DSA-44")),
            completeness=completeness(),
            findings=1,
        ),
        "recomputation": Recomputation(
            2_380, 200, 20_260_701, 200, Decimal("0.000003"), Decimal("0.0001")
        ),
        "fairness": (
            FairnessTable(
                "Race",
                "White",
                "From the research data set’s own column, joined on the case number; kept apart from the ledger and never given to the model.",
                (
                    GroupOutcome("White", 2_008, 1_819),
                    GroupOutcome("Black", 339, 259),
                    GroupOutcome("Other", 33, 23),
                ),
            ),
        ),
        "findings": (
            Finding(
                "SOURCE_GAP",
                "Number 1,412 of source loan-desk never arrived.",
                "Loan desk",
                date(2026, 7, 31),
            ),
        ),
        "register": (
            RegisterCount("Explanations issued", 36),
            RegisterCount("Letters issued", 34),
            RegisterCount("Reviews by a person", 5),
            RegisterCount("Corrections", 2),
            RegisterCount("Erasures", 1),
            RegisterCount("Legal holds in force", 0),
        ),
        "limits": ("Groups with few cases have wide intervals; an average can hide them.",),
        "signatories": (
            Signatory("Model owner", "The model card is complete."),
            Signatory("Internal audit", "The checks of sections 5 and 6 were run as described."),
        ),
        "sample": sampled(40),
        "movement": moved(),
    }
    return AuditReport(**(values | changes))  # type: ignore[arg-type]
