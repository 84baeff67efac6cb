"""Destroying records: everything that refers to a decision goes with it, and is then missed.

What destroys is `tombstones.forget` and `delete_sealed`, the code that replays tombstones
after a restore. Doing any of it again changes nothing.
"""

from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import Connection, Engine, select

from ledger.entries import Entry, parse_entry
from ledger.errors import VerificationError
from ledger.operate.tombstones import delete_sealed, forget
from ledger.operate.vault_standing import RECORD_KINDS
from ledger.storage.database import reading
from ledger.storage.models import (
    access_detail,
    decision_index,
    log,
    log_entry,
    log_reference,
    record_key,
    sealed_payload,
)

__all__ = ["attached_to", "check_destroyed", "destroy"]

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999


def attached_to(ledger: Engine, origin: str, record_ids: Collection[str]) -> frozenset[str]:
    """The records that were attached to these, to those that were attached to them, and so on.

    Explanations, notices, later attributions, corrections, reviews: every entry that refers
    to one of them and commits to something sealed.
    """
    found: set[str] = set()
    asked = set(record_ids)
    new: Collection[str] = asked
    with reading(ledger) as connection:
        while new:
            attached = {entry.id for entry in _referring(connection, origin, new)}
            new = attached - found - asked
            found |= new
    return frozenset(found)


def destroy(vault: Engine, ledger: Engine, record_ids: Collection[str]) -> None:
    """Destroy keys, index rows, details and payloads of these records.

    Keys go first: without them the payload is noise, whatever comes between.

    Raises:
        LedgerError: the database's role may not delete them.
    """
    forget(vault, record_ids)
    delete_sealed(ledger, record_ids)


def check_destroyed(vault: Engine, ledger: Engine, record_ids: Collection[str]) -> None:
    """Return if none of these records can be opened or found any more: the self-test.

    Opening one takes its key and its payload, and each is looked for by itself.

    Raises:
        VerificationError: something of one of them is still there.
    """
    for ids in _chunks(record_ids):
        for engine, tables in (
            (vault, (record_key, decision_index, access_detail)),
            (ledger, (sealed_payload,)),
        ):
            with reading(engine) as connection:
                for table in tables:
                    query = select(table.c.record_id).where(table.c.record_id.in_(ids)).limit(1)
                    if connection.scalar(query) is not None:
                        raise VerificationError(
                            f"erasure: a row of {table.name} is still there after it was deleted"
                        )


def _referring(connection: Connection, origin: str, ids: Collection[str]) -> Iterator[Entry]:
    """The entries with something sealed that refer to one of these."""
    log_id = connection.scalar(select(log.c.id).where(log.c.origin == origin))
    theirs = log_reference.c.log_id == log_id
    for some in _chunks(ids):
        # Places first: one tombstone is the answer to a thousand ids, and is long.
        query = select(log_reference.c.seq).where(theirs, log_reference.c.reference.in_(some))
        places = sorted(set(connection.scalars(query)))
        for at in range(0, len(places), _IDS_PER_QUERY):
            raw = select(log_entry.c.entry).where(
                log_entry.c.log_id == log_id,
                log_entry.c.seq.in_(places[at : at + _IDS_PER_QUERY]),
            )
            for entry in map(parse_entry, map(bytes, connection.scalars(raw))):
                if entry.body.kind in RECORD_KINDS:
                    yield entry


def _chunks(record_ids: Collection[str]) -> Iterator[list[str]]:
    ids = sorted(record_ids)
    for at in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[at : at + _IDS_PER_QUERY]
