"""What the vault holds of a log's records, month by month: what opens, and what is lost.

For the day on which a vault, or its key, is gone: a person has to know exactly what cannot
be explained any more, and what the log proves all the same.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Engine, select

from ledger.entries import Entry, parse_entry
from ledger.errors import ErasedError, VerificationError
from ledger.operate.tombstones import tombstones
from ledger.operate.vault_standing import RECORD_KINDS
from ledger.storage.database import reading
from ledger.storage.models import record_key, sealed_payload

__all__ = ["Holding", "holdings"]

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999

Opens = Callable[[str], object]
"""Opens one record, or raises."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The records of one kind that a log accepted in one month.

    Attributes:
        month: `2026-05`, by the log's clock, UTC.
        kind: the kind of their entries.
        records: how many there are; the sum of the others.
        held: of how many key and payload are there. They were opened only if that was asked.
        erased: how many a tombstone names.
        lost: how many have no key, or no payload, and no tombstone that says why.
        damaged: how many did not open although key and payload are there.
    """

    month: str
    kind: str
    records: int
    held: int
    erased: int
    lost: int
    damaged: int


def holdings(
    entries: Callable[[], Iterable[bytes]],
    vault: Engine,
    ledger: Engine | None,
    opens: Opens | None = None,
) -> tuple[Holding, ...]:
    """What is there of the records of a log, by month and kind. Reads the whole log twice.

    Args:
        entries: the log's entries, from the first one on, each time anew.
        vault: the vault's database.
        ledger: the database of the sealed payloads; None if they are in the vault too.
        opens: opens a record; without it nothing is opened, only looked for.

    Raises:
        PushbackError: a database does not answer.
    """
    gone = frozenset(tombstones(entries()))
    found: Counter[tuple[str, str, str]] = Counter()
    records = _records(entries())
    while some := tuple(islice(records, _IDS_PER_QUERY)):
        ids = [entry.id for entry in some]
        there = _known(vault, ids)
        if ledger is not None:
            there &= _sealed(ledger, ids)
        for entry in some:
            state = _state(entry.id, gone, there, opens)
            found[f"{entry.at:%Y-%m}", entry.body.kind.value, state] += 1
    months = sorted({(month, kind) for month, kind, _ in found})
    return tuple(_holding(found, month, kind) for month, kind in months)


def _state(
    record_id: str, gone: Collection[str], there: Collection[str], opens: Opens | None
) -> str:
    if record_id in gone:
        return "erased"
    if record_id not in there:
        return "lost"
    if opens is not None:
        try:
            opens(record_id)
        except ErasedError:
            return "lost"
        except VerificationError:
            return "damaged"
    return "held"


def _holding(found: Counter[tuple[str, str, str]], month: str, kind: str) -> Holding:
    held, erased, lost, damaged = (
        found[month, kind, state] for state in ("held", "erased", "lost", "damaged")
    )
    return Holding(month, kind, held + erased + lost + damaged, held, erased, lost, damaged)


def _records(entries: Iterable[bytes]) -> Iterator[Entry]:
    for raw in entries:
        entry = parse_entry(raw)
        if entry.body.kind in RECORD_KINDS:
            yield entry


def _known(vault: Engine, ids: Collection[str]) -> set[str]:
    query = select(record_key.c.record_id).where(record_key.c.record_id.in_(ids))
    with reading(vault) as connection:
        return set(connection.scalars(query))


def _sealed(ledger: Engine, ids: Collection[str]) -> set[str]:
    query = select(sealed_payload.c.record_id).where(sealed_payload.c.record_id.in_(ids))
    with reading(ledger) as connection:
        return set(connection.scalars(query))
