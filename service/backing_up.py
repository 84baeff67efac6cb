"""Backing up the ledger that the settings name."""

from collections.abc import Iterable
from pathlib import Path

from ledger.errors import NotFoundError
from ledger.operate.backup import Holdings, Progress, back_up
from ledger.operate.backup_manifest import BackupManifest, Part
from service.founding import SOFTWARE
from service.runtime import SEALED_IN_VAULT, Clock, check_restored, system_clock
from service.settings import Settings

__all__ = ["backed_up", "holdings_of"]


def backed_up(
    settings: Settings,
    directory: Path,
    parts: Iterable[Part],
    on_progress: Progress,
    clock: Clock | None = None,
) -> tuple[BackupManifest, ...]:
    """Back up parts of the ledger, which may be running; return their manifests.

    Raises:
        NotFoundError: there is no ledger.
        LedgerError, OSError: as `ledger.operate.backup.back_up`.
    """
    check_restored(settings)
    if not settings.policy_path.is_file():
        raise NotFoundError(f"there is no ledger in {settings.data}")
    now = (clock or system_clock)()
    return back_up(holdings_of(settings), directory, parts, now, on_progress)


def holdings_of(settings: Settings) -> Holdings:
    """What there is to back up. Never keys or the checkpoint lock: they are kept apart."""
    return Holdings(
        origin=settings.origin,
        software=SOFTWARE,
        database_url=settings.database_url,
        vault_url=settings.vault_url,
        # Witnesses and authorities speak of checkpoints that must be in the copy.
        before=(
            ("cosigned", settings.cosigned_dir),
            ("timestamps", settings.timestamps_dir),
            ("handover", settings.handover_dir),
            ("fork-suspected", settings.fork_marks_dir),
            ("fork-dismissed", settings.dismissed_dir),
        ),
        # Entries in the copy name files that must be there.
        after=(
            ("artefacts", settings.artefacts_dir),
            ("policy.txt", settings.policy_path),
            ("origin.txt", settings.origin_path),
            ("witnesses.txt", settings.witnesses_path),
            ("tsa.txt", settings.authorities_path),
            ("tsa-roots.pem", settings.authority_roots_path),
            ("pruning", settings.pruning_dir),
            ("retention", settings.retention_dir),
            ("contacts.json", settings.contacts_path),
        ),
        sealed_in_vault=frozenset({settings.log_origin(SEALED_IN_VAULT)}),
    )
