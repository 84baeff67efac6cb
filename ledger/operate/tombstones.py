"""Tombstones: which records the logs say are gone, and putting that into effect again.

A restored database brings back what was erased after it was backed up. The log knows:
its `erased` and `expired` entries name the records. They are replayed before a restored
ledger serves, and at every start as far as the newest record.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from sqlalchemy import Connection, Engine, delete, select

from ledger.entries import Entry, Erased, Expired, parse_entry
from ledger.storage.database import reading, writing
from ledger.storage.models import (
    access_detail,
    access_index,
    decision_index,
    record_key,
    sealed_payload,
    subject_key,
)

__all__ = ["MARKS", "delete_sealed", "entombed", "forget", "forget_looks", "tombstones"]

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
MARKS: Final = (b'"kind":"erased"', b'"kind":"expired"')
"""What every tombstone's canonical JSON holds: spares parsing all the others."""


def entombed(entry: Entry) -> tuple[str, ...]:
    """The records that an entry says are gone: () for all but tombstones."""
    return entry.body.records if isinstance(entry.body, Erased | Expired) else ()


def tombstones(entries: Iterable[bytes]) -> Iterator[str]:
    """The records that the tombstones among the entries name, in their order."""
    for raw in entries:
        if any(mark in raw for mark in MARKS):
            yield from entombed(parse_entry(raw))


def forget(vault: Engine, record_ids: Collection[str]) -> int:
    """Destroy what the vault knows of these records; return how many it still knew.

    A key of a data subject that no record is left under goes as well. Expects that nobody
    writes to the vault meanwhile.
    """
    known = 0
    for ids in _chunks(record_ids):
        theirs = select(record_key.c.record_id).where(record_key.c.record_id.in_(ids))
        with reading(vault) as connection:
            found = connection.scalars(theirs).all()
        if found:
            with writing(vault) as connection:
                _forget(connection, found)
        known += len(found)
    return known


def delete_sealed(ledger: Engine, record_ids: Collection[str]) -> int:
    """Delete the sealed payloads of these records; return how many were there.

    Raises:
        LedgerError: the database's role may not delete them, and there are some.
    """
    deleted = 0
    for ids in _chunks(record_ids):
        theirs = sealed_payload.c.record_id.in_(ids)
        with reading(ledger) as connection:
            found = connection.scalars(select(sealed_payload.c.record_id).where(theirs)).all()
        if found:  # a service's role need not have the right to what it never does
            with writing(ledger) as connection:
                connection.execute(delete(sealed_payload).where(theirs))
        deleted += len(found)
    return deleted


def forget_looks(connection: Connection, ids: Collection[str]) -> None:
    """Delete which looks were at one of these records, or are one of these entries."""
    for column in (access_index.c.record_id, access_index.c.entry_id):
        connection.execute(delete(access_index).where(column.in_(ids)))


def _forget(connection: Connection, ids: Collection[str]) -> None:
    theirs = select(record_key.c.key_id).where(record_key.c.record_id.in_(ids))
    holders = set(connection.scalars(theirs))
    for table in (access_detail, decision_index, record_key):
        connection.execute(delete(table).where(table.c.record_id.in_(ids)))
    forget_looks(connection, ids)
    in_use = connection.scalars(
        select(record_key.c.key_id).where(record_key.c.key_id.in_(holders)).distinct()
    )
    connection.execute(delete(subject_key).where(subject_key.c.id.in_(holders - set(in_use))))


def _chunks(record_ids: Collection[str]) -> Iterator[list[str]]:
    ids = sorted(set(record_ids))
    for at in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[at : at + _IDS_PER_QUERY]
