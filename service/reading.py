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
from ledger.errors import MalformedError, NotFoundError, RestrictedError
from ledger.operate.access_log import Manner, Purpose
from ledger.operate.decisions import DecisionQuery, DecisionView, Page
from ledger.roles import Principal, Role
from service.runtime import Runtime

__all__ = ["DEFAULT_PURPOSE", "Caller", "Reading"]

DEFAULT_PURPOSE: Final = "audit"
DEFAULT_LIMIT: Final = 50  # rows of a page, when the caller names no number
EVERYTHING: Final = ("attributions", "context", "input", "output", "subject")
FREE: Final = frozenset({("proof",)})  # what holds no personal data, and is never restricted

# What a legal hold keeps may be used for that matter only (GDPR Art. 18(2)): these look
# whatever for, everybody else on behalf of the person or of a complaint.
UNRESTRICTED: Final = frozenset({Role.AUDITOR, Role.DATA_PROTECTION_OFFICER, Role.REGULATOR})
# What a person had restricted may be used, but for being stored, for these alone, whoever asks
# (Art. 18(2)); and for what the person asks for, such as checking what they contest.
RESTRICTED_PURPOSES: Final = frozenset(
    {
        Purpose.CONSENT,
        Purpose.DATA_SUBJECT_REQUEST,
        Purpose.LEGAL_CLAIMS,
        Purpose.PUBLIC_INTEREST,
        Purpose.RIGHTS_OF_ANOTHER,
    }
)
HOLD_PURPOSES: Final = frozenset({Purpose.COMPLAINT, Purpose.DATA_SUBJECT_REQUEST})


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

    def note(
        self,
        records: Sequence[str],
        fields: Sequence[str],
        *,
        listed: bool = False,
        manner: Manner = Manner.READ,
    ) -> None:
        """Write to the access log that the caller is about to see these fields of these records.

        Args:
            records: the ids of the decisions.
            fields: what of them.
            listed: they are lines of a list, which shows what is restricted and opens nothing.
            manner: how they are seen; of a list a search, unless it is exported.

        Raises:
            NotFoundError: an id is not in the form of one.
            RestrictedError: a legal hold keeps one of them for another use; that is noted.
            LedgerError: it could not be written, so nothing may be shown.
        """
        if any(not UUID7_PATTERN.fullmatch(record) for record in records):
            raise NotFoundError("no decision has this id")
        if not listed and tuple(fields) not in FREE:
            self._check_restriction(records, fields, manner)
        self._runtime.access_log.record(
            self._caller.principal,
            purpose=self._caller.purpose,
            case=self._caller.case,
            records=records,
            fields=fields,
            size=len(records),
            manner=Manner.SEARCH if listed and manner is Manner.READ else manner,
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
        self.note([row.id for row in page.rows], ("decided_at", "margin", "outcome"), listed=True)
        return page

    def history(self, decision_id: str) -> tuple[Entry, ...]:
        """The entries about a decision, oldest first: public facts, so nothing is noted."""
        return self._runtime.decisions.history(decision_id)

    def held(self, decision_id: str) -> str | None:
        """The legal hold that keeps a decision, for its reader to know; None if none does."""
        return self._runtime.holds.of([decision_id]).get(decision_id)

    def restricted(self, records: Sequence[str]) -> Mapping[str, str]:
        """Those of these decisions that this caller may not open, with what restricts each."""
        caller, holds = self._caller, self._runtime.holds
        closed: dict[str, str] = {}
        if caller.principal.role not in UNRESTRICTED and caller.purpose not in HOLD_PURPOSES:
            closed |= holds.legal_holds_of(records)
        if caller.purpose not in RESTRICTED_PURPOSES:
            closed |= holds.restrictions_of(records)
        return closed

    def is_restricted(self, decision_id: str) -> bool:
        """Whether the person had the use of a decision restricted (GDPR Art. 18)."""
        return decision_id in self._runtime.holds.restrictions_of([decision_id])

    def _check_restriction(
        self, records: Sequence[str], fields: Sequence[str], manner: Manner
    ) -> None:
        caller = self._caller
        holds = tuple(sorted(set(self.restricted(records).values())))
        if holds:
            self._runtime.access_log.deny(
                caller.principal,
                purpose=caller.purpose,
                case=caller.case,
                records=records,
                fields=fields,
                manner=manner,
            )
            raise RestrictedError(
                f"its use is restricted, or a legal hold keeps it: {', '.join(holds)}",
                holds=holds,
            )


def _time(asked: Mapping[str, Any], member: str) -> datetime | None:
    text = asked.get(member)
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedError("not a time", member=member) from error
