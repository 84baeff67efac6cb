"""Founding a ledger: keys, databases, the first entry of each log, and what to hand out.

Done once, by `decision-ledger init`. Nothing is overwritten: founding again where a
ledger stands is refused, and founding that was cut short is taken up where it stopped.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import ConflictError
from ledger.operate.key_wrapper import LocalKeyWrapper
from ledger.operate.keys import LogKeys
from ledger.operate.sequencer import Sequencer
from ledger.storage.database import FILE_MODE, Schema, migrate, open_database, private_directory
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.policy import Log, Policy
from service.runtime import LOGS, Clock, log_lock, system_clock
from service.settings import Settings

__all__ = ["found"]

SESSION_KEY_BYTES: Final = 32
SOFTWARE: Final = "decision-ledger/0.1.0"


def found(settings: Settings, clock: Clock | None = None) -> None:
    """Make a ledger in `settings.data`.

    Raises:
        ConflictError: there is one already; nothing was changed.
        LedgerError: a database or directory cannot be used.
    """
    now = clock or system_clock
    if settings.policy_path.exists():
        raise ConflictError(f"there is a ledger already in {settings.data}")
    private_directory(settings.data)
    _remember_origin(settings)
    _ensure(settings.session_key_path, secrets.token_bytes(SESSION_KEY_BYTES))
    if not settings.kek_path.exists():
        LocalKeyWrapper.create(settings.kek_path)
    migrate(open_database(settings.vault_url), Schema.VAULT)
    engine = open_database(settings.database_url)
    migrate(engine, Schema.LEDGER)
    store = SqlLogStore(engine)
    keys = {name: _keys(settings, name) for name in LOGS}
    for name, pair in keys.items():
        if store.head(pair.origin) is None:
            Sequencer.create(
                store,
                log_lock(settings, name),
                pair.origin,
                pair.signers(now),
                now,
                entry_id=uuid7(int(now().timestamp() * 1000), os.urandom(UUID7_RANDOM_BYTES)),
                software=SOFTWARE,
            )
    # Written last: its presence says that founding was finished.
    listed = [Log(key) for pair in keys.values() for key in pair.verifier_keys(now)]
    _ensure(settings.policy_path, Policy(tuple(listed)).format().encode())


def _keys(settings: Settings, name: str) -> LogKeys:
    directory, origin = settings.keys_dir / name, settings.log_origin(name)
    if directory.exists():
        return LogKeys.load(directory, origin, settings.key_passphrase)
    return LogKeys.generate(directory, origin, settings.key_passphrase)


def _remember_origin(settings: Settings) -> None:
    _ensure(settings.origin_path, f"{settings.origin}\n".encode())
    if settings.origin_path.read_text("utf-8").strip() != settings.origin:
        raise ConflictError("founding was begun under another origin; use that one")


def _ensure(path: Path, content: bytes) -> None:
    """Write the file for its owner only, unless it is there."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
