"""When decisions were made, as the vault's index has it; after an erasure it knows no more."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, select

from ledger.operate.vault import EPOCH, Vault, microseconds
from ledger.storage.database import reading
from ledger.storage.models import decision_index

_ROWS: Final = 10_000  # fetched at once


def decided_between(vault: Vault, since: datetime, until: datetime) -> Iterator[int]:
    """The indexes of the logged decisions made from `since` on and before `until`, in any order.

    Raises:
        PushbackError: the database does not answer.
    """
    column = decision_index.c
    wanted = select(column.seq).where(
        and_(
            column.decided_us >= microseconds(since),
            column.decided_us < microseconds(until),
            column.seq.is_not(None),
        )
    )
    with reading(vault.engine) as connection:
        for rows in connection.execute(wanted).scalars().partitions(_ROWS):
            yield from rows


def dated_below(vault: Vault, size: int) -> int:
    """How many of a log's first `size` entries are decisions of which it is known when.

    Raises:
        PushbackError: the database does not answer.
    """
    column = decision_index.c
    counted = select(func.count()).select_from(decision_index).where(column.seq < size)
    with reading(vault.engine) as connection:
        return connection.scalar(counted) or 0


def dated(vault: Vault) -> Iterator[int]:
    """The index of every decision of which it is known when it was made, in any order.

    Raises:
        PushbackError: the database does not answer.
    """
    column = decision_index.c
    with reading(vault.engine) as connection:
        found = connection.execute(select(column.seq).where(column.seq.is_not(None)))
        for rows in found.scalars().partitions(_ROWS):
            yield from rows


def decided_at(vault: Vault, records: Mapping[str, int]) -> Mapping[int, datetime]:
    """When these records' decisions were made, by the number given for each; some hundreds at most.

    Raises:
        PushbackError: the database does not answer.
    """
    column = decision_index.c
    wanted = select(column.record_id, column.decided_us).where(column.record_id.in_([*records]))
    with reading(vault.engine) as connection:
        return {
            records[name]: EPOCH + timedelta(microseconds=decided)
            for name, decided in connection.execute(wanted)
        }
