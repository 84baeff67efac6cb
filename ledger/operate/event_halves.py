"""Halves of exchanges with a model server, kept until the other half comes.

A payload logger sends the request and the answer apart, in any order, each again until it
is acknowledged. So a half is durable and sealed before it is acknowledged, and the counters
of what an exchange decided are drawn once and kept beside it: however often it is gone on
with after a crash, the same decisions come of it. Other content under an id that was used is
a conflict: acknowledged as a repetition it would be lost.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import and_, delete, func, insert, or_, select, update

from ledger.errors import ConflictError, DuplicateSubmission, PushbackError
from ledger.operate.key_wrapper import Random
from ledger.operate.sequencer import Clock
from ledger.operate.vault import EPOCH, HeldKey, Vault, microseconds
from ledger.sealing import NONCE_BYTES, seal, unseal
from ledger.storage.database import RETRY_AFTER_SECONDS, reading, writing
from ledger.storage.models import event_count, event_done, event_half

__all__ = ["REQUEST", "RESPONSE", "EventHalves", "Exchange", "Part", "Waiting"]

Part = Literal["request", "response"]
REQUEST: Final = "request"
RESPONSE: Final = "response"
REMEMBERED: Final = timedelta(days=1)  # senders give up long before
MAX_WAITING: Final = 100_000  # halves of all model servers: some 100 MB
LOOKED_AT: Final = 100  # halves of one look for those that wait too long
_COUNTED_EVERY: Final = 1_000  # halves that this process keeps between two counts of all of them
_PLACE: Final = "events"  # what halves are sealed for, in place of a log's origin


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is kept of one exchange: one half, or both.

    Attributes:
        tag: what it is known by (`Vault.event_tag`).
        service: which model server, as the operator calls it.
        halves: the content of each half that came.
        received_us: when the first of them came, microseconds since 1970.
        first: the counter of its first decision, once it was drawn.
    """

    tag: bytes
    service: str
    halves: Mapping[str, Mapping[str, Any]]
    received_us: int
    first: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many halves of one model server wait, the oldest since when (microseconds, UTC)."""

    service: str
    count: int
    oldest_us: int


class EventHalves:
    """The exchanges that are not recorded yet. Safe to share between threads and processes."""

    def __init__(self, vault: Vault, clock: Clock, random: Random) -> None:
        self._vault = vault
        self._clock = clock
        self._random = random
        self._room = 0  # halves that may be kept before all are counted again

    def tag(self, service: str, source: str, event_id: str) -> bytes:
        """What an exchange of a model server is known by here; says nothing about it."""
        # None of them holds a line feed, so the three are told apart.
        return self._vault.event_tag(f"{service}\n{source}", event_id)

    def keep(self, tag: bytes, part: str, service: str, content: Mapping[str, Any]) -> bool:
        """Keep a half, durable when this returns; False if the same was here.

        Args:
            tag: what the exchange is known by.
            part: which half.
            service: which model server.
            content: `data` and `subject`, which make it what it is, and `at`, which does not.

        Raises:
            DuplicateSubmission: another half came under this id before.
            PushbackError: the database does not answer, or too many halves wait.
        """
        self._make_room(tag)
        bound = _bound(tag, part)
        key, held = self._vault.draw_key(bound, tag)
        payload = json.dumps(content).encode()
        sealed = seal(key, _PLACE, bound, payload, self._random(NONCE_BYTES))
        values = {
            "tag": tag, "part": part, "service": service, "key_id": held.id,
            "wrapped": held.wrapped_holder, "inner": held.wrapped, "sealed": sealed,
            "received_us": microseconds(self._clock()),
        }  # fmt: skip
        try:
            with writing(self._vault.engine) as connection:
                connection.execute(insert(event_half).values(values))
        except ConflictError:
            before = self.read(tag)
            kept = {} if before is None else before.halves
            if part in kept and _said(kept[part]) != _said(content):
                raise _reused() from None
            return False
        return True

    def read(self, tag: bytes) -> Exchange | None:
        """What is kept of an exchange, opened; None if nothing is.

        Raises:
            VerificationError: what is stored was changed.
            PushbackError: the database does not answer.
        """
        with reading(self._vault.engine) as connection:
            rows = connection.execute(select(event_half).where(event_half.c.tag == tag)).all()
        if not rows:
            return None
        halves = {}
        for row in rows:
            held = HeldKey(row.key_id, tag, bytes(row.wrapped), bytes(row.inner))
            key = self._vault.undraw(held, _bound(tag, row.part))
            opened = unseal(key, _PLACE, _bound(tag, row.part), bytes(row.sealed))
            halves[row.part] = json.loads(opened)
        first = next((row.first for row in rows if row.first is not None), None)
        return Exchange(tag, rows[0].service, halves, min(r.received_us for r in rows), first)

    def draw_counters(self, tag: bytes, source: str, count: int) -> int:
        """The first of `count` counters of the source for an exchange, the same one ever after.

        Raises:
            PushbackError: the database does not answer.
        """
        try:
            return self._drawn(tag, source, count)
        except ConflictError:  # another exchange was the first of this source at the same time
            return self._drawn(tag, source, count)

    def _drawn(self, tag: bytes, source: str, count: int) -> int:
        theirs = event_half.c.tag == tag
        with writing(self._vault.engine) as connection:
            mine = event_count.c.source == source
            before = connection.scalar(select(event_count.c.next).where(mine).with_for_update())
            # Asked under that lock, or two who came together would draw twice.
            drawn = connection.scalars(select(event_half.c.first).where(theirs)).all()
            first = next((each for each in drawn if each is not None), None)
            if first is not None:
                return int(first)
            if before is None:
                connection.execute(insert(event_count).values(source=source, next=count))
            else:
                connection.execute(update(event_count).where(mine).values(next=before + count))
            connection.execute(update(event_half).where(theirs).values(first=before or 0))
        return int(before or 0)

    def is_done(self, tag: bytes, part: str, content: Mapping[str, Any]) -> bool:
        """Say whether an exchange was settled lately, with this half or without it.

        Raises:
            DuplicateSubmission: it was settled, with another half in this one's place.
        """
        query = select(event_done).where(event_done.c.tag == tag)
        with reading(self._vault.engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return False
        mark = getattr(row, part)
        if mark is not None and bytes(mark) != self._mark(tag, part, content):
            raise _reused()
        return True

    def settle(self, exchange: Exchange) -> None:
        """Delete what is kept of an exchange; that it was settled is remembered for a while."""
        now, tag = microseconds(self._clock()), exchange.tag
        marks = {part: self._mark(tag, part, said) for part, said in exchange.halves.items()}
        # A conflict is with whoever settles the same exchange at the same time.
        with suppress(ConflictError), writing(self._vault.engine) as connection:
            connection.execute(delete(event_half).where(event_half.c.tag == tag))
            connection.execute(delete(event_done).where(event_done.c.tag == tag))
            connection.execute(insert(event_done).values(tag=tag, done_us=now, **marks))
            old = event_done.c.done_us < now - microseconds(EPOCH + REMEMBERED)
            connection.execute(delete(event_done).where(old))

    def before(
        self, received_us: int, after: tuple[int, bytes] | None = None
    ) -> tuple[tuple[int, bytes], ...]:
        """Halves that came before a moment, as (when, tag), the oldest first.

        Args:
            received_us: the moment, microseconds since 1970.
            after: go on behind this one, which a call before returned last.
        """
        when, tag = event_half.c.received_us, event_half.c.tag
        query = select(when, tag).where(when < received_us).order_by(when, tag).limit(LOOKED_AT)
        if after is not None:
            last, behind = after
            query = query.where(or_(when > last, and_(when == last, tag > behind)))
        with reading(self._vault.engine) as connection:
            return tuple((int(row[0]), bytes(row[1])) for row in connection.execute(query))

    def waiting(self) -> tuple[Waiting, ...]:
        """What waits for its other half, by model server."""
        half = event_half.c
        query = (
            select(half.service, func.count(), func.min(half.received_us))
            .group_by(half.service)
            .order_by(half.service)
        )
        with reading(self._vault.engine) as connection:
            return tuple(Waiting(*row) for row in connection.execute(query))

    def _make_room(self, tag: bytes) -> None:
        """Count what waits now and then: a sender of halves alone must not fill the vault."""
        if self._room <= 0:
            free = MAX_WAITING - sum(each.count for each in self.waiting())
            if free <= 0 and self.read(tag) is None:  # the second half of one makes room
                raise PushbackError(
                    "events: too many wait for their other half", retry_after=RETRY_AFTER_SECONDS
                )
            self._room = max(1, min(free, _COUNTED_EVERY))
        self._room -= 1

    def _mark(self, tag: bytes, part: str, content: Mapping[str, Any]) -> bytes:
        return self._vault.event_tag(_bound(tag, part), _said(content))


def _said(content: Mapping[str, Any]) -> str:
    """What a half says, as one text for one meaning; when it was sent is not part of it."""
    return json.dumps([content["data"], content["subject"]], sort_keys=True)


def _reused() -> DuplicateSubmission:
    return DuplicateSubmission("event: the id was used with other content", member="id")


def _bound(tag: bytes, part: str) -> str:
    return f"{tag.hex()}/{part}"
