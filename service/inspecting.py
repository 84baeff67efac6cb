"""Looking at a backup: every file compared, every log audited, and nothing written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.operate.backup import Progress
from ledger.operate.backup_check import (
    Backup,
    BackupTree,
    check_files,
    check_pair,
    check_vault,
    find_backups,
    opened_logs,
    pick,
)
from ledger.operate.backup_manifest import Part
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from service.policies import read_policy

__all__ = ["Inspected", "inspected"]


@dataclass(frozen=True, slots=True)
class Inspected:
    """A backup that was checked, as long as it is open.

    Attributes:
        ledger: the ledger's part, if there is one.
        vault: the vault's part, if there is one.
        policy: whose keys count.
        logs: the ledger's logs, audited.
    """

    ledger: Backup | None
    vault: Backup | None
    policy: Policy | None
    logs: tuple[BackupTree, ...]

    @property
    def sound(self) -> bool:
        """Whether the audit found nothing."""
        return not any(log.result.findings for log in self.logs)

    def keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """The keys of a log that the policy trusts, and those that its rotations name."""
        logs = self.policy.logs if self.policy is not None else ()
        found = dict.fromkeys(log.key for log in logs if log.key.name == origin)
        for tree in self.logs:
            if tree.origin == origin:
                for each in tree.result.rotations:
                    found |= dict.fromkeys((*each.old, *each.new))
        return tuple(found)

    @property
    def parts(self) -> tuple[Backup, ...]:
        """What there is, the ledger first."""
        return tuple(each for each in (self.ledger, self.vault) if each is not None)


@contextmanager
def inspected(
    directories: Sequence[Path], policy_path: Path | None, on_progress: Progress
) -> Iterator[Inspected]:
    """The parts in these directories, every file compared and every log audited.

    `policy_path` is the trust policy whose keys count; None: the backup's own.

    Raises:
        NotFoundError: there is no finished backup.
        VerificationError: a file is not as it was backed up.
        RefusedError: the parts do not belong together.
        LedgerError, OSError: something cannot be read.
    """
    backups = [backup for directory in directories for backup in find_backups(directory)]
    ledger, vault = pick(backups, Part.LEDGER), pick(backups, Part.VAULT)
    for backup in backups:
        check_files(backup, on_progress)
    if vault is not None:
        check_vault(vault)
    if ledger is None:
        yield Inspected(None, vault, None, ())
        return
    if vault is not None:
        check_pair(ledger.manifest, vault.manifest)
    policy = read_policy(policy_path or ledger.path("policy.txt"))
    with opened_logs(ledger, policy, on_progress) as logs:
        yield Inspected(ledger, vault, policy, logs)
