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
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.completeness import Completeness
from ledger.operate.cose_receipts import CoseReceipts
from ledger.operate.credentials import ApiKeys
from ledger.operate.decisions import Decisions
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_wrapper import LocalKeyWrapper
from ledger.operate.registry import Registry
from ledger.operate.retention import Retention
from ledger.operate.sequencer import Sequencer
from ledger.operate.timestamps import KeptTimestamps
from ledger.operate.vault import Vault, is_new
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.note import VerifierKey
from service.explaining import Explaining
from service.reporting import Reporting
from service.settings import Settings

__all__ = [
    "LOGS",
    "Clock",
    "Runtime",
    "cosigned_checkpoint",
    "kept_timestamps",
    "log_keys",
    "log_lock",
    "log_retention",
    "system_clock",
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


def _vault(settings: Settings, engine: Engine, now: Clock) -> Vault:
    wrapper = LocalKeyWrapper.load(settings.kek_path)
    try:
        return Vault(engine, wrapper, now, os.urandom)
    except VerificationError as error:
        raise VerificationError(
            f"start-up: {settings.kek_path.name} is not the key that the vault was written"
            " with, or the vault was changed; bring back the two that belong together"
        ) from error


@dataclass(frozen=True, slots=True)
class Runtime:
    """One ledger, taken up. Its parts are safe to share between threads."""

    settings: Settings
    clock: Clock
    logs: Mapping[str, Sequencer]
    keys: Mapping[str, KeyRing]
    registry: Registry
    decisions: Decisions
    access_log: AccessLog
    cose: Mapping[str, CoseReceipts]
    api_keys: ApiKeys
    completeness: Completeness
    explaining: Explaining
    reporting: Reporting
    session_key: bytes
    databases: tuple[Engine, ...]

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """Take up the ledger that `found` made.

        Raises:
            NotFoundError: there is none.
            LedgerError: the start-up rule forbids it, or a key does not open.
        """
        if not settings.policy_path.is_file():
            make = f"tenant add {settings.tenant}" if settings.tenant else "init"
            raise NotFoundError(
                f"there is no ledger in {settings.data}; make one with: decision-ledger {make}"
            )
        databases = (open_database(settings.database_url), open_database(settings.vault_url))
        try:
            return cls._take_up(settings, clock or system_clock, *databases)
        except BaseException:
            for engine in databases:
                engine.dispose()
            raise

    @classmethod
    def _take_up(cls, settings: Settings, now: Clock, engine: Engine, vault_engine: Engine) -> Self:
        migrate(engine, Schema.LEDGER)
        migrate(vault_engine, Schema.VAULT)
        store = SqlLogStore(engine)
        keys = {name: log_keys(settings, name, now) for name in LOGS}
        logs = {
            name: Sequencer(
                store,
                log_lock(settings, name),
                ring.origin,
                ring,
                now,
                cosigned=cosigned_checkpoint(settings, name),
            )
            for name, ring in keys.items()
        }
        if is_new(vault_engine) and any(log.size() > 1 for log in logs.values()):
            raise RefusedError(
                "start-up: the logs hold records, but the vault is empty: correct its address or"
                " restore it; if it is lost for good, docs/operating.md says how to go on"
            )
        vault = _vault(settings, vault_engine, now)
        registry = Registry(engine, logs["decisions"], settings.artefacts_dir, now, os.urandom)
        decisions = Decisions(logs["decisions"], vault, registry, now, os.urandom)
        explaining = Explaining(registry, decisions)
        return cls(
            settings=settings,
            clock=now,
            logs=logs,
            keys=keys,
            registry=registry,
            decisions=decisions,
            access_log=AccessLog(logs["access"], vault, now, os.urandom),
            cose={name: CoseReceipts(log, keys[name].cose_signer) for name, log in logs.items()},
            api_keys=ApiKeys(engine, now, os.urandom),
            completeness=Completeness(logs["decisions"]),
            explaining=explaining,
            reporting=Reporting(settings, registry, decisions),
            session_key=_session_key(settings.session_key_path),
            databases=(engine, vault_engine),
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

    def close(self) -> None:
        """Let go of the databases; the runtime is not used after this."""
        for engine in self.databases:
            engine.dispose()


def _session_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) < SESSION_KEY_BYTES:  # an empty one would sign nobody in
        raise RefusedError(
            f"{path.name}: not {SESSION_KEY_BYTES} bytes; put fresh random ones there"
        )
    return key
