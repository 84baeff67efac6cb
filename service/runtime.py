"""The running ledger: everything built once from the settings, and handed to every door."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine

from ledger.errors import NotFoundError, RefusedError, VerificationError
from ledger.operate.access_log import AccessLog
from ledger.operate.attributions import LaterAttributions
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.completeness import Completeness
from ledger.operate.cose_receipts import CoseReceipts
from ledger.operate.credentials import ApiKeys
from ledger.operate.decisions import Decisions
from ledger.operate.erasing import Erasing
from ledger.operate.event_halves import EventHalves
from ledger.operate.fork_marks import ForkMarks
from ledger.operate.group_commit import GroupCommit
from ledger.operate.holds import Holds
from ledger.operate.incidents import Incidents
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_wrapper import KeyUnknown
from ledger.operate.log_writer import LogWriter
from ledger.operate.registry import Registry
from ledger.operate.retention import Retention
from ledger.operate.sequencer import Sequencer
from ledger.operate.timestamps import KeptTimestamps
from ledger.operate.vault import Vault, is_new
from ledger.operate.vault_standing import VaultGap, find_gap
from ledger.operate.writer_client import RemoteWriter, WriterConnection
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.note import VerifierKey
from service.event_services import read_services
from service.eventing import Eventing
from service.explaining import Explaining
from service.reporting import Reporting
from service.settings import Settings
from service.vault_keys import kek_ring

__all__ = [
    "LOGS",
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
SEALED_IN_VAULT: Final = "access"  # the log whose payloads are in the vault, not beside it
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


def _vault(settings: Settings, engine: Engine, now: Clock) -> Vault:
    ring = kek_ring(settings)
    try:
        return Vault(engine, ring, now, os.urandom)
    except KeyUnknown as error:
        raise VerificationError(
            f"start-up: {settings.kek_path.name} is not the file of keys that the vault was"
            f" written with ({error}); bring back the one that has that key"
        ) from error
    except VerificationError as error:
        raise VerificationError(
            f"start-up: the vault was changed, or is not the one of {settings.kek_path.name};"
            " bring back the two that belong together"
        ) from error


def _incidents(
    logs: Mapping[str, Sequencer], writers: Mapping[str, LogWriter], vault: Vault, now: Clock
) -> dict[str, Incidents]:
    return {
        name: Incidents(
            log, writers[name], vault, now, os.urandom, sealed_in_vault=name == SEALED_IN_VAULT
        )
        for name, log in logs.items()
    }


@dataclass(frozen=True, slots=True)
class Runtime:
    """One ledger, taken up. Its parts are safe to share between threads."""

    settings: Settings
    clock: Clock
    logs: Mapping[str, Sequencer]
    writers: Mapping[str, LogWriter]
    keys: Mapping[str, KeyRing]
    registry: Registry
    decisions: Decisions
    attributions: LaterAttributions
    access_log: AccessLog
    cose: Mapping[str, CoseReceipts]
    api_keys: ApiKeys
    completeness: Completeness
    incidents: Mapping[str, Incidents]
    erasing: Erasing
    holds: Holds
    explaining: Explaining
    eventing: Eventing
    reporting: Reporting
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
        how = _How(writer, fork=despite_fork, gap=despite_gap)
        try:
            return cls._take_up(settings, clock or system_clock, how, databases)
        except BaseException:
            for engine in databases:
                engine.dispose()
            raise

    @classmethod
    def _take_up(
        cls, settings: Settings, now: Clock, how: "_How", databases: tuple[Engine, Engine]
    ) -> Self:
        engine, vault_engine = databases
        migrate(engine, Schema.LEDGER)
        migrate(vault_engine, Schema.VAULT)
        store = SqlLogStore(engine)
        keys = {name: log_keys(settings, name, now) for name in LOGS}
        may_write = _anything if how.fork else fork_marks(settings).check
        logs = {
            name: _log(settings, name, store, ring, now, may_write) for name, ring in keys.items()
        }
        if not how.gap:
            _check_vault(store, logs, vault_engine)
        vault = _vault(settings, vault_engine, now)
        writers = how.writers(logs, vault)
        log, writer = logs["decisions"], writers["decisions"]
        registry = Registry(engine, log, writer, settings.artefacts_dir, now, os.urandom)
        decisions = Decisions(log, writer, vault, registry, now, os.urandom)
        attributions = LaterAttributions(log, writer, vault, now, os.urandom)
        explaining = Explaining(registry, decisions, attributions)
        completeness = Completeness(log, writer, vault)
        eventing = Eventing(
            EventHalves(vault, now, os.urandom),
            read_services(settings.events), registry, decisions, completeness, now,
        )  # fmt: skip
        return cls(
            settings=settings,
            clock=now,
            logs=logs,
            writers=writers,
            keys=keys,
            registry=registry,
            decisions=decisions,
            attributions=attributions,
            access_log=AccessLog(logs["access"], writers["access"], vault, now, os.urandom),
            cose={name: CoseReceipts(log, keys[name].cose_signer) for name, log in logs.items()},
            api_keys=ApiKeys(engine, now, os.urandom),
            completeness=completeness,
            incidents=_incidents(logs, writers, vault, now),
            erasing=Erasing(log, writer, vault, engine, now, os.urandom),
            holds=Holds(log, writer, vault, now, os.urandom),
            explaining=explaining,
            eventing=eventing,
            reporting=Reporting(settings, registry, decisions, attributions),
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


@dataclass(frozen=True, slots=True)
class _How:
    """Who writes, and what a person asked to be overlooked in order to see to it."""

    writer: WriterConnection | None
    fork: bool
    gap: bool

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
    now: Clock,
    may_write: Callable[[], None],
) -> Sequencer:
    return Sequencer(
        store,
        log_lock(settings, name),
        ring.origin,
        ring,
        now,
        cosigned=cosigned_checkpoint(settings, name),
        may_write=may_write,
    )


def _anything() -> None:
    """Nothing keeps the writer from writing."""


def vault_gaps(
    store: SqlLogStore, logs: Mapping[str, Sequencer], vault: Engine
) -> Mapping[str, VaultGap]:
    """What the vault does not know, by log; tombstones after that are in effect then."""
    found = {}
    for name, log in logs.items():
        inside = name == SEALED_IN_VAULT
        gap = find_gap(store, log.origin, log.size(), vault, sealed_in_vault=inside, replay=True)
        if gap is not None:
            found[name] = gap
    return found


def _check_vault(store: SqlLogStore, logs: Mapping[str, Sequencer], vault: Engine) -> None:
    """Return if the vault knows the newest records; tombstones after them are in effect then.

    Raises:
        RefusedError: it does not: it is empty, another, or an older one.
    """
    gaps = vault_gaps(store, logs, vault)
    if gaps:
        what = "is empty" if is_new(vault) else "is older than the logs, or another one"
        raise RefusedError(
            f"start-up: the vault {what}: {'; '.join(map(str, gaps.values()))}. All of these"
            " would read as erased. Correct LEDGER_VAULT_URL or restore a newer backup of the"
            " vault; if there is none, decision-ledger incident vault-lost records the loss and"
            " goes on"
        )


def _session_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) < SESSION_KEY_BYTES:  # an empty one would sign nobody in
        raise RefusedError(
            f"{path.name}: not {SESSION_KEY_BYTES} bytes; put fresh random ones there"
        )
    return key
