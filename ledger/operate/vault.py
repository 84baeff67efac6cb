"""The vault: the keys that open records, and the index by which people are found.

Another database than the log's, with its own backups, in which everything can be
deleted. Each record has its own random key, wrapped under a key that belongs to one
data subject, wrapped under the key-encryption key. A subject is known here by
an HMAC of the reference that the operator uses, never by the reference.

Keys are kept *before* the log's commit, so that no logged record is without its key;
what a crash leaves behind of records that never reached the log is swept away.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import ErasedError
from ledger.operate.key_wrapper import KeyWrapper, Random
from ledger.sealing import KEY_BYTES, NONCE_BYTES, unwrap_key, wrap_key
from ledger.storage.database import reading, writing
from ledger.storage.models import (
    access_detail,
    decision_index,
    record_key,
    subject_key,
    tenant_key,
)

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
_INDEX_KEY: Final = "subject-index"
_ACTOR_KEY: Final = "access-actors"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Built once: building a statement costs more than running it, and each batch runs these.
_HOLDERS: Final = select(subject_key.c.id, subject_key.c.tag, subject_key.c.wrapped).where(
    subject_key.c.tag.in_(bindparam("tags", expanding=True))
)
_ADD_HOLDER, _ADD_KEY = insert(subject_key), insert(record_key)
_ADD_INDEX, _ADD_DETAIL = insert(decision_index), insert(access_detail)
_SETTLE: Final = tuple(
    update(table).where(table.c.record_id == bindparam("settled")).values(seq=bindparam("place"))
    for table in (record_key, decision_index)
)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A record that needs a key: its id, and whose it is.

    Attributes:
        record_id: the record's id.
        holder: the tag of its data subject (`Vault.subject_tag`), or for a record
            without one the tag of its retention class and month (`Vault.period_tag`).
    """

    record_id: str
    holder: bytes


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A record's key, and the same wrapped under the holder's key `key_id`."""

    record_id: str
    key: bytes
    key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A new key of one holder, wrapped under the key-encryption key."""

    id: str
    tag: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class DrawnKeys:
    """Keys that were made for a batch of records and are stored nowhere yet."""

    records: tuple[RecordKey, ...]
    new_holders: tuple[HolderKey, ...]


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What can be searched of one decision. Times are microseconds since 1970, UTC."""

    record_id: str
    tag: bytes | None
    outcome: str
    model: str
    policy: str
    margin: int
    decided_us: int


class Vault:
    """Keys and index of one deployment.

    Writing methods expect that the caller holds the turn of the log concerned
    (`Sequencer.turn`), so that between drawing and keeping keys nobody else writes.
    Every method may raise PushbackError when the database does not answer.
    """

    def __init__(
        self, engine: Engine, wrapper: KeyWrapper, clock: Callable[[], datetime], random: Random
    ) -> None:
        self._engine = engine
        self._wrapper = wrapper
        self._clock = clock
        self._random = random
        self._index_key = self._tenant_key(_INDEX_KEY)
        self._actor_key = self._tenant_key(_ACTOR_KEY)

    @property
    def engine(self) -> Engine:
        """The vault's database, for the look-ups of `decision_search`."""
        return self._engine

    def subject_tag(self, reference: str) -> bytes:
        """What a subject is known by here: HMAC of the reference, 32 bytes."""
        return hmac.digest(self._index_key, reference.encode(), hashlib.sha256)

    def period_tag(self, retention_class: str, at: datetime) -> bytes:
        """The holder of records without a subject: a retention class and a month."""
        # References hold no line feed, so no subject can have this tag.
        name = f"period\n{retention_class}\n{at:%Y-%m}"
        return hmac.digest(self._index_key, name.encode(), hashlib.sha256)

    def pseudonym(self, kind: str, name: str, at: datetime) -> str:
        """A name's pseudonym for the month of `at`, 32 hex digits; next month another."""
        statement = f"{kind}\n{at:%Y-%m}\n{name}"
        return hmac.digest(self._actor_key, statement.encode(), hashlib.sha256)[:16].hex()

    def draw_keys(self, requests: Sequence[KeyRequest]) -> DrawnKeys:
        """A fresh key for each record, wrapped under its holder's key; nothing is stored.

        A holder without a key gets one.
        """
        holders = self._holder_keys({request.holder for request in requests})
        new_holders = []
        records = []
        for request in requests:
            if request.holder not in holders:
                holder, key = self._new_holder(request.holder)
                new_holders.append(holder)
                holders[request.holder] = (holder.id, key)
            key_id, holder_key = holders[request.holder]
            key = self._random(KEY_BYTES)
            nonce = self._random(NONCE_BYTES)
            wrapped = wrap_key(holder_key, key, request.record_id, nonce)
            records.append(RecordKey(request.record_id, key, key_id, wrapped))
        return DrawnKeys(tuple(records), tuple(new_holders))

    def keep(
        self,
        origin: str,
        drawn: DrawnKeys,
        *,
        index: Sequence[IndexRow] = (),
        details: Mapping[str, bytes] | None = None,
        settled: Mapping[str, int] | None = None,
    ) -> None:
        """Store keys, index rows and sealed access details in one transaction.

        Args:
            origin: the log that the records are for.
            drawn: their keys.
            index: what is to be searchable.
            details: sealed details of access entries, by record.
            settled: earlier records to settle on this occasion, as :meth:`settle`.

        Raises:
            ConflictError: a record has a key already.
        """
        now = microseconds(self._clock())
        with writing(self._engine) as connection:
            _settle(connection, settled or {})
            if drawn.new_holders:
                connection.execute(
                    _ADD_HOLDER,
                    [
                        {"id": new.id, "tag": new.tag, "wrapped": new.wrapped, "created_us": now}
                        for new in drawn.new_holders
                    ],
                )
            connection.execute(
                _ADD_KEY,
                [
                    {
                        "record_id": record.record_id,
                        "origin": origin,
                        "key_id": record.key_id,
                        "wrapped": record.wrapped,
                    }
                    for record in drawn.records
                ],
            )
            if index:
                rows = [_index_values(row) | {"received_us": now} for row in index]
                connection.execute(_ADD_INDEX, rows)
            if details:
                connection.execute(
                    _ADD_DETAIL,
                    [{"record_id": id_, "sealed": sealed} for id_, sealed in details.items()],
                )

    def key(self, record_id: str) -> bytes:
        """The record's key.

        Raises:
            ErasedError: there is none (any more).
            VerificationError: what is stored does not unwrap: it was changed.
        """
        return self.key_and_holder(record_id)[0]

    def key_and_holder(self, record_id: str) -> tuple[bytes, bytes]:
        """The record's key and the tag of its holder; raises as :meth:`key`."""
        query = (
            select(
                record_key.c.wrapped,
                record_key.c.key_id,
                subject_key.c.wrapped.label("holder_wrapped"),
                subject_key.c.tag,
            )
            .join(subject_key, subject_key.c.id == record_key.c.key_id)
            .where(record_key.c.record_id == record_id)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise ErasedError("vault: the key of this record is gone")
        holder_key = self._wrapper.unwrap(bytes(row.holder_wrapped), row.key_id)
        return unwrap_key(holder_key, bytes(row.wrapped), record_id), bytes(row.tag)

    def detail(self, record_id: str) -> bytes:
        """The sealed detail of an entry of the access log.

        Raises:
            ErasedError: there is none (any more).
        """
        query = select(access_detail.c.sealed).where(access_detail.c.record_id == record_id)
        with reading(self._engine) as connection:
            sealed = connection.scalar(query)
        if sealed is None:
            raise ErasedError("vault: this detail is gone")
        return bytes(sealed)

    def unsettled(self, origin: str) -> tuple[str, ...]:
        """The records of which it is not yet noted that they are in the log."""
        query = select(record_key.c.record_id).where(
            record_key.c.origin == origin, record_key.c.seq.is_(None)
        )
        with reading(self._engine) as connection:
            return tuple(connection.scalars(query))

    def settle(self, places: Mapping[str, int]) -> None:
        """Note that these records are in the log, and at which index."""
        if places:
            with writing(self._engine) as connection:
                _settle(connection, places)

    def discard(self, origin: str, record_ids: Collection[str]) -> None:
        """Delete what is kept for these records, of which the log `origin` has none."""
        ids = sorted(record_ids)
        with writing(self._engine) as connection:
            for at in range(0, len(ids), _IDS_PER_QUERY):
                theirs = select(record_key.c.record_id).where(
                    record_key.c.origin == origin,
                    record_key.c.record_id.in_(ids[at : at + _IDS_PER_QUERY]),
                )
                some = tuple(connection.scalars(theirs))
                for table in (access_detail, decision_index, record_key):
                    connection.execute(delete(table).where(table.c.record_id.in_(some)))

    def _tenant_key(self, name: str) -> bytes:
        """The key of this name; made when it is asked for the first time."""
        query = select(tenant_key.c.wrapped).where(tenant_key.c.name == name)
        with writing(self._engine) as connection:
            wrapped = connection.scalar(query)
            if wrapped is None:
                wrapped = self._wrapper.wrap(self._random(KEY_BYTES), name)
                connection.execute(insert(tenant_key).values(name=name, wrapped=wrapped))
        return self._wrapper.unwrap(bytes(wrapped), name)

    def _holder_keys(self, tags: Collection[bytes]) -> dict[bytes, tuple[str, bytes]]:
        wanted = sorted(tags)
        found: dict[bytes, tuple[str, bytes]] = {}
        with reading(self._engine) as connection:
            for at in range(0, len(wanted), _IDS_PER_QUERY):
                found |= self._read_holders(connection, wanted[at : at + _IDS_PER_QUERY])
        return found

    def _read_holders(
        self, connection: Connection, tags: Sequence[bytes]
    ) -> dict[bytes, tuple[str, bytes]]:
        return {
            bytes(row.tag): (row.id, self._wrapper.unwrap(bytes(row.wrapped), row.id))
            for row in connection.execute(_HOLDERS, {"tags": tags})
        }

    def _new_holder(self, tag: bytes) -> tuple[HolderKey, bytes]:
        unix_ms = microseconds(self._clock()) // 1000
        key_id = uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))
        key = self._random(KEY_BYTES)
        return HolderKey(key_id, tag, self._wrapper.wrap(key, key_id)), key


def is_new(engine: Engine) -> bool:
    """Say whether a vault's database holds nothing yet, not even the keys that it makes first."""
    with reading(engine) as connection:
        return connection.scalar(select(tenant_key.c.name).limit(1)) is None


def microseconds(at: datetime) -> int:
    """A moment as whole microseconds since 1970, UTC: exact, unlike a float of seconds."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _settle(connection: Connection, places: Mapping[str, int]) -> None:
    rows = [{"settled": record_id, "place": seq} for record_id, seq in places.items()]
    if not rows:
        return
    for statement in _SETTLE:
        connection.execute(statement, rows)


def _index_values(row: IndexRow) -> dict[str, object]:
    return {
        "record_id": row.record_id,
        "tag": row.tag,
        "outcome": row.outcome,
        "model": row.model,
        "policy": row.policy,
        "margin": row.margin,
        "decided_us": row.decided_us,
    }
