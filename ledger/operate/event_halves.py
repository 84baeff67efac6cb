"""Halves of exchanges with a model server, kept until the other half comes.

A payload logger sends the request and the answer apart, in any order, each again until it
is acknowledged. So a half is durable and sealed before it is acknowledged, and the counters
of what an exchange decided are drawn once and kept beside it: however often it is gone on
with after a crash, the same decisions come of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import delete, insert, select, update

from ledger.errors import ConflictError
from ledger.operate.key_wrapper import Random
from ledger.operate.sequencer import Clock
from ledger.operate.vault import EPOCH, HeldKey, Vault, microseconds
from ledger.sealing import NONCE_BYTES, seal, unseal
from ledger.storage.database import reading, writing
from ledger.storage.models import event_count, event_done, event_half

__all__ = ["REQUEST", "RESPONSE", "EventHalves", "Exchange", "Part"]

Part = Literal["request", "response"]
REQUEST: Final = "request"
RESPONSE: Final = "response"
REMEMBERED: Final = timedelta(days=1)  # senders give up long before
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


class EventHalves:
    """The exchanges that are not recorded yet. Safe to share between threads and processes."""

    def __init__(self, vault: Vault, clock: Clock, random: Random) -> None:
        self._vault = vault
        self._clock = clock
        self._random = random

    def tag(self, source: str, event_id: str) -> bytes:
        """What an exchange is known by here; says nothing about it."""
        return self._vault.event_tag(source, event_id)

    def keep(self, tag: bytes, part: str, service: str, content: Mapping[str, Any]) -> bool:
        """Keep a half, durable when this returns; False if it was here, whatever it said.

        Raises:
            PushbackError: the database does not answer.
        """
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

    def is_done(self, tag: bytes) -> bool:
        """Say whether an exchange was settled lately."""
        query = select(event_done.c.tag).where(event_done.c.tag == tag)
        with reading(self._vault.engine) as connection:
            return connection.scalar(query) is not None

    def settle(self, tag: bytes) -> None:
        """Delete what is kept of an exchange; that it was settled is remembered for a while."""
        now = microseconds(self._clock())
        with writing(self._vault.engine) as connection:
            connection.execute(delete(event_half).where(event_half.c.tag == tag))
            connection.execute(delete(event_done).where(event_done.c.tag == tag))
            connection.execute(insert(event_done).values(tag=tag, done_us=now))
            old = event_done.c.done_us < now - microseconds(EPOCH + REMEMBERED)
            connection.execute(delete(event_done).where(old))

    def before(self, received_us: int, limit: int = 100) -> tuple[bytes, ...]:
        """Exchanges of which something came before a moment, the oldest first."""
        query = (
            select(event_half.c.tag)
            .where(event_half.c.received_us < received_us)
            .order_by(event_half.c.received_us)
            .limit(limit)
        )
        with reading(self._vault.engine) as connection:
            return tuple(dict.fromkeys(bytes(tag) for tag in connection.scalars(query)))


def _bound(tag: bytes, part: str) -> str:
    return f"{tag.hex()}/{part}"
