"""Backing up: a consistent copy of the ledger or of the vault, while the service runs.

The two are copied apart, because their copies are kept for different times: the ledger's
as long as the log, the vault's no longer than an erasure may wait. The order matters. Keys
reach the vault before their entries reach the log, so a vault that was copied *after* a
ledger opens every record of it. The manifest is written last: without one it is no backup.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from ledger.errors import ConflictError, MalformedError, RefusedError
from ledger.operate.backup_manifest import (
    BackedUpFile,
    BackedUpLog,
    BackupManifest,
    Engine,
    Part,
    database_name,
)
from ledger.operate.vault_standing import find_gap
from ledger.private_files import FILE_MODE, private_directory, sync_directory, write_new
from ledger.storage.database import reading
from ledger.storage.database_copy import copied, engine_of, open_reader
from ledger.storage.models import log, log_checkpoint, log_head
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy

__all__ = ["MANIFEST", "Holdings", "Progress", "back_up", "copy_file"]

MANIFEST: Final = "manifest.json"
POLICY: Final = "policy.txt"

_CHUNK: Final = 1_000_000  # bytes of a file in memory at a time
_UNFINISHED: Final = (".new", ".guard")  # what a writer leaves beside a file while it works

Progress = Callable[[str, int, int], None]
"""Told which file is being worked on, and how many bytes of how many are done."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What there is of a ledger to back up, and where.

    Attributes:
        origin: base of the logs' names.
        software: what writes the backup.
        database_url: the ledger database.
        vault_url: the vault database.
        before: files and directories by their names in the backup, which may not be newer
            than the database: what was signed or said about its checkpoints.
        after: likewise those that may not be older: what the database's entries name.
        sealed_in_vault: the logs whose payloads are in the vault.
    """

    origin: str
    software: str
    database_url: str = field(repr=False)  # may hold a password
    vault_url: str = field(repr=False)
    before: tuple[tuple[str, Path], ...]
    after: tuple[tuple[str, Path], ...]
    sealed_in_vault: frozenset[str]


def back_up(
    holdings: Holdings,
    directory: Path,
    parts: Iterable[Part],
    now: datetime,
    on_progress: Progress,
) -> tuple[BackupManifest, ...]:
    """Back the parts up to directories of their names; return their manifests.

    The ledger comes first, whatever the order of `parts`.

    Raises:
        ConflictError: there is something already where a part should go.
        VerificationError: a log's newest checkpoint is not one that its policy accepts.
        RefusedError: the vault does not know the newest records of the logs.
        LedgerError, OSError: a database or a file cannot be read or written.
    """
    wanted = sorted(set(parts), key=[Part.LEDGER, Part.VAULT].index)
    for part in wanted:
        _check_empty(directory / part)
    made = {Part.LEDGER: _back_up_ledger, Part.VAULT: _back_up_vault}
    return tuple(made[part](holdings, directory / part, now, on_progress) for part in wanted)


def copy_file(source: Path, target: Path, on_progress: Progress) -> tuple[str, int]:
    """Copy a file for its owner only, durable but for its name.

    Returns its SHA-256, in hex, and its length, as they were read.

    Raises:
        OSError: it cannot be read or written, or the target is there already.
    """
    digest, done = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as writing, source.open("rb") as reading_:
        total = os.fstat(reading_.fileno()).st_size
        while chunk := reading_.read(_CHUNK):
            digest.update(chunk)
            writing.write(chunk)
            done += len(chunk)
            on_progress(target.name, done, total)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest(), done


def digest_file(path: Path, on_progress: Progress) -> tuple[str, int]:
    """The SHA-256 of a file, in hex, and its length.

    Raises:
        OSError: it cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            on_progress(path.name, done, total)
    return digest.hexdigest(), done


def _back_up_ledger(
    holdings: Holdings, directory: Path, now: datetime, on_progress: Progress
) -> BackupManifest:
    making = _Making(private_directory(directory), on_progress)
    making.copy(holdings.before)
    engine = Engine(engine_of(holdings.database_url))
    target = directory / database_name(Part.LEDGER, engine)
    with copied(holdings.database_url, target, making.database) as connection:
        logs = _heads(connection)
    making.add(target)
    making.copy(holdings.after)
    policy = _policy(directory / POLICY)
    for each in logs:
        policy.check(each.checkpoint)
    return making.finish(holdings, Part.LEDGER, engine, logs, now)


def _back_up_vault(
    holdings: Holdings, directory: Path, now: datetime, on_progress: Progress
) -> BackupManifest:
    making = _Making(private_directory(directory), on_progress)
    ledger = open_reader(holdings.database_url)
    with reading(ledger) as connection:
        logs = _heads(connection)  # before the copy: what the vault knows is then no less
    engine = Engine(engine_of(holdings.vault_url))
    target = directory / database_name(Part.VAULT, engine)
    with copied(holdings.vault_url, target, making.database):
        making.add(target)
    # An archive cannot be asked; what the vault itself knows by now is no less than it.
    copy = f"sqlite:///{target}" if engine is Engine.SQLITE else holdings.vault_url
    for each in logs:
        inside = each.origin in holdings.sealed_in_vault
        gap = find_gap(
            SqlLogStore(ledger), each.origin, each.size, open_reader(copy), sealed_in_vault=inside
        )
        if gap is not None:
            raise RefusedError(
                f"backup: the vault is not the one of these logs, or an older one: {gap}"
            )
    return making.finish(holdings, Part.VAULT, engine, logs, now)


@dataclass(slots=True)
class _Making:
    """One part's directory while it is filled."""

    directory: Path
    on_progress: Progress
    files: list[BackedUpFile] = field(default_factory=list)

    def database(self, done: int, total: int) -> None:
        """Pass on how far the copy of the database is."""
        self.on_progress("database", done, total)

    def copy(self, holdings: tuple[tuple[str, Path], ...]) -> None:
        """Copy what is there of these files and directories."""
        for name, source in holdings:
            for path, inner in _files(name, source):
                target = self.directory / path
                private_directory(target.parent)
                self._keep(path, *copy_file(inner, target, self.on_progress))

    def add(self, path: Path) -> None:
        """Take in a file that was written here by somebody else."""
        self._keep(path.name, *digest_file(path, self.on_progress))

    def finish(
        self,
        holdings: Holdings,
        part: Part,
        engine: Engine,
        logs: tuple[BackedUpLog, ...],
        now: datetime,
    ) -> BackupManifest:
        """Write the manifest, once everything it names is durable."""
        manifest = BackupManifest(
            part=part,
            software=holdings.software,
            created=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            origin=holdings.origin,
            engine=engine,
            logs=logs,
            files=tuple(sorted(self.files, key=lambda each: each.path)),
        )
        for directory, _, _ in os.walk(self.directory, topdown=False):
            sync_directory(Path(directory))
        # From here on it is a backup.
        write_new(self.directory / MANIFEST, manifest.format())
        sync_directory(self.directory.parent)
        return manifest

    def _keep(self, path: str, sha256: str, length: int) -> None:
        try:
            self.files.append(BackedUpFile(path, sha256, length))
        except MalformedError as error:
            raise MalformedError(
                f"backup: {path!a} is not a name that a ledger's file has; move it away"
            ) from error


def _files(name: str, source: Path) -> Iterator[tuple[str, Path]]:
    """The files of a name in the backup: one, those of a directory, or none."""
    if source.is_file():
        yield name, source
        return
    for directory, inner, files in os.walk(source):
        inner.sort()
        place = Path(directory).relative_to(source)
        for each in sorted(files):
            if not each.endswith(_UNFINISHED):
                yield (Path(name) / place / each).as_posix(), Path(directory) / each


def _heads(connection: Connection) -> tuple[BackedUpLog, ...]:
    newest = (log_checkpoint.c.log_id == log_head.c.log_id) & (
        log_checkpoint.c.size == log_head.c.size
    )
    query = (
        select(log.c.origin, log_head.c.size, log_checkpoint.c.note)
        .join(log_head, log_head.c.log_id == log.c.id)
        .join(log_checkpoint, newest)
    )
    found = [BackedUpLog(row.origin, row.size, row.note) for row in connection.execute(query)]
    return tuple(sorted(found, key=lambda each: each.origin))


def _policy(path: Path) -> Policy:
    with path.open("rb") as file:
        return Policy.parse(file.read(MAX_POLICY_LENGTH).decode())


def _check_empty(directory: Path) -> None:
    if os.path.lexists(directory) and (not directory.is_dir() or any(directory.iterdir())):
        cut = directory.is_dir() and not (directory / MANIFEST).exists()
        why = "a backup that was cut short, or something else" if cut else "a backup already"
        raise ConflictError(f"backup: {directory} holds {why}; name a new directory")
