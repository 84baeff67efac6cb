"""Reading decisions: the access log writes first, then the vault opens, then the caller sees.

Every door reads through here, so that no door can forget it. If the access cannot be
logged, nothing is opened: the error of the access log is the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ledger.entries import Entry
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError, NotFoundError
from ledger.operate.decisions import DecisionQuery, DecisionView, Page
from ledger.roles import Principal
from service.runtime import Runtime

__all__ = ["DEFAULT_PURPOSE", "Caller", "Reading"]

DEFAULT_PURPOSE: Final = "audit"
DEFAULT_LIMIT: Final = 50  # rows of a page, when the caller names no number
EVERYTHING: Final = ("attributions", "context", "input", "output", "subject")


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal with the purpose and case that this request was made for."""

    principal: Principal
    purpose: str = DEFAULT_PURPOSE
    case: str = ""


class Reading:
    """What one caller reads of one ledger."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller

    def note(self, records: Sequence[str], fields: Sequence[str]) -> None:
        """Write to the access log that the caller is about to see these fields of these records.

        Raises:
            NotFoundError: an id is not in the form of one.
            LedgerError: it could not be written, so nothing may be shown.
        """
        if any(not UUID7_PATTERN.fullmatch(record) for record in records):
            raise NotFoundError("no decision has this id")
        self._runtime.access_log.record(
            self._caller.principal,
            purpose=self._caller.purpose,
            case=self._caller.case,
            records=records,
            fields=fields,
            size=len(records),
        )

    def decision(self, decision_id: str) -> DecisionView:
        """One decision, opened.

        Raises:
            NotFoundError, ErasedError: it never was here, or is gone.
        """
        self.note([decision_id], EVERYTHING)
        return self._runtime.decisions.read(decision_id)

    def page(self, asked: Mapping[str, Any]) -> Page:
        """The decisions that match, newest first.

        Args:
            asked: as `SearchSchema` read it.
        """
        query = DecisionQuery(
            subject=asked.get("subject"),
            model=asked.get("model"),
            policy=asked.get("policy"),
            outcome=asked.get("outcome"),
            since=_time(asked, "since"),
            until=_time(asked, "until"),
            cursor=asked.get("cursor"),
            limit=asked.get("limit", DEFAULT_LIMIT),
        )
        page = self._runtime.decisions.find(query)
        self.note([row.id for row in page.rows], ("decided_at", "margin", "outcome"))
        return page

    def history(self, decision_id: str) -> tuple[Entry, ...]:
        """The entries about a decision, oldest first: public facts, so nothing is noted."""
        return self._runtime.decisions.history(decision_id)


def _time(asked: Mapping[str, Any], member: str) -> datetime | None:
    text = asked.get(member)
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedError("not a time", member=member) from error
