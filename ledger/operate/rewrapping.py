"""Wrapping the vault's keys under another key-encryption key, and letting the old one go.

Records and their payloads stay as they are: only the outermost of three layers changes.
Small transactions, so that nobody waits; whatever was cut short is gone on with by doing
it again, since what is wrapped already says so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, Engine, Table, bindparam, func, select, text, update

from ledger.errors import ConflictError, NotFoundError
from ledger.operate.kek_file import Kept
from ledger.operate.kek_ring import KekRing
from ledger.operate.key_wrapper import KEY_ID_BYTES, KeyWrapper, prefix_of
from ledger.storage.database import reading, writing
from ledger.storage.models import event_half, subject_key, tenant_key

__all__ = ["Progress", "Wrapped", "retire", "rewrap", "wrapped_under"]

Progress = Callable[[int, int], None]
"""Told how many keys were looked at, and how many there are."""

_KEYS_PER_STEP: Final = 500  # one transaction; some 10 ms, for which a batch may have to wait
_PREFIX_BYTES: Final = 1 + KEY_ID_BYTES
# What each table's keys are bound to is the name that they are found by.
_TABLES: Final = (
    (tenant_key, tenant_key.c.name),
    (subject_key, subject_key.c.id),
    (event_half, event_half.c.key_id),
)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """How many of the vault's keys are wrapped under one key-encryption key, by its id."""

    key_id: str
    count: int


def wrapped_under(vault: Engine) -> tuple[Wrapped, ...]:
    """The key-encryption keys that the vault's keys are wrapped under. Reads all of them."""
    found: dict[str, int] = {}
    with reading(vault) as connection:
        for table, _ in _TABLES:
            begin = func.substr(table.c.wrapped, 1, _PREFIX_BYTES)
            for prefix, count in connection.execute(select(begin, func.count()).group_by(begin)):
                key_id = bytes(prefix)[1:].hex()
                found[key_id] = found.get(key_id, 0) + count
    return tuple(Wrapped(key_id, count) for key_id, count in sorted(found.items()))


def rewrap(vault: Engine, wrapper: KeyWrapper, on_progress: Progress | None = None) -> int:
    """Wrap whatever is not under the key in force under it; return how many were changed.

    Raises:
        KeyUnknown: something is wrapped under a key that is not here.
        VerificationError: something was changed since it was wrapped.
        PushbackError: the database or a key service does not answer; do it again.
    """
    with reading(vault) as connection:
        total = sum(
            connection.scalar(select(func.count()).select_from(table)) or 0 for table, _ in _TABLES
        )
    seen = changed = 0
    for table, name in _TABLES:
        change = (
            update(table)
            # A key that was destroyed meanwhile stays destroyed.
            .where(name == bindparam("theirs"), table.c.wrapped == bindparam("before"))
            .values(wrapped=bindparam("after"))
        )
        for rows in _steps(vault, table, name):
            values = [
                {
                    "theirs": row_name,
                    "before": wrapped,
                    "after": wrapper.wrap(wrapper.unwrap(wrapped, row_name), row_name),
                }
                for row_name, wrapped in rows
                if not wrapper.is_current(wrapped)
            ]
            if values:
                with writing(vault) as connection:
                    connection.execute(change, values)
            changed += len(values)
            seen += len(rows)
            if on_progress is not None:
                on_progress(seen, total)
    return changed


def retire(vault: Engine, ring: KekRing, key_id: str) -> Kept:
    """Take a key-encryption key out of the ring if nothing is wrapped under it any more.

    Raises:
        NotFoundError: there is no such key.
        ConflictError: it is in force, or something is still wrapped under it.
        PushbackError: the database does not answer.
    """
    if all(kept.id != key_id for kept in ring.kept()):
        raise NotFoundError(f"key-encryption key {key_id}: there is none of this id")
    with _nobody_adds(vault) as connection:
        under = sum(_count(connection, table, key_id) for table, _ in _TABLES)
        if under:
            raise ConflictError(
                f"key-encryption key {key_id}: {under:,} keys of the vault are wrapped under it;"
                " run decision-ledger vault rotate-key, which goes on with what was begun"
            )
        return ring.retire(key_id)


@contextmanager
def _nobody_adds(vault: Engine) -> Iterator[Connection]:
    """Keep out what would add keys: it then asks whether its key-encryption key is still kept."""
    with writing(vault) as connection:  # on SQLite this is enough
        if vault.name == "postgresql":
            tables = ", ".join(table.name for table, _ in _TABLES)
            connection.execute(text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))
        yield connection


def _count(connection: Connection, table: Table, key_id: str) -> int:
    begin = func.substr(table.c.wrapped, 1, _PREFIX_BYTES)
    query = select(func.count()).select_from(table).where(begin == prefix_of(key_id))
    return connection.scalar(query) or 0


def _steps(vault: Engine, table: Table, name: Column[str]) -> Iterator[list[tuple[str, bytes]]]:
    """The keys of a table with the names that they are found by, some at a time."""
    query, after = select(name, table.c.wrapped).order_by(name).limit(_KEYS_PER_STEP), ""
    while True:
        with reading(vault) as connection:
            found = connection.execute(query.where(name > after)).all()
        if not found:
            return
        yield [(str(row[0]), bytes(row[1])) for row in found]
        after = found[-1][0]
