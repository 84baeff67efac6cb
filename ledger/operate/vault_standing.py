"""Does the vault belong to these logs as they stand? The start-up rule's counterpart.

Keys are committed to the vault before their entries to the log, so a vault that knows the
newest record knew every record before it. An older vault that was restored misses it, and
its gap would read as if people had been erased. Conversely tombstones later than the
newest record may be unknown to a restored vault: those are put into effect again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import Engine, func, select

from ledger.entries import Entry, parse_entry
from ledger.entries.bodies import BODIES
from ledger.entries.forms import Commitment
from ledger.operate.tombstones import entombed, forget
from ledger.storage.database import reading
from ledger.storage.log_store import LogDatabase
from ledger.storage.models import record_key

__all__ = ["VaultGap", "find_gap"]

_STEP: Final = 64  # entries of one read, walking back: the newest record is among the first few

RECORD_KINDS: Final = frozenset(
    kind
    for kind, body in BODIES.items()
    if any(member.type == Commitment for member in fields(body))
)
"""The kinds whose entries commit to something sealed, so that the vault has a key of theirs."""


@dataclass(frozen=True, slots=True)
class VaultGap:
    """The records of a log that the vault does not know.

    Attributes:
        origin: the log.
        known: the index of the last record that it knows, None if it knows none.
        newest: the index of the newest record, which it does not know.
    """

    origin: str
    known: int | None
    newest: int

    def __str__(self) -> str:
        knows = "none of its records" if self.known is None else f"none after entry {self.known:,}"
        return f"of {self.origin} it knows {knows}, but there are some up to entry {self.newest:,}"


def find_gap(
    store: LogDatabase,
    origin: str,
    size: int,
    vault: Engine,
    *,
    sealed_in_vault: bool = False,
    replay: bool = False,
) -> VaultGap | None:
    """What the vault does not know of the log's first `size` entries, None if it knows all.

    It looks at the newest entries only, back to a record that was not erased.

    Args:
        store: where the log is.
        origin: its name.
        size: how many of its entries are meant.
        vault: the vault's database.
        sealed_in_vault: whether the log's payloads are in the vault too (`Records`).
        replay: destroy in the vault what tombstones on this way name.
    """
    gone: set[str] = set()
    gap = None
    for entry in _backwards(store, origin, size):
        gone.update(entombed(entry))
        if getattr(entry.body, "decision", None) in gone:
            gone.add(entry.id)  # attached to it: goes with it, whether or not it is named
        if entry.body.kind not in RECORD_KINDS or entry.id in gone:
            continue
        if not _knows(vault, entry.id):
            # An erasure that was cut short deletes the payload beside the log, then the key,
            # and the tombstone comes last. Of what is in the vault alone nothing can be said.
            if not sealed_in_vault and store.sealed(entry.id) is None:
                continue
            gap = VaultGap(origin, _last_known(store, origin, vault), entry.seq)
        break
    if replay:
        forget(vault, gone)
    return gap


def _backwards(store: LogDatabase, origin: str, size: int) -> Iterator[Entry]:
    while size > 0:
        start = max(0, size - _STEP)
        stored = store.entries(origin, start, size - start)
        yield from (parse_entry(each.entry) for each in reversed(stored))
        size = start


def _knows(vault: Engine, record_id: str) -> bool:
    query = select(record_key.c.record_id).where(record_key.c.record_id == record_id)
    with reading(vault) as connection:
        return connection.scalar(query) is not None


def _last_known(store: LogDatabase, origin: str, vault: Engine) -> int | None:
    """The index of the last record that the vault knows, by its own notes and by the log's."""
    theirs = record_key.c.origin == origin
    unsettled = select(record_key.c.record_id).where(theirs, record_key.c.seq.is_(None))
    with reading(vault) as connection:
        settled = connection.scalar(select(func.max(record_key.c.seq)).where(theirs))
        ids = connection.scalars(unsettled).all()
    known = [*store.locate(origin, ids).values(), *([] if settled is None else [settled])]
    return max(known, default=None)
