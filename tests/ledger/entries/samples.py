"""One entry body of every kind, for tests that go through all of them."""

from datetime import UTC, datetime

from ledger.entries import (
    Access,
    AccessDenied,
    AttributionsAttached,
    Body,
    Correction,
    Decision,
    Erased,
    Expired,
    ExplanationIssued,
    ExportIssued,
    HoldReleased,
    HoldSet,
    Incident,
    LogCreated,
    LogKeyRotated,
    ModelVersionAct,
    ModelVersionRegistered,
    ModelVersionStatus,
    NoticeIssued,
    OutcomeObserved,
    PolicyRegistered,
    Review,
    SourceCounter,
    SourceGap,
    SourcePeriodTotal,
    SourceRegistered,
    SourceTotal,
    uuid7,
)

ORIGIN = "ledger.example/test/log/decisions"
DIGEST = "ab" * 32
COMMITMENT = bytes(range(32))
VKEY = f"{ORIGIN}+0123abcd+{'A' * 43}="
ACTOR = "0f" * 16
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def sample_id(number: int) -> str:
    """A valid id, another for each number, rising with it."""
    return uuid7(1_700_000_000_000 + number, bytes(10))


BODIES: tuple[Body, ...] = (
    Access(ACTOR, "auditor", "complaint", ACTOR, COMMITMENT, 1),
    AccessDenied(ACTOR, "auditor", "complaint", ACTOR, COMMITMENT, 0),
    AttributionsAttached(sample_id(1), COMMITMENT),
    Correction(sample_id(1), COMMITMENT),
    Decision(
        *(DIGEST, DIGEST, SourceCounter("loan-desk", 17)),
        *(COMMITMENT, COMMITMENT, COMMITMENT, COMMITMENT),
    ),
    Erased((sample_id(1), sample_id(2)), "request", "key_destroyed", "data_protection_officer"),
    Expired((sample_id(1),), "retention", "key_destroyed", "administrator"),
    ExplanationIssued(sample_id(1), COMMITMENT, DIGEST, DIGEST),
    ExportIssued(DIGEST),
    HoldReleased(sample_id(1), COMMITMENT),
    HoldSet(sample_id(1), COMMITMENT),
    Incident("clock_backwards", COMMITMENT),
    LogCreated(ORIGIN, (VKEY,), "decision-ledger/1.0.0"),
    LogKeyRotated((VKEY,), (VKEY,)),
    ModelVersionAct(DIGEST, "approval_proposed", COMMITMENT),
    ModelVersionRegistered(DIGEST),
    ModelVersionStatus(DIGEST, "approved"),
    NoticeIssued(sample_id(1), COMMITMENT, DIGEST, DIGEST),
    OutcomeObserved(sample_id(1), COMMITMENT),
    PolicyRegistered(DIGEST),
    Review(sample_id(1), "upheld", COMMITMENT),
    SourceGap("loan-desk", 3, 5, "outage"),
    SourcePeriodTotal("loan-desk", MAY, JUNE, 12_345),
    SourceRegistered("loan-desk", 1),
    SourceTotal("loan-desk.k3vq7m2a", 1, 100, 99),
)
