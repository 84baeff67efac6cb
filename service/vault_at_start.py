"""The vault as a ledger is taken up: its keys open, and it belongs to these logs."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from ledger.errors import RefusedError, VerificationError
from ledger.operate.key_wrapper import KeyUnknown
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault, is_new
from ledger.operate.vault_standing import VaultGap, find_gap
from ledger.storage.sql_log_store import SqlLogStore
from service.settings import Settings
from service.vault_keys import kek_ring

__all__ = ["SEALED_IN_VAULT", "check_vault", "opened_vault", "vault_gaps"]

SEALED_IN_VAULT: Final = "access"  # the log whose payloads are in the vault, not beside it


def opened_vault(settings: Settings, engine: Engine, now: Callable[[], datetime]) -> Vault:
    """The vault in this database.

    Raises:
        VerificationError: its keys do not open it, or it was changed.
        LedgerError: there are no keys, or they do not open.
    """
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


def check_vault(store: SqlLogStore, logs: Mapping[str, Sequencer], vault: Engine) -> None:
    """Return if the vault knows the newest records; tombstones after them are in effect then.

    Raises:
        RefusedError: it does not: it is empty, another, or an older one.
    """
    gaps = vault_gaps(store, logs, vault)
    if gaps:
        what = "is empty" if is_new(vault) else "is older than the logs, or another one"
        raise RefusedError(
            f"start-up: the vault {what}: {'; '.join(map(str, gaps.values()))}. All of these"
            " would read as erased; receipts and the logs verify as before. Correct"
            " LEDGER_VAULT_URL or restore a newer backup of the vault. decision-ledger vault check"
            " says exactly what is lost and what still holds; if there is no newer backup,"
            " decision-ledger incident vault-lost records the loss and goes on"
        )
