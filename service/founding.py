"""Founding a ledger: keys, databases, the first entry of each log, and what to hand out.

Done once, by `decision-ledger init`. Nothing is overwritten: founding again where a
ledger stands is refused, and founding that was cut short is taken up where it stopped.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import ConflictError
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.kek_ring import KekRing
from ledger.operate.key_ring import KeyRing
from ledger.operate.keys import LogKeys
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault
from ledger.private_files import private_directory, write_new
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.policy import Log, Policy
from service.runtime import (
    LOGS,
    SESSION_KEY_BYTES,
    Clock,
    check_restored,
    log_keys,
    log_lock,
    system_clock,
)
from service.settings import Settings
from service.vault_keys import kek_ring, protection

__all__ = ["found"]

SOFTWARE: Final = "decision-ledger/0.1.0"


Beginning = Callable[[Mapping[str, Sequencer], Vault, Clock], None]
"""What is written behind the first entry of each log before the ledger counts as founded."""


def found(
    settings: Settings, clock: Clock | None = None, *, beginning: Beginning | None = None
) -> None:
    """Make a ledger in `settings.data`; `beginning` writes what has to come first in it.

    Raises:
        ConflictError: there is one already; nothing was changed.
        LedgerError: a database or directory cannot be used, or a log stands here that these
            keys may not continue.
    """
    now = clock or system_clock
    if settings.policy_path.exists():
        raise ConflictError(f"there is a ledger already in {settings.data}")
    check_restored(settings)
    private_directory(settings.data)
    _remember_origin(settings)
    _ensure(settings.session_key_path, secrets.token_bytes(SESSION_KEY_BYTES))
    if not settings.kek_path.exists():
        KekRing.create(settings.kek_path, protection(settings))
    keks = kek_ring(settings)
    listed: list[Log] = []
    with (
        _database(settings.vault_url, Schema.VAULT) as vault_engine,
        _database(settings.database_url, Schema.LEDGER) as engine,
    ):
        # Makes its first keys, or tries those it has, before anything is signed.
        vault = Vault(vault_engine, keks, now, os.urandom)
        keys = {name: _keys(settings, name, now) for name in LOGS}
        store = SqlLogStore(engine)
        logs = {
            name: _begin_log(store, log_lock(settings, name), ring, now)
            for name, ring in keys.items()
        }
        if beginning is not None:
            beginning(logs, vault, now)
        for name, ring in keys.items():
            listed += map(Log, ring.verifier_keys(logs[name].own_checkpoint()))
    # Written last: its presence says that founding was finished.
    _ensure(settings.policy_path, Policy(tuple(listed)).format().encode())


@contextmanager
def _database(url: str, schema: Schema) -> Iterator[Engine]:
    """The database with its newest schema, let go of at the end."""
    engine = open_database(url)
    try:
        migrate(engine, schema)
        yield engine
    finally:
        engine.dispose()


def _begin_log(
    store: SqlLogStore, lock: FileCheckpointLock, keys: KeyRing, clock: Clock
) -> Sequencer:
    """The log with its first entry; if it stands already, these keys may continue it."""
    if store.head(keys.origin) is not None:
        return Sequencer(store, lock, keys.origin, keys, clock)
    entry_id = uuid7(int(clock().timestamp() * 1000), os.urandom(UUID7_RANDOM_BYTES))
    return Sequencer.create(
        store, lock, keys.origin, keys, clock, entry_id=entry_id, software=SOFTWARE
    )


def _keys(settings: Settings, name: str, clock: Clock) -> KeyRing:
    directory = settings.keys_dir / name
    if not KeyRing.is_at(directory):
        LogKeys.generate(directory, settings.log_origin(name), settings.key_passphrase)
    return log_keys(settings, name, clock)


def _remember_origin(settings: Settings) -> None:
    _ensure(settings.origin_path, f"{settings.origin}\n".encode())
    if settings.origin_path.read_text("utf-8").strip() != settings.origin:
        raise ConflictError("founding was begun under another origin; use that one")


def _ensure(path: Path, content: bytes) -> None:
    """Write the file for its owner only, unless it is there."""
    with suppress(FileExistsError):
        write_new(path, content)
