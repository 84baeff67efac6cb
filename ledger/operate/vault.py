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

from sqlalchemy import Connection, Engine, delete, insert, literal, select

from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import ErasedError, PushbackError
from ledger.operate.key_wrapper import KeyWrapper, Random, key_id_of
from ledger.operate.tombstones import forget_looks
from ledger.sealing import KEY_BYTES, NONCE_BYTES, unwrap_key, wrap_key
from ledger.storage.database import reading, writing
from ledger.storage.driver import insert_rows, run, run_each
from ledger.storage.models import (
    access_detail,
    access_index,
    decision_index,
    record_key,
    subject_key,
    tenant_key,
)

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
_INDEX_KEY: Final = "subject-index"
_ACTOR_KEY: Final = "access-actors"
PENDING: Final = 1  # of `decision_index.pending`: to be worked out; above it, how that ended
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What each batch runs is for the driver as it stands (`ledger.storage.driver`).
_INDEXED: Final = (record_key.name, decision_index.name)  # tables that say where a record stands
_SETTLE: Final = "UPDATE {} SET seq = ? WHERE record_id = ?"
_SETTLE_ALL: Final = (  # PostgreSQL: one statement for all, with an array for each parameter
    "UPDATE {} SET seq = settled.place FROM unnest(?::bigint[], ?::text[])"
    " AS settled (place, id) WHERE record_id = settled.id"
)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A record's key as it is kept: wrapped under a key of its holder, itself wrapped.

    Attributes:
        id: the holder's key, made for this record alone. A holder may have any number of
            keys, so that writing never has to read one.
        holder: the tag of the data subject (`Vault.subject_tag`), or for a record
            without one the tag of its retention class and month (`Vault.period_tag`).
        wrapped_holder: the holder's key, wrapped under the key-encryption key.
        wrapped: the record's key, wrapped under the holder's.
    """

    id: str
    holder: bytes
    wrapped_holder: bytes
    wrapped: bytes


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
    pending: bool = False  # its attributions are still to be worked out


@dataclass(frozen=True, slots=True)
class VaultRow:
    """What the vault keeps of one record.

    Attributes:
        record_id: the record's id.
        key: its key.
        index: what is to be searchable of it, if anything.
        detail: its payload, sealed, if that is kept here and not beside the log.
        looked_at: of an entry of the access log, the records that it is about.
    """

    record_id: str
    key: HeldKey
    index: IndexRow | None = None
    detail: bytes | None = None
    looked_at: tuple[str, ...] = ()


class Vault:
    """Keys and index of one deployment.

    Methods that keep, settle or discard expect that the caller holds the turn of the log
    concerned (`Sequencer.turn`): nobody else may tidy away what is about to be logged.
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

    def own_tag(self, key_id: str, subject_tag: bytes) -> bytes:
        """What a subject is known by as somebody whom the holder of an API key is close to."""
        # References hold no line feed, so no subject can have this tag.
        statement = f"own\n{key_id}\n".encode() + subject_tag
        return hmac.digest(self._index_key, statement, hashlib.sha256)

    def period_tag(self, retention_class: str, at: datetime) -> bytes:
        """The holder of records without a subject: a retention class and a month."""
        # References hold no line feed, so no subject can have this tag.
        name = f"period\n{retention_class}\n{at:%Y-%m}"
        return hmac.digest(self._index_key, name.encode(), hashlib.sha256)

    def token(self, kind: str, statement: bytes) -> str:
        """What shows to us later that we said this: 64 hex digits."""
        # References hold no line feed, so no subject's tag is one.
        message = f"token\n{kind}\n".encode() + statement
        return hmac.digest(self._index_key, message, hashlib.sha256).hex()

    def pseudonym(self, kind: str, name: str, at: datetime) -> str:
        """A name's pseudonym for the month of `at`, 32 hex digits; next month another."""
        statement = f"{kind}\n{at:%Y-%m}\n{name}"
        return hmac.digest(self._actor_key, statement.encode(), hashlib.sha256)[:16].hex()

    def draw_key(self, record_id: str, holder: bytes) -> tuple[bytes, HeldKey]:
        """A fresh key for a record, and the same as it is kept; nothing is stored or read."""
        unix_ms = microseconds(self._clock()) // 1000
        key_id = uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))
        key, holder_key = self._random(KEY_BYTES), self._random(KEY_BYTES)
        wrapped = wrap_key(holder_key, key, record_id, self._random(NONCE_BYTES))
        return key, HeldKey(key_id, holder, self._wrapper.wrap(holder_key, key_id), wrapped)

    def event_tag(self, source: str, event_id: str) -> bytes:
        """What an exchange with a model server is known by while one half waits for the other."""
        # References hold no line feed, so no subject can have this tag.
        return hmac.digest(self._index_key, f"event\n{source}\n{event_id}".encode(), hashlib.sha256)

    def undraw(self, held: HeldKey, record_id: str) -> bytes:
        """The key that :meth:`draw_key` drew, from how it is kept.

        Raises:
            VerificationError: what is kept does not unwrap: it was changed.
        """
        holder_key = self._wrapper.unwrap(held.wrapped_holder, held.id)
        return unwrap_key(holder_key, held.wrapped, record_id)

    def keep(
        self, origin: str, rows: Sequence[VaultRow], settled: Mapping[str, int] | None = None
    ) -> None:
        """Store keys, index rows and sealed details in one transaction.

        Args:
            origin: the log that the records are for.
            rows: what to keep of each.
            settled: earlier records to settle on this occasion, as :meth:`settle`.

        Raises:
            ConflictError: a record has a key already.
            PushbackError: a key was wrapped under a key-encryption key that is retired.
        """
        now = microseconds(self._clock())
        with writing(self._engine) as connection:
            _settle(connection, settled or {})
            insert_rows(connection, subject_key, [_holder_values(row.key, now) for row in rows])
            insert_rows(connection, record_key, [_key_values(row, origin) for row in rows])
            index = [_index_values(row.index, now) for row in rows if row.index is not None]
            insert_rows(connection, decision_index, index)
            details = [(row.record_id, row.detail) for row in rows if row.detail is not None]
            insert_rows(connection, access_detail, details)
            for row in rows:
                _index_looks(connection, row)
            # Asked last: whoever takes a key-encryption key away waits for these rows.
            # Of what was wrapped under one key, one tells of all.
            wrapped = {key_id_of(each): each for each in (r.key.wrapped_holder for r in rows)}
            if not all(map(self._wrapper.knows, wrapped.values())):
                raise PushbackError(
                    "vault: the key-encryption key was replaced meanwhile", retry_after=0.0
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

    def looks(self, record_ids: Collection[str]) -> tuple[str, ...]:
        """The ids of the access log's entries that are about one of these records, sorted."""
        ids, found = sorted(set(record_ids)), set[str]()
        with reading(self._engine) as connection:
            for at in range(0, len(ids), _IDS_PER_QUERY):
                some = access_index.c.record_id.in_(ids[at : at + _IDS_PER_QUERY])
                found.update(connection.scalars(select(access_index.c.entry_id).where(some)))
        return tuple(sorted(found))

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
                theirs = select(record_key.c.record_id, record_key.c.key_id).where(
                    record_key.c.origin == origin,
                    record_key.c.record_id.in_(ids[at : at + _IDS_PER_QUERY]),
                )
                found = connection.execute(theirs).all()
                some = [row.record_id for row in found]
                for table in (access_detail, decision_index, record_key):
                    connection.execute(delete(table).where(table.c.record_id.in_(some)))
                forget_looks(connection, some)
                keys = [row.key_id for row in found]  # each made for one record
                connection.execute(delete(subject_key).where(subject_key.c.id.in_(keys)))

    def _tenant_key(self, name: str) -> bytes:
        """The key of this name; made when it is asked for the first time."""
        query = select(tenant_key.c.wrapped).where(tenant_key.c.name == name)
        with writing(self._engine) as connection:
            wrapped = connection.scalar(query)
            if wrapped is None:
                wrapped = self._wrapper.wrap(self._random(KEY_BYTES), name)
                connection.execute(insert(tenant_key).values(name=name, wrapped=wrapped))
        return self._wrapper.unwrap(bytes(wrapped), name)


def is_new(engine: Engine) -> bool:
    """Say whether a vault's database holds nothing yet, not even the keys that it makes first."""
    with reading(engine) as connection:
        return connection.scalar(select(tenant_key.c.name).limit(1)) is None


def microseconds(at: datetime) -> int:
    """A moment as whole microseconds since 1970, UTC: exact, unlike a float of seconds."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _settle(connection: Connection, places: Mapping[str, int]) -> None:
    for table in _INDEXED if places else ():
        if connection.dialect.name == "postgresql":
            found = (list(places.values()), list(places))
            run(connection, _SETTLE_ALL.format(table), found)
        else:
            rows = [(seq, record_id) for record_id, seq in places.items()]
            run_each(connection, _SETTLE.format(table), rows)


# Rows have a value for each column, in the order of the table (`models`).
def _holder_values(key: HeldKey, now: int) -> tuple[object, ...]:
    return (key.id, key.holder, key.wrapped_holder, now)


def _key_values(row: VaultRow, origin: str) -> tuple[object, ...]:
    return (row.record_id, origin, row.key.id, row.key.wrapped, None)


def _index_looks(connection: Connection, row: VaultRow) -> None:
    """Index an entry of the access log by those of its records that are here.

    Whatever else was asked for is nobody's: never there, or erased meanwhile.
    """
    ids = sorted(set(row.looked_at))
    for at in range(0, len(ids), _IDS_PER_QUERY):
        known = select(record_key.c.record_id, literal(row.record_id)).where(
            record_key.c.record_id.in_(ids[at : at + _IDS_PER_QUERY])
        )
        connection.execute(insert(access_index).from_select(("record_id", "entry_id"), known))


def _index_values(row: IndexRow, now: int) -> tuple[object, ...]:
    return (
        row.record_id,
        row.tag,
        row.outcome,
        row.model,
        row.policy,
        row.margin,
        row.decided_us,
        now,
        None,
        PENDING if row.pending else None,
        None,
    )
