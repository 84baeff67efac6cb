"""Which decisions a list shows: read from an address or a form, written back the same way.

A person's reference is read from a posted form only and never written into an address.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self
from urllib.parse import urlencode

from ledger.errors import MalformedError
from ledger.operate.decisions import DecisionQuery
from service.ui.views import Hidden

PAGE_ROWS: Final = 25  # rows; what fits a screen, and one access-log entry covers them
MAX_CURSOR_CHARS: Final = 400  # characters; ours have fewer than 100
MAX_SUBJECT_CHARS: Final = 200  # characters; as the API takes them
FIRST_DAY: Final = date(1970, 1, 2)  # the index counts microseconds since 1970
LAST_DAY: Final = date(9000, 1, 1)  # a day after it must exist in every time zone

_OUTCOME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CURSOR: Final = re.compile(r"[A-Za-z0-9_.~=+/:-]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to; empty members narrow nothing. Both days are included."""

    since: date | None = None
    until: date | None = None
    outcome: str = ""
    model: str = ""
    subject: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str], *, subject: str = "") -> Self:
        """Read a filter from query or form values; unknown names are ignored.

        Raises:
            MalformedError: a value is not in the form that we write; `member` names it.
        """
        if len(subject) > MAX_SUBJECT_CHARS:
            raise MalformedError("the reference is too long", member="q")
        return cls(
            since=_day(values, "since"),
            until=_day(values, "until"),
            outcome=_matching(values, "outcome", _OUTCOME, 64),
            model=_matching(values, "model", _DIGEST, 64),
            subject=subject,
            cursor=_matching(values, "cursor", _CURSOR, MAX_CURSOR_CHARS),
        )

    def query(self, *, limit: int = PAGE_ROWS) -> DecisionQuery:
        """Return what to ask the ledger for."""
        return DecisionQuery(
            subject=self.subject or None,
            model=self.model or None,
            outcome=self.outcome or None,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            cursor=self.cursor or None,
            limit=limit,
        )

    def parameters(self) -> dict[str, str]:
        """Return the filter as an address carries it: never the subject, and no empty member."""
        written = {
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "outcome": self.outcome,
            "model": self.model,
            "cursor": self.cursor,
        }
        return {name: value for name, value in written.items() if value}

    def address(self, path: str) -> str:
        """Return the address of this list under `path`."""
        query = urlencode(self.parameters())
        return f"{path}?{query}" if query else path

    def first_page(self) -> Self:
        """Return the same filter at its newest decision."""
        return replace(self, cursor="")

    def hidden(self, *names: str) -> tuple[Hidden, ...]:
        """Return the named members that are set, as hidden fields of a form."""
        written = self.parameters()
        return tuple(Hidden(name, written[name]) for name in names if name in written)

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return self.first_page() != Filter()


def _midnight(value: date) -> datetime:
    return datetime.combine(value, time(), UTC)


def _day(values: Mapping[str, str], name: str) -> date | None:
    written = values.get(name, "")
    if not written:
        return None
    try:
        read = date.fromisoformat(written)
    except ValueError:
        raise MalformedError("give a day such as 2026-05-14", member=name) from None
    if read.isoformat() != written or not FIRST_DAY <= read <= LAST_DAY:
        raise MalformedError("give a day such as 2026-05-14", member=name)
    return read


def _matching(values: Mapping[str, str], name: str, pattern: re.Pattern[str], longest: int) -> str:
    written = values.get(name, "")
    if written and (len(written) > longest or not pattern.fullmatch(written)):
        raise MalformedError("not in the form that our own links have", member=name)
    return written
