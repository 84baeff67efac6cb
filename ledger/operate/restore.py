"""Putting a backup back, into places where nothing is, and finishing or not at all.

A file that says what is being put where is written first and removed last. While it is
there the ledger is not taken up, and the same restore may be run again: it removes what
the first left, which cannot have been anybody else's, and starts afresh.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import inspect

from ledger import canonical
from ledger.errors import ConflictError, MalformedError, RefusedError, VerificationError
from ledger.operate.backup import Progress, copy_file
from ledger.operate.backup_check import Backup
from ledger.operate.backup_manifest import MAX_MANIFEST_BYTES, BackedUpFile, Engine, Part
from ledger.operate.destruction import attached_to
from ledger.operate.tombstones import delete_sealed, forget, tombstones
from ledger.private_files import private_directory, sync_directory, write_new
from ledger.storage.database import open_database, translated
from ledger.storage.database_copy import engine_of, open_reader, restore_dump, sqlite_path
from ledger.storage.log_store import MAX_READ_ENTRIES
from ledger.storage.sql_log_store import SqlLogStore

__all__ = ["Destination", "Replayed", "begin_restore", "finish_restore", "replay"]

_LAST: Final = "policy.txt"  # its presence says that a ledger is complete
_BESIDE: Final = ("", "-wal", "-shm", "-journal")  # a stale one would be applied to a new database


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a deployment's parts belong.

    Attributes:
        marker: the file that says a restore is not finished.
        urls: the database of each part.
        places: the file or directory of each name in a backup.
    """

    marker: Path
    urls: Mapping[Part, str] = field(repr=False)  # may hold passwords
    places: Mapping[str, Path]

    def target(self, path: str) -> Path:
        """Where a file of a backup belongs.

        Raises:
            RefusedError: no file of this name belongs anywhere.
        """
        name, _, rest = path.partition("/")
        if name not in self.places:
            raise RefusedError(f"restore: a ledger has no {path}")
        return self.places[name] / rest if rest else self.places[name]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying the tombstones destroyed: how many keys and how many sealed payloads."""

    named: int
    keys: int
    payloads: int


def begin_restore(
    backups: Sequence[Backup], destination: Destination, on_progress: Progress
) -> None:
    """Put everything in its place; nothing counts until :func:`finish_restore`.

    Raises:
        ConflictError: something is there already; nothing was changed.
        VerificationError: a file is not as it was backed up.
        LedgerError, OSError: something cannot be read or written.
    """
    targets = {path: target for backup in backups for path, target in _targets(backup, destination)}
    digests = sorted(hashlib.sha256(backup.manifest_bytes).hexdigest() for backup in backups)
    again = destination.marker.exists()
    if again:
        _clear(destination, digests, targets.values())
    for backup in backups:
        _check_engine(backup, destination)
    _check_empty(targets.values())
    left = [backup for backup in backups if not (again and _is_there(backup, destination))]
    if not again:
        for backup in backups:
            _check_no_tables(backup, destination)
        marker = {"backups": digests, "targets": sorted(map(str, targets.values()))}
        write_new(destination.marker, canonical.encode(marker))
    for backup in left:
        _put_database(backup, destination, on_progress)
    for backup in backups:
        for file in sorted(backup.manifest.files, key=lambda each: each.path == _LAST):
            if file.path != backup.manifest.database:
                _put(backup.path(file.path), destination.target(file.path), file, on_progress)


def replay(destination: Destination, origins: Iterable[str]) -> Replayed:
    """Put the tombstones of these logs into effect, in the vault and beside the log.

    Raises:
        LedgerError: a database cannot be read or written, or its role may not delete.
    """
    reader = open_reader(destination.urls[Part.LEDGER])
    store = SqlLogStore(reader)
    named: set[str] = set()
    for origin in origins:
        theirs = set(tombstones(_entries(store, origin)))
        # An erasure that the backup cut short may not have named what was attached yet.
        named |= theirs | attached_to(reader, origin, theirs)
    if not named:
        return Replayed(0, 0, 0)
    ledger = open_database(destination.urls[Part.LEDGER])
    keys = 0
    try:
        payloads = delete_sealed(ledger, named)
        if _has_tables(destination.urls[Part.VAULT]):
            vault = open_database(destination.urls[Part.VAULT])
            keys = forget(vault, named)
            vault.dispose()
    finally:
        ledger.dispose()
    return Replayed(len(named), keys, payloads)


def finish_restore(destination: Destination) -> None:
    """Say that the restore is whole. From here on the ledger may be taken up."""
    destination.marker.unlink()
    sync_directory(destination.marker.parent)


def _targets(backup: Backup, destination: Destination) -> Iterator[tuple[str, Path]]:
    manifest = backup.manifest
    for file in manifest.files:
        if file.path != manifest.database:
            yield f"{manifest.part}/{file.path}", destination.target(file.path)
        elif manifest.engine is Engine.SQLITE:
            path = sqlite_path(destination.urls[manifest.part])
            for suffix in _BESIDE:
                yield f"{manifest.part}/{file.path}{suffix}", path.with_name(path.name + suffix)


def _check_engine(backup: Backup, destination: Destination) -> None:
    manifest = backup.manifest
    here = engine_of(destination.urls[manifest.part])
    if here != manifest.engine:
        raise RefusedError(
            f"restore: the {manifest.part} was backed up from {manifest.engine}, and the settings"
            f" name a database of {here}"
        )


def _check_empty(targets: Iterable[Path]) -> None:
    for target in targets:
        if os.path.lexists(target):
            raise ConflictError(f"restore: {target} is there already; nothing is written over it")


def _check_no_tables(backup: Backup, destination: Destination) -> None:
    if backup.manifest.engine is Engine.POSTGRESQL and _has_tables(
        destination.urls[backup.manifest.part]
    ):
        raise ConflictError(
            f"restore: the {backup.manifest.part} database has tables already; name an empty one"
        )


def _has_tables(url: str) -> bool:
    if engine_of(url) == "sqlite" and not sqlite_path(url).exists():
        return False
    with translated():
        return bool(inspect(open_reader(url)).get_table_names())


def _is_there(backup: Backup, destination: Destination) -> bool:
    """Say whether the first attempt put the database there: PostgreSQL takes all or nothing."""
    manifest = backup.manifest
    return manifest.engine is Engine.POSTGRESQL and _has_tables(destination.urls[manifest.part])


def _put_database(backup: Backup, destination: Destination, on_progress: Progress) -> None:
    manifest = backup.manifest
    source, url = backup.path(manifest.database), destination.urls[manifest.part]
    if manifest.engine is Engine.POSTGRESQL:
        restore_dump(source, url)
        return
    (file,) = (each for each in manifest.files if each.path == manifest.database)
    _put(source, sqlite_path(url), file, on_progress)


def _put(source: Path, target: Path, file: BackedUpFile, on_progress: Progress) -> None:
    private_directory(target.parent)
    if copy_file(source, target, on_progress) != (file.sha256, file.bytes):
        raise VerificationError(f"backup: {file.path} is not as it was backed up")
    sync_directory(target.parent)


def _clear(destination: Destination, digests: Sequence[str], targets: Iterable[Path]) -> None:
    """Remove what a restore of the same backups left unfinished here."""
    with destination.marker.open("rb") as file:
        data = file.read(MAX_MANIFEST_BYTES)
    try:
        said = canonical.decode(data, max_bytes=MAX_MANIFEST_BYTES)
    except MalformedError as error:
        raise RefusedError(f"restore: {destination.marker.name} cannot be read") from error
    # The paths are compared, so that the file cannot name others for us to remove.
    if said != {"backups": list(digests), "targets": sorted(map(str, targets))}:
        raise RefusedError(
            "restore: another restore was cut short here; run that one again, or empty the"
            " directory"
        )
    for target in targets:
        target.unlink(missing_ok=True)


def _entries(store: SqlLogStore, origin: str) -> Iterator[bytes]:
    head, start = store.head(origin), 0
    while head is not None and start < head.size:
        stored = store.entries(origin, start, min(MAX_READ_ENTRIES, head.size - start))
        if not stored:
            raise VerificationError(f"restore: entries of {origin} are missing")
        yield from (each.entry for each in stored)
        start += len(stored)
