"""Checking a backup where it lies: every file by digest, and the whole log, entry by entry.

Needs no service, no key and no database server. That every byte is what the manifest says
shows damage; that the log in it is what was signed, the audit shows.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.backup import MANIFEST, Progress, digest_file
from ledger.operate.backup_manifest import (
    MAX_MANIFEST_BYTES,
    BackedUpLog,
    BackupManifest,
    Engine,
    Part,
)
from ledger.operate.dumped_log import lay_out
from ledger.storage.database_copy import check_archive
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.policy import Policy
from ledger.tlog.tile import Tile
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.sqlite_reader import SqliteLogReader

__all__ = [
    "Backup",
    "BackupTree",
    "check_files",
    "check_pair",
    "check_vault",
    "find_backups",
    "opened_logs",
    "pick",
]


@dataclass(frozen=True, slots=True)
class Backup:
    """One part of a backup, as it says it is."""

    directory: Path
    manifest: BackupManifest
    manifest_bytes: bytes

    def path(self, name: str) -> Path:
        """Where a file of the manifest lies."""
        return self.directory / name


@dataclass(frozen=True, slots=True)
class BackupTree:
    """A log in a backup, audited; what `head_comparison` needs to know of it."""

    reader: SqliteLogReader
    log: BackedUpLog
    result: AuditResult

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.log.origin

    def size(self) -> int:
        """How many entries the backup has of it."""
        return self.log.size

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, exactly as wide as asked.

        Raises:
            NotFoundError: it is not stored.
        """
        stored = self.reader.tiles(tile.level, tile.index)
        hashes = stored[-1][1][: tile.width * 32] if stored else b""
        if len(hashes) < tile.width * 32:
            raise NotFoundError("tile: nothing of it is in this log")
        return hashes

    def own_checkpoint(self) -> str:
        """Its newest checkpoint as it was signed."""
        return self.log.checkpoint


def find_backups(directory: Path) -> tuple[Backup, ...]:
    """The parts in a directory: it is one, or has them in `ledger` and `vault`.

    Raises:
        NotFoundError: there is none that was finished.
        MalformedError: a manifest is not one.
    """
    places = [directory, *(directory / part for part in Part)]
    found = tuple(_read(place) for place in places if (place / MANIFEST).is_file())
    if found:
        return found
    cut = any(place.is_dir() and any(place.iterdir()) for place in places)
    raise NotFoundError(
        f"{directory} is no backup: it has no {MANIFEST}"
        + (", so it was cut short or is something else" if cut else "")
    )


def check_files(backup: Backup, on_progress: Progress) -> None:
    """Return if exactly the files of the manifest are there, byte for byte.

    Raises:
        VerificationError: one is missing, was changed, or is not in the manifest.
        OSError: one cannot be read.
    """
    listed = {each.path: each for each in backup.manifest.files}
    there = {
        path.relative_to(backup.directory).as_posix()
        for path in backup.directory.rglob("*")
        if not path.is_dir() or path.is_symlink()
    } - {MANIFEST}
    if there != listed.keys():
        name = ascii(min(there ^ listed.keys()))
        how = "is missing from it" if name[1:-1] in listed else "does not belong to it"
        raise VerificationError(f"backup: {backup.directory}: {name} {how}")
    for path, file in listed.items():
        if digest_file(backup.path(path), on_progress) != (file.sha256, file.bytes):
            raise VerificationError(
                f"backup: {backup.directory}: {path} is not as it was backed up"
            )


@contextmanager
def opened_logs(
    backup: Backup, policy: Policy, on_progress: Progress
) -> Iterator[tuple[BackupTree, ...]]:
    """Every log of a ledger's backup, audited against the policy; findings are for the caller.

    Raises:
        VerificationError: the database holds other logs, or another head, than the manifest.
        LedgerError: it cannot be read.
    """
    with _log_database(backup) as path, SqliteLogReader.open(path) as readers:
        stated = {log.origin: log for log in backup.manifest.logs}
        if sorted(reader.origin for reader in readers) != sorted(stated):
            raise VerificationError("backup: its database holds other logs than its manifest")
        yield tuple(
            _audited(reader, stated[reader.origin], policy, on_progress) for reader in readers
        )


def check_vault(backup: Backup) -> None:
    """Return if the vault's database is whole, as far as can be told without its keys.

    Raises:
        VerificationError: it is damaged.
        LedgerError: it cannot be read.
    """
    path = backup.path(backup.manifest.database)
    if backup.manifest.engine is Engine.POSTGRESQL:
        check_archive(path)
        return
    try:
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise LedgerError(f"backup: {path.name} cannot be read ({error})") from error
    if found != ("ok",):
        raise VerificationError(f"backup: {path.name} fails SQLite's own check")


def check_pair(ledger: BackupManifest, vault: BackupManifest) -> None:
    """Return if the vault opens every record of the ledger: it was copied later.

    Raises:
        RefusedError: it was not, or is another deployment's.
    """
    sizes = {log.origin: log.size for log in vault.logs}
    if ledger.origin != vault.origin or sizes.keys() != {log.origin for log in ledger.logs}:
        raise RefusedError("backup: the vault and the ledger are not of one deployment")
    for log in ledger.logs:
        if sizes[log.origin] < log.size:
            raise RefusedError(
                f"backup: the vault was copied when {log.origin} had {sizes[log.origin]:,} entries,"
                f" the ledger when it had {log.size:,}: it does not open what lies between."
                " Take a newer backup of the vault"
            )


def pick(backups: Sequence[Backup], part: Part) -> Backup | None:
    """The backup of a part, None if there is none.

    Raises:
        RefusedError: there are several.
    """
    found = [backup for backup in backups if backup.manifest.part is part]
    if len(found) > 1:
        raise RefusedError(f"backup: more than one of the {part}; name one")
    return found[0] if found else None


def _read(directory: Path) -> Backup:
    with (directory / MANIFEST).open("rb") as file:
        data = file.read(MAX_MANIFEST_BYTES + 1)
    try:
        return Backup(directory, BackupManifest.parse(data), data)
    except MalformedError as error:
        raise MalformedError(f"{directory / MANIFEST}: {error}", member=error.member) from error


@contextmanager
def _log_database(backup: Backup) -> Iterator[Path]:
    """A SQLite file with the log's tables."""
    path = backup.path(backup.manifest.database)
    if backup.manifest.engine is Engine.SQLITE:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="backup-check-") as place:
        target = Path(place) / "log.db"
        lay_out(path, target)
        yield target


def _audited(
    reader: SqliteLogReader, log: BackedUpLog, policy: Policy, on_progress: Progress
) -> BackupTree:
    def progress(done: int, total: int) -> None:
        on_progress(log.origin, done, total)

    result = audit(reader, policy, on_progress=progress)
    if result.checkpoint is not None:
        try:
            stated = Checkpoint.parse(SignedNote.parse(log.checkpoint).text)
        except LedgerError as error:
            raise VerificationError("backup: its manifest names no checkpoint") from error
        if stated != result.checkpoint or stated.size != log.size:
            raise VerificationError(
                f"backup: its manifest names another newest checkpoint of {log.origin} than its"
                " database"
            )
    return BackupTree(reader, log, result)
