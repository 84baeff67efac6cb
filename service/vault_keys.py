"""The key-encryption keys of the vault: where they are, and rotating them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from ledger.errors import NotFoundError
from ledger.operate.kek_file import Encrypted, Kept, KeyFile, Plain
from ledger.operate.kek_ring import KekRing, Protection
from ledger.operate.rewrapping import Progress, retire, rewrap, wrapped_under
from ledger.private_files import write_new
from ledger.storage.database import Schema, migrate, open_database
from service.settings import Settings

__all__ = [
    "KekState",
    "kek_ring",
    "kek_states",
    "missing_keks",
    "protect",
    "protection",
    "retire_kek",
    "rotate_kek",
]


@dataclass(frozen=True, slots=True)
class KekState:
    """One key-encryption key.

    Attributes:
        id: its id, which is in everything that is wrapped under it.
        in_force: whether what is new is wrapped under it.
        place: how it is kept, in words; "" if it is not here.
        count: how many keys of the vault are wrapped under it.
    """

    id: str
    in_force: bool
    place: str
    count: int


def protection(settings: Settings) -> Protection:
    """How the settings say that new key-encryption keys are kept."""
    return Protection(settings.vault_passphrase, settings.vault_key_service)


def kek_ring(settings: Settings) -> KekRing:
    """The key-encryption keys of the vault that the settings name.

    Raises:
        LedgerError: there is no file, or its keys do not open.
    """
    return KekRing(settings.kek_path, protection(settings))


def kek_states(settings: Settings) -> tuple[KekState, ...]:
    """Every key-encryption key that is here, or that something is wrapped under."""
    kept = KeyFile.read(settings.kek_path).keys
    with _vault(settings) as engine:
        under = {each.key_id: each.count for each in wrapped_under(engine)}
    here = [
        KekState(each.id, at == 0, _place(each), under.pop(each.id, 0))
        for at, each in enumerate(kept)
    ]
    return (*here, *(KekState(key_id, False, "", count) for key_id, count in under.items()))


def missing_keks(settings: Settings) -> tuple[KekState, ...]:
    """The key-encryption keys that something is wrapped under and that are not here.

    Raises:
        RefusedError: the file does not hold keys.
    """
    try:
        return tuple(each for each in kek_states(settings) if not each.place)
    except NotFoundError:
        with _vault(settings) as engine:
            under = wrapped_under(engine)
        return tuple(KekState(each.key_id, False, "", each.count) for each in under)


def rotate_kek(settings: Settings, on_progress: Progress | None = None) -> tuple[str, int]:
    """Put a new key in force and wrap everything under it; or go on with that, if it was begun.

    Returns the id of the key in force, and how many keys were wrapped anew.

    Raises:
        LedgerError: a key does not open, or the database or key service does not answer.
    """
    ring = kek_ring(settings)
    with _vault(settings) as engine:
        in_force = ring.kept()[0].id
        left = sum(each.count for each in wrapped_under(engine) if each.key_id != in_force)
        if not left:
            in_force = ring.rotate()
        return in_force, rewrap(engine, ring, on_progress)


def retire_kek(settings: Settings, key_id: str, keep: Path | None) -> None:
    """Take a key out of the file; with `keep`, it is written there first, as it was kept.

    Raises:
        ConflictError: something is wrapped under it, or it is in force, or `keep` exists.
        NotFoundError: there is no such key.
    """
    ring = kek_ring(settings)
    if keep is not None:
        found = [each for each in ring.kept() if each.id == key_id]
        if not found:
            raise NotFoundError(f"key-encryption key {key_id}: there is none of this id")
        write_new(keep, KeyFile((found[0],)).format())
    try:
        with _vault(settings) as engine:
            retire(engine, ring, key_id)
    except BaseException:
        if keep is not None:  # it is still where it was
            keep.unlink()
        raise


def protect(settings: Settings, new: Protection) -> int:
    """Keep every key-encryption key in another way; returns how many there are.

    Raises:
        LedgerError: a key does not open, or the key service does not answer.
    """
    return kek_ring(settings).protect(new)


@contextmanager
def _vault(settings: Settings) -> Iterator[Engine]:
    engine = open_database(settings.vault_url)
    try:
        migrate(engine, Schema.VAULT)
        yield engine
    finally:
        engine.dispose()


def _place(kept: Kept) -> str:
    if isinstance(kept, Plain):
        return "as it is, behind the file's mode alone"
    if isinstance(kept, Encrypted):
        return "encrypted under the passphrase"
    return f"encrypted by the key service {kept.address}"
