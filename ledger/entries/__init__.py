"""The closed vocabulary of log entries: one frozen type per kind.

The format is `docs/formats.md` §2. Anyone who may read the log may read its
entries, so no type here has a member that could hold a person's data: only ids,
counters, times, digests, salted commitments and bounded codes. Pure: bytes in,
values out. How entries are hashed, ordered and proved is `ledger.tlog`.
"""

from ledger.entries.bodies import (
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
    ModelVersionRegistered,
    ModelVersionStatus,
    NoticeIssued,
    PolicyRegistered,
    Review,
    SourceCounter,
    SourceGap,
    SourcePeriodTotal,
    SourceRegistered,
    SourceTotal,
)
from ledger.entries.entry import MAX_ENTRY_BYTES, Entry, UnplacedEntry, parse_entry
from ledger.entries.forms import COMMITMENT_BYTES, MAX_COUNT, MAX_RECORDS
from ledger.entries.identifiers import UUID7_RANDOM_BYTES, parse_id, uuid7
from ledger.entries.kind import Kind

__all__ = [
    "COMMITMENT_BYTES",
    "MAX_COUNT",
    "MAX_ENTRY_BYTES",
    "MAX_RECORDS",
    "UUID7_RANDOM_BYTES",
    "Access",
    "AccessDenied",
    "AttributionsAttached",
    "Body",
    "Correction",
    "Decision",
    "Entry",
    "Erased",
    "Expired",
    "ExplanationIssued",
    "ExportIssued",
    "HoldReleased",
    "HoldSet",
    "Incident",
    "Kind",
    "LogCreated",
    "LogKeyRotated",
    "ModelVersionRegistered",
    "ModelVersionStatus",
    "NoticeIssued",
    "PolicyRegistered",
    "Review",
    "SourceCounter",
    "SourceGap",
    "SourcePeriodTotal",
    "SourceRegistered",
    "SourceTotal",
    "UnplacedEntry",
    "parse_entry",
    "parse_id",
    "uuid7",
]
