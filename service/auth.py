"""Who is calling, and why: bearer keys, roles, purposes.

Every read of a decision is written to the access log before anything is shown; if
that write fails, so does the read. The purpose and the case come with the request,
as headers, because an address would leave them in places that nobody guards.
"""

import re
from typing import Final

from flask import g, request

from ledger import errors
from ledger.operate.access_log import Purpose
from ledger.operate.credentials import ApiKeys
from ledger.roles import Permission, Principal
from service.problems import Problem
from service.reading import DEFAULT_PURPOSE, Caller
from service.runtime import Runtime

__all__ = ["DEFAULT_PURPOSE", "Caller", "bearer", "caller", "permit"]

MAX_HEADER_CHARS: Final = 256  # characters; our keys have fewer than 120

_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
# Asking for these without the role is on the access log, as reading is.
_WATCHED: Final = frozenset(
    {
        Permission.ACCESSES_REVIEW,
        Permission.DECISIONS_FIND,
        Permission.CORRECTIONS_MAKE,
        Permission.DECISIONS_READ,
        Permission.DISCLOSURES_ISSUE,
        Permission.DISCLOSURES_READ,
        Permission.ERASURES_MANAGE,
        Permission.ERASURES_READ,
        Permission.EXPLANATIONS_ISSUE,
        Permission.HOLDS_MANAGE,
        Permission.HOLDS_READ,
        Permission.SUBJECTS_EXPORT,
    }
)


def bearer(authorization: str | None, keys: ApiKeys) -> Principal:
    """The principal whose key the header carries.

    Raises:
        Problem: `unauthenticated`, the same whether the key is absent, wrong or revoked;
            `key-expired`, to who has a key whose time is up.
        PushbackError: the database does not answer, which says nothing about the key.
    """
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip() or len(key) > MAX_HEADER_CHARS:
        raise _unauthenticated("Send Authorization: Bearer and your key.")
    try:
        return keys.authenticate(key.strip())
    except errors.KeyExpired as error:
        raise _unauthenticated(
            "This key was valid until its time was up.", "key-expired"
        ) from error
    except errors.RefusedError as error:
        raise _unauthenticated("This key is not valid here.") from error


def permit(runtime: Runtime, permission: Permission) -> Caller:
    """The caller of this request, who may do what `permission` names.

    Raises:
        Problem: no valid key, or a purpose or case that is not a code.
        PermissionRefused: the caller's role does not carry it; the refusal is on the log.
    """
    principal = bearer(request.headers.get("Authorization"), runtime.api_keys)
    purpose = request.headers.get("Ledger-Purpose", DEFAULT_PURPOSE)
    if purpose not in list(Purpose):
        codes = ", ".join(Purpose)
        raise Problem("malformed", f"Give one of these codes: {codes}.", "Ledger-Purpose")
    case = request.headers.get("Ledger-Case", "")
    if case and not _CASE.fullmatch(case):
        raise Problem("malformed", "Give a reference, not a person's name.", "Ledger-Case")
    if not principal.may(permission) and permission in _WATCHED:
        runtime.access_log.deny(
            principal, purpose=purpose, case=case, records=(), fields=(permission.value,)
        )
    principal.require(permission)
    g.caller = found = Caller(principal, purpose, case)
    return found


def caller() -> Caller:
    """The caller that `permit` let through for this request."""
    found = g.caller
    if not isinstance(found, Caller):
        raise TypeError("no permission was asked for")
    return found


def _unauthenticated(detail: str, slug: str = "unauthenticated") -> Problem:
    return Problem(slug, detail, headers={"WWW-Authenticate": 'Bearer realm="ledger"'})
