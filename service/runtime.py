"""The running ledger: everything built once from the settings, and handed to every door."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine

from ledger.errors import NotFoundError, RefusedError
from ledger.operate.access_log import AccessLog
from ledger.operate.approvals import Approvals
from ledger.operate.artefact_url import RemoteArtefacts
from ledger.operate.artefacts import Artefacts, ArtefactStore
from ledger.operate.attachments import Attachments
from ledger.operate.attributions import LaterAttributions
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.completeness import Completeness
from ledger.operate.corrections import Corrections
from ledger.operate.cose_receipts import CoseReceipts
from ledger.operate.credentials import ApiKeys
from ledger.operate.decisions import Decisions
from ledger.operate.disclosures import Disclosures
from ledger.operate.erasing import Erasing
from ledger.operate.event_halves import EventHalves
from ledger.operate.expiring import Expiring
from ledger.operate.fork_marks import ForkMarks
from ledger.operate.group_commit import GroupCommit
from ledger.operate.holds import Holds
from ledger.operate.incidents import Incidents
from ledger.operate.key_ring import KeyRing
from ledger.operate.log_clock import LogClock
from ledger.operate.log_writer import LogWriter
from ledger.operate.outcomes import Outcomes
from ledger.operate.own_references import OwnReferences
from ledger.operate.registry import Registry
from ledger.operate.retention import Retention
from ledger.operate.sequencer import Sequencer
from ledger.operate.timestamps import KeptTimestamps
from ledger.operate.vault import Vault
from ledger.operate.writer_client import RemoteWriter, WriterConnection
from ledger.storage.database import InPlace, Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.note import VerifierKey
from service.event_services import read_services
from service.eventing import Eventing
from service.explaining import Explaining
from service.policy_check import policy_check
from service.quarantine import QUARANTINE_FILE, Quarantine
from service.reporting import Reporting
from service.retention import checking, expiry, rule_book
from service.settings import Settings
from service.vault_at_start import SEALED_IN_VAULT, check_vault, opened_vault, vault_gaps

__all__ = [
    "LOGS",
    "SEALED_IN_VAULT",
    "Clock",
    "Runtime",
    "check_restored",
    "cosigned_checkpoint",
    "fork_marks",
    "kept_timestamps",
    "log_keys",
    "log_lock",
    "log_retention",
    "system_clock",
    "vault_gaps",
]

Clock = Callable[[], datetime]
LOGS: Final = ("decisions", "access")
SESSION_KEY_BYTES: Final = 32


def system_clock() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def log_lock(settings: Settings, name: str) -> FileCheckpointLock:
    """The lock that remembers the newest signed checkpoint of a log."""
    # Slashes of an origin would be directories, so the log's short name is the file's.
    return FileCheckpointLock(settings.locks_dir / f"{name}.lock")


def log_keys(settings: Settings, name: str, clock: Clock) -> KeyRing:
    """The keys that sign a log.

    Raises:
        LedgerError: there are none, or they do not open.
    """
    directory, origin = settings.keys_dir / name, settings.log_origin(name)
    return KeyRing(directory, origin, clock, settings.key_passphrase)


def cosigned_checkpoint(settings: Settings, name: str) -> FileCheckpointLock:
    """The newest checkpoint of a log that witnesses cosigned."""
    return FileCheckpointLock(settings.cosigned_dir / f"{name}.note")


def kept_timestamps(settings: Settings, name: str) -> KeptTimestamps:
    """The timestamps of a log's checkpoints."""
    return KeptTimestamps(settings.timestamps_dir / name)


def log_retention(settings: Settings, name: str) -> Retention:
    """From where on a log is published."""
    return Retention(settings.pruning_dir / f"{name}.txt", settings.log_origin(name))


def fork_marks(settings: Settings) -> ForkMarks:
    """The marks that keep this ledger from writing while a fork is suspected."""
    return ForkMarks(settings.fork_marks_dir, settings.dismissed_dir)


def check_restored(settings: Settings) -> None:
    """Return if no restore into this directory was cut short.

    Raises:
        RefusedError: one was.
    """
    if settings.restoring_path.exists():
        raise RefusedError(
            f"a restore into {settings.data} was cut short: run decision-ledger restore again"
            " with the same backup"
        )


def _incidents(
    logs: Mapping[str, Sequencer], writers: Mapping[str, LogWriter], vault: Vault, now: Clock
) -> dict[str, Incidents]:
    return {
        name: Incidents(
            log, writers[name], vault, now, os.urandom, sealed_in_vault=name == SEALED_IN_VAULT
        )
        for name, log in logs.items()
    }


def _artefacts(settings: Settings) -> ArtefactStore:
    nearby = Artefacts(settings.artefacts_dir)
    url = settings.artefacts_url
    return RemoteArtefacts(url, nearby, os.urandom) if url else nearby


_Databases = tuple[Engine, Engine]  # of the logs, and of the vault


@dataclass(frozen=True, slots=True)
class Runtime:
    """One ledger, taken up. Its parts are safe to share between threads."""

    settings: Settings
    clock: Clock
    logs: Mapping[str, Sequencer]
    writers: Mapping[str, LogWriter]
    keys: Mapping[str, KeyRing]
    registry: Registry
    approvals: Approvals
    decisions: Decisions
    attributions: LaterAttributions
    attachments: Attachments
    corrections: Corrections
    outcomes: Outcomes
    access_log: AccessLog
    own_references: OwnReferences
    cose: Mapping[str, CoseReceipts]
    api_keys: ApiKeys
    completeness: Completeness
    incidents: Mapping[str, Incidents]
    disclosures: Disclosures
    erasing: Erasing
    holds: Holds
    explaining: Explaining
    eventing: Eventing
    reporting: Reporting
    expiring: Expiring
    session_key: bytes
    databases: tuple[Engine, Engine]

    @classmethod
    def open(
        cls,
        settings: Settings,
        clock: Clock | None = None,
        *,
        writer: WriterConnection | None = None,
        despite_fork: bool = False,
        despite_gap: bool = False,
    ) -> Self:
        """Take up the ledger that `found` made.

        Args:
            settings: what the deployment is told from outside.
            clock: the time now; the system's clock if None.
            writer: hands what is to be written to the writer process at its other end.
                Without it, this process writes, in turn with whoever else does.
            despite_fork: take it up, to look or to dismiss, while a fork is suspected.
            despite_gap: take it up, to record the loss, with a vault that lacks records.

        Raises:
            NotFoundError: there is none.
            StoppedError: a fork is suspected.
            RefusedError: rules of retention contradict each other.
            LedgerError: the start-up rule forbids it, or a key does not open.
        """
        check_restored(settings)
        if not settings.policy_path.is_file():
            make = f"tenant add {settings.tenant}" if settings.tenant else "init"
            raise NotFoundError(
                f"there is no ledger in {settings.data}; make one with: decision-ledger {make}"
            )
        if not despite_fork:
            fork_marks(settings).check()
        databases = (open_database(settings.database_url), open_database(settings.vault_url))
        how = _How(writer, fork=despite_fork, gap=despite_gap, timed=clock is not None)
        try:
            runtime = cls._take_up(settings, clock or system_clock, how, databases)
            if not despite_fork and not despite_gap:
                runtime.expiring.check()
        except BaseException:
            for engine in databases:
                engine.dispose()
            raise
        return runtime

    @classmethod
    def _take_up(cls, settings: Settings, now: Clock, how: "_How", databases: _Databases) -> Self:
        engine, vault_engine = _migrated(databases)
        store = SqlLogStore(engine)
        keys = {name: log_keys(settings, name, now) for name in LOGS}
        may_write = how.may_write(settings, tuple(map(InPlace, databases)))
        logs = {n: _log(settings, n, store, keys[n], how.log_clock(now), may_write) for n in keys}
        if not how.gap:
            check_vault(store, logs, vault_engine)
        vault = opened_vault(settings, vault_engine, now)
        writers = how.writers(logs, vault)
        log, writer, _ = parts = (logs["decisions"], writers["decisions"], vault)
        check = policy_check(checking(book := rule_book(settings), now))
        registry = Registry(engine, log, writer, _artefacts(settings), now, os.urandom, check)
        decisions = Decisions(log, writer, vault, registry, now, os.urandom)
        attributions = LaterAttributions(log, writer, vault, now, os.urandom)
        erasing = Erasing(log, writer, vault, engine, now, os.urandom)
        attachments = Attachments(log, writer, vault, now, os.urandom)
        corrections = Corrections(*parts, registry, decisions, attachments, now, os.urandom)
        told = (registry, decisions, attributions, attachments)
        return cls(
            settings=settings,
            clock=now,
            logs=logs,
            writers=writers,
            keys=keys,
            registry=registry,
            approvals=Approvals(*parts, registry, now, os.urandom),
            decisions=decisions,
            attributions=attributions,
            attachments=attachments,
            corrections=corrections,
            outcomes=Outcomes(*parts, decisions, attachments, now, os.urandom),
            access_log=AccessLog(logs["access"], writers["access"], vault, now, os.urandom),
            own_references=OwnReferences(vault, now),
            cose={name: CoseReceipts(log, keys[name].cose_signer) for name, log in logs.items()},
            api_keys=ApiKeys(engine, now, os.urandom),
            completeness=(completeness := Completeness(*parts)),
            incidents=(incidents := _incidents(logs, writers, vault, now)),
            disclosures=Disclosures(log, writer, vault, now, os.urandom),
            erasing=erasing,
            holds=Holds(log, writer, vault, now, os.urandom),
            explaining=Explaining(*told, _quarantine(settings, incidents, now)),
            eventing=_eventing(settings, vault, registry, decisions, completeness, now),
            reporting=Reporting(settings, *told),
            expiring=expiry(settings, book, registry, erasing, logs, writers, vault, engine, now),
            session_key=_session_key(settings.session_key_path),
            databases=databases,
        )

    @property
    def verifier_keys(self) -> Mapping[str, tuple[VerifierKey, ...]]:
        """The keys that sign each log now."""
        return {
            name: ring.verifier_keys(self.logs[name].own_checkpoint())
            for name, ring in self.keys.items()
        }

    @property
    def quarantine(self) -> Quarantine:
        """The model versions that are set apart."""
        return self.explaining.quarantine

    @property
    def policy_text(self) -> str:
        """The trust policy, as it is now: a rotation of keys by another process changes it."""
        return self.settings.policy_path.read_text("utf-8")

    def local_writers(self) -> dict[str, GroupCommit]:
        """The writers that are in this process, by the short names of their logs."""
        return {
            name: writer for name, writer in self.writers.items() if isinstance(writer, GroupCommit)
        }

    def close(self) -> None:
        """Let go of the databases; the runtime is not used after this."""
        for engine in self.databases:
            engine.dispose()


def _migrated(databases: tuple[Engine, Engine]) -> tuple[Engine, Engine]:
    for engine, schema in zip(databases, (Schema.LEDGER, Schema.VAULT), strict=True):
        migrate(engine, schema)
    return databases


def _quarantine(settings: Settings, incidents: Mapping[str, Incidents], now: Clock) -> Quarantine:
    return Quarantine(settings.data / QUARANTINE_FILE, incidents["decisions"], now)


def _eventing(
    settings: Settings,
    vault: Vault,
    registry: Registry,
    decisions: Decisions,
    completeness: Completeness,
    now: Clock,
) -> Eventing:
    halves = EventHalves(vault, now, os.urandom)
    services = read_services(settings.events)
    return Eventing(halves, services, registry, decisions, completeness, now)


@dataclass(frozen=True, slots=True)
class _How:
    """Who writes, what a person asked to be overlooked to see to it, and whether time is given."""

    writer: WriterConnection | None
    fork: bool
    gap: bool
    timed: bool

    def may_write(self, settings: Settings, in_place: Sequence[InPlace]) -> Callable[[], None]:
        """What is looked at before each commit."""
        marks = fork_marks(settings)

        def check() -> None:
            if not self.fork:
                marks.check()
            for each in in_place:
                each.check()

        return check

    def log_clock(self, now: Clock) -> Clock:
        """The clock of a log's entries; leaps of one that was handed in cannot be told."""
        return now if self.timed else LogClock(now)

    def writers(self, logs: Mapping[str, Sequencer], vault: Vault) -> dict[str, LogWriter]:
        """What writes to each log: another process, or this one."""
        if self.writer is not None:
            return {name: RemoteWriter(self.writer, name) for name in logs}
        return {name: GroupCommit(log, vault) for name, log in logs.items()}


def _log(
    settings: Settings,
    name: str,
    store: SqlLogStore,
    ring: KeyRing,
    clock: Clock,
    may_write: Callable[[], None],
) -> Sequencer:
    return Sequencer(
        store,
        log_lock(settings, name),
        ring.origin,
        ring,
        clock,
        cosigned=cosigned_checkpoint(settings, name),
        may_write=may_write,
    )


def _session_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) < SESSION_KEY_BYTES:  # an empty one would sign nobody in
        raise RefusedError(
            f"{path.name}: not {SESSION_KEY_BYTES} bytes; put fresh random ones there"
        )
    return key
