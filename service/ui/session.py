"""Browser sessions: who signed in with which key, for which purpose, until when.

The cookie is signed, not secret: it holds the id of the API key, the purpose and the case
reference as the visitor stated them, and the end of the session; never the key. Each
request asks again whether that key is still valid, so revoking it ends the session.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from flask import g, session

from ledger.errors import KeyExpired, RefusedError
from ledger.operate.access_log import Purpose
from ledger.operate.credentials import ApiKeys
from ledger.roles import Principal
from service.reading import Caller

__all__ = ["PURPOSES", "Visit", "begin", "current", "end", "visitor"]

LENGTH: Final = timedelta(hours=8)  # a working day; then the key is asked for again
MAX_KEY_CHARS: Final = 200  # characters; our keys have fewer than 120

PURPOSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Purpose.AUDIT: "Audit",
        Purpose.CASE_HANDLING: "Handling of a case",
        Purpose.COMPLAINT: "Complaint",
        Purpose.CONSENT: "Consent of the person concerned",
        Purpose.DATA_SUBJECT_REQUEST: "Request by the person concerned",
        Purpose.LEGAL_CLAIMS: "Legal claims",
        Purpose.MODEL_MONITORING: "Monitoring of a model",
        Purpose.PUBLIC_INTEREST: "Important public interest",
        Purpose.REVIEW: "Review of a decision",
        Purpose.RIGHTS_OF_ANOTHER: "Rights of another person",
        Purpose.SUPERVISION: "Supervision by an authority",
    }
)
"""What a visitor may need access for, by the code that the access log keeps, in words."""

_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")


@dataclass(frozen=True, slots=True)
class Visit:
    """One signed-in visitor."""

    caller: Caller
    until: datetime


def begin(keys: ApiKeys, key: str, purpose: str, case: str, now: datetime) -> Visit:
    """Start a session for the holder of `key`, and return it.

    Raises:
        RefusedError: the key is not valid, or purpose or case are not in the form we read.
    """
    if not 0 < len(key) <= MAX_KEY_CHARS:
        raise RefusedError("this key is not valid here")
    if purpose not in PURPOSES:
        raise RefusedError("choose what you need access for")
    if case and not _CASE.fullmatch(case):
        raise RefusedError("a case reference has letters, digits and . _ / - only, 64 at most")
    try:
        principal = keys.authenticate(key)
    except KeyExpired as error:
        raise RefusedError("this key has expired; ask for a new one") from error
    except RefusedError as error:
        raise RefusedError("this key is not valid here") from error
    until = (now + LENGTH).replace(microsecond=0)
    session.clear()  # nothing of an earlier visitor, the form token included, lives on
    session.update(key=principal.id, purpose=purpose, case=case, until=int(until.timestamp()))
    return Visit(Caller(principal, purpose, case), until)


def current(keys: ApiKeys, now: datetime) -> Visit | None:
    """Return this request's visit, or None if there is none, it ended, or its key did."""
    id_, until = session.get("key"), session.get("until")
    if not isinstance(id_, str) or not isinstance(until, int) or now.timestamp() >= until:
        return None
    try:
        principal = keys.principal(id_)
    except RefusedError:
        return None
    caller = Caller(principal, session.get("purpose", ""), session.get("case", ""))
    return Visit(caller, datetime.fromtimestamp(until, UTC))


def end() -> None:
    """Forget the session."""
    session.clear()


def visitor() -> Principal:
    """Who visits the page that is being made.

    Raises:
        TypeError: it was reached without a session, which its blueprint should not allow.
    """
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    return visit.caller.principal
