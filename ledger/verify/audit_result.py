"""What an audit of one log says: findings, and what it covered. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.pruning import MinimumIndex
from ledger.verify.completeness import Reconciled, SourceReport
from ledger.verify.findings import Finding
from ledger.verify.key_history import Rotation
from ledger.verify.verified import Verified


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit of one log found, and what it covered.

    Attributes:
        origin: the log.
        size: how many entries there are, missing ones included.
        root: the root that the stored bytes give; None if an entry is missing.
        checkpoint: the newest stored checkpoint that the policy accepts, or None.
        findings: everything that does not agree; () is a clean bill.
        omitted: findings beyond those listed.
        located: True if the stored tiles lead to the signed root, so that the entries
            named in the findings are the only ones that differ from what was signed.
        checkpoints: how many signed roots were compared with the entries.
        tiles: how many stored tiles were compared.
        counts: how many entries of each kind, by kind.
        first_at: when the log says it accepted the first entry.
        last_at: when the log says it accepted the last entry.
        sources: what each source's counters show; gaps are information, not findings.
        totals: the totals that sources stated, held against their counters.
        pruned: what is withheld and was not looked at, or None.
        rotations: each change of the log's keys, with what is known of it.
        unverified: how many checkpoints before the newest were compared by root alone,
            being signed by keys that neither the policy nor an entry names.
        since: what an earlier audit had verified and this one did not read again, or None.
        verified: enough to go on from here another time; None if there are findings, or a
            beginning that was not seen.
    """

    origin: str
    size: int
    root: bytes | None
    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]
    omitted: int
    located: bool
    checkpoints: int
    tiles: int
    counts: tuple[tuple[str, int], ...]
    first_at: datetime | None
    last_at: datetime | None
    sources: tuple[SourceReport, ...]
    totals: tuple[Reconciled, ...] = ()
    pruned: MinimumIndex | None = None
    rotations: tuple[Rotation, ...] = ()
    unverified: int = 0
    since: Verified | None = None
    verified: Verified | None = None
