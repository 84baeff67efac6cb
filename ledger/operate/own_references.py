"""Whose records are a colleague's own, or of people close to them: so that a look at them shows.

Of a reference only an HMAC under a key of the vault is kept: of what the person is known by
here, together with the colleague's API key. Without the vault's key such a row meets no row
of another table, so that it tells nobody who is a customer, nor who is related to whom.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from ledger.errors import ConflictError, MalformedError
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault, microseconds
from ledger.storage.database import reading, writing
from ledger.storage.models import access_index, decision_index, own_reference

__all__ = ["MAX_REFERENCES", "OwnReferences"]

MAX_REFERENCES: Final = 200  # of one key: a family with its accounts, not a customer base
MAX_REFERENCE_CHARACTERS: Final = 200  # as a decision's subject
_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999


class OwnReferences:
    """What the holders of API keys declared, in one vault."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def declare(self, key_id: str, reference: str) -> bool:
        """Keep that a reference is the key's holder's own, or of one close; False if it was kept.

        Whether anything is held about the reference makes no difference.

        Raises:
            MalformedError: not a reference, or one too many.
        """
        tag = self._tag(key_id, reference)
        mine = own_reference.c.key_id == key_id
        values = {"key_id": key_id, "tag": tag, "declared_us": microseconds(self._clock())}
        try:
            with writing(self._vault.engine) as connection:
                kept = connection.scalars(select(own_reference.c.tag).where(mine)).all()
                if tag in map(bytes, kept):
                    return False
                if len(kept) >= MAX_REFERENCES:
                    raise MalformedError(
                        f"own references: more than {MAX_REFERENCES} of one key", member="subject"
                    )
                connection.execute(insert(own_reference).values(values))
        except ConflictError:  # somebody else declared the same just now
            return False
        return True

    def withdraw(self, key_id: str, reference: str | None = None) -> int:
        """Forget a reference of a key, or all of them; how many were kept.

        Raises:
            MalformedError: not a reference.
        """
        theirs = own_reference.c.key_id == key_id
        if reference is not None:
            theirs &= own_reference.c.tag == self._tag(key_id, reference)
        with writing(self._vault.engine) as connection:
            count = connection.scalar(select(func.count()).where(theirs)) or 0
            connection.execute(delete(own_reference).where(theirs))
        return count

    def counts(self) -> Mapping[str, int]:
        """How many references are kept of each key that has some."""
        query = select(own_reference.c.key_id, func.count()).group_by(own_reference.c.key_id)
        with reading(self._vault.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def among(
        self, key_ids: Collection[str], entry_ids: Collection[str]
    ) -> Mapping[str, frozenset[str]]:
        """Of these entries of the access log, the records that are own ones of these keys' holder.

        Entries without any are left out. Records that were erased are not known any more.
        """
        found: dict[str, set[str]] = defaultdict(set)
        with reading(self._vault.engine) as connection:
            theirs = select(own_reference.c.tag).where(own_reference.c.key_id.in_(key_ids))
            kept = frozenset(map(bytes, connection.scalars(theirs)))

            @cache
            def is_own(tag: bytes) -> bool:
                return any(self._vault.own_tag(each, tag) in kept for each in key_ids)

            for entry_id, record_id, tag in _looked_at(connection, entry_ids):
                if is_own(tag):
                    found[entry_id].add(record_id)
        return {entry_id: frozenset(records) for entry_id, records in found.items()}

    def _tag(self, key_id: str, reference: str) -> bytes:
        if not 1 <= len(reference) <= MAX_REFERENCE_CHARACTERS or not reference.isprintable():
            raise MalformedError("own references: not a reference", member="subject")
        return self._vault.own_tag(key_id, self._vault.subject_tag(reference))


def _looked_at(
    connection: Connection, entry_ids: Collection[str]
) -> Iterator[tuple[str, str, bytes]]:
    ids = sorted(set(entry_ids))
    for at in range(0, len(ids), _IDS_PER_QUERY):
        query = (
            select(access_index.c.entry_id, decision_index.c.record_id, decision_index.c.tag)
            .join(decision_index, decision_index.c.record_id == access_index.c.record_id)
            .where(access_index.c.entry_id.in_(ids[at : at + _IDS_PER_QUERY]))
            .where(decision_index.c.tag.is_not(None))
        )
        for row in connection.execute(query):
            yield row.entry_id, row.record_id, bytes(row.tag)
