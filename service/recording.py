"""Putting on record that a vault's newest records are lost for good."""

from ledger.entries import Entry
from ledger.errors import ConflictError
from ledger.operate.destruction import attached_to
from ledger.operate.incidents import IncidentCode
from ledger.operate.tombstones import forget, tombstones
from ledger.operate.vault_standing import VaultGap
from ledger.storage.sql_log_store import SqlLogStore
from service.runtime import Runtime, vault_gaps

__all__ = ["record_lost_vault"]


def record_lost_vault(
    runtime: Runtime, reason: str, role: str
) -> tuple[tuple[tuple[VaultGap, Entry], ...], int]:
    """Log, in each log that lost records, which; return that, and how many keys were destroyed.

    An old vault brings back what was erased since, so the logs' tombstones are replayed first.

    Raises:
        ConflictError: nothing is lost.
        LedgerError: it cannot be written.
    """
    ledger, vault = runtime.databases
    gaps = vault_gaps(SqlLogStore(ledger), runtime.logs, vault)
    if not gaps:
        raise ConflictError("the vault knows the newest records of both logs: nothing is lost")
    named: set[str] = set()
    for log in runtime.logs.values():
        theirs = set(tombstones(log.entries()))
        named |= theirs | attached_to(ledger, log.origin, theirs)
    erased = forget(vault, named)
    recorded = []
    for name, gap in gaps.items():
        detail = {"known": gap.known, "newest": gap.newest, "reason": reason, "role": role}
        entry = runtime.incidents[name].record(IncidentCode.VAULT_RECORDS_LOST, detail)
        recorded.append((gap, entry))
    return tuple(recorded), erased
