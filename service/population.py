"""The decisions that a report or a replay is about: all that a query finds, page after page."""

from collections.abc import Iterator
from dataclasses import replace

from ledger.errors import NotFoundError
from ledger.operate.decision_search import MAX_LIMIT
from ledger.operate.decisions import DecisionQuery, DecisionRow, Decisions

__all__ = ["population"]


def population(decisions: Decisions, query: DecisionQuery, most: int) -> Iterator[DecisionRow]:
    """Each decision that the query finds, newest first, opened none; nothing if there is none.

    Raises:
        NotFoundError: there are more than `most`.
    """
    count = 0
    cursor: str | None = None
    while True:
        page = decisions.find(replace(query, cursor=cursor, limit=MAX_LIMIT))
        count += len(page.rows)
        if count > most:
            raise NotFoundError(f"more than {most:,} decisions: choose a shorter period")
        yield from page.rows
        cursor = page.next_cursor
        if cursor is None:
            return
