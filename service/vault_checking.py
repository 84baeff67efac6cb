"""Checking the vault against both logs: what it holds of their records. Nothing is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine

from ledger.errors import ErasedError
from ledger.operate.vault import Vault, is_new
from ledger.operate.vault_report import Holding, Opens, holdings
from ledger.sealing import unseal
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from service.runtime import LOGS, SEALED_IN_VAULT, Clock, system_clock
from service.settings import Settings
from service.vault_keys import kek_ring

__all__ = ["checked_vault"]

_STEP = 1_000  # entries of one read


def checked_vault(
    settings: Settings, *, opening: bool = False, clock: Clock | None = None
) -> dict[str, tuple[Holding, ...]]:
    """What the vault holds of each log's records; with `opening`, each of them is opened.

    Raises:
        LedgerError: a database does not answer; with `opening`, also that there is no key.
    """
    with (
        _opened(settings.database_url, Schema.LEDGER) as ledger,
        _opened(settings.vault_url, Schema.VAULT) as engine,
    ):
        store = SqlLogStore(ledger)
        vault = None
        if opening and not is_new(engine):  # a new one would be given its first keys
            vault = Vault(engine, kek_ring(settings), clock or system_clock, os.urandom)
        found = {}
        for name in LOGS:
            origin = settings.log_origin(name)
            found[name] = holdings(
                partial(_entries, store, origin),
                engine,
                None if name == SEALED_IN_VAULT else ledger,
                None if vault is None else _opens(store, origin, vault),
            )
        return found


def _opens(store: SqlLogStore, origin: str, vault: Vault) -> Opens:
    inside = origin.endswith(f"/{SEALED_IN_VAULT}")

    def opens(record_id: str) -> object:
        sealed = vault.detail(record_id) if inside else store.sealed(record_id)
        if sealed is None:
            raise ErasedError("the payload is gone")
        return unseal(vault.key(record_id), origin, record_id, sealed)

    return opens


def _entries(store: SqlLogStore, origin: str) -> Iterator[bytes]:
    start = 0
    while some := store.entries(origin, start, _STEP):
        yield from (each.entry for each in some)
        start += len(some)


@contextmanager
def _opened(url: str, schema: Schema) -> Iterator[Engine]:
    engine = open_database(url)
    try:
        migrate(engine, schema)
        yield engine
    finally:
        engine.dispose()
