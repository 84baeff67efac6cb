"""Problems: what a caller is told when a request fails (RFC 9457).

One table gives each kind of problem its stable address, status and advice; one
function turns any exception into one of them. A problem names the JSON member at
fault and never quotes its value, and an unforeseen error says nothing about itself
beyond the id under which the operator finds it in the log.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, g, json
from werkzeug.exceptions import HTTPException

from explain.errors import ExplainError, LetterWithheld
from ledger import errors
from ledger.private_files import ROOM_SECONDS, no_room
from reports.errors import ReportError
from service.log_lines import place_of
from service.meters import meters

__all__ = ["KINDS", "Kind", "Problem", "problem_of", "register", "render"]

MEDIA_TYPE: Final = "application/problem+json"
STOPPED_SECONDS: Final = 60.0  # until somebody may have seen to a log that stopped
MAX_DETAIL_CHARS: Final = 500  # characters; a sentence or two, whatever a library had to say

_log = logging.getLogger("service.problems")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its address, title and status, and what to do about it."""

    slug: str
    status: int
    title: str
    advice: str


_TABLE: Final = (
    Kind("malformed", 400, "The request is not in the form we read", "Correct it and send it "
         "again. `member` names the place. Bodies are JSON in UTF-8: no duplicate names, no NaN "
         "or infinity, no integer beyond 2^53 - 1."),
    Kind("unauthenticated", 401, "A key is needed", "Send `Authorization: Bearer dl_…`. The "
         "operator issues keys with `decision-ledger key issue`."),
    Kind("key-expired", 401, "Your key has expired", "Ask the operator for a new one; nothing was "
         "stored. `decision-ledger key list` tells the operator which keys end soon."),
    Kind("refused", 403, "Your role does not allow this", "Ask the operator for a key whose role "
         "carries the permission, or ask someone who has it."),
    Kind("second-person", 403, "Another person has to agree to this", "Ask a second officer, "
         "with a key of their own. Two keys of one holder are one person."),
    Kind("restricted", 403, "A legal hold restricts the use of this", "`holds` names the hold. "
         "Read it for a complaint or on request of the person concerned, or ask the data "
         "protection officer."),
    Kind("not-found", 404, "There is nothing here", "Check the id. What was never recorded and "
         "what you may not know about look alike."),
    Kind("not-issued", 404, "No explanation has been issued for this decision", "Ask someone "
         "whose role may issue explanations to open it first."),
    Kind("pruned", 404, "This part of the log is no longer published", "`detail` names the first "
         "entry that still is, and the retention policy. `/log/<name>/minimum-index` says the "
         "same. What was proved stays proved; the operator still has the entries."),
    Kind("method-not-allowed", 405, "This address does not take that method", "The `Allow` header "
         "lists the methods that it takes."),
    Kind("not-acceptable", 406, "None of the accepted media types is offered", "Change the "
         "`Accept` header; `detail` lists what is offered."),
    Kind("conflict", 409, "It was recorded before with other content", "An id is used once. Send "
         "the same content to get the original receipt, or another id for other content."),
    Kind("wrong-stage", 409, "It is not at the stage that this needs", "Read it again: somebody "
         "may have decided or finished it meanwhile. `detail` says where it stands."),
    Kind("hold-in-force", 409, "A legal hold forbids erasing this", "`holds` names the holds. "
         "Tell the person the reasons within one month, and that they may complain to a "
         "supervisory authority (GDPR Art. 77) or go to court (Art. 12(4), 79). Ask again once it "
         "is released."),
    Kind("erased", 410, "It was erased and its key destroyed", "Nobody can open it again. The "
         "log still proves that there was an entry. `tombstone` is where it says so, and `erasure` "
         "the request, if they are known."),
    Kind("too-large", 413, "The body is larger than the limit", "Split the batch. A request to "
         "record decisions takes 5,000,000 bytes and 1,000 decisions."),
    Kind("unsupported-media-type", 415, "The body is of a type that we do not read", "Send JSON "
         "with `Content-Type: application/json` and no content coding."),
    Kind("invalid", 422, "The request reads well but breaks a rule", "`member` names the place "
         "and `detail` the rule. Nothing was stored."),
    Kind("unverified", 422, "A check of authenticity failed", "Keep what you have and tell the "
         "operator: this can mean that the records were changed."),
    Kind("not-explainable", 422, "This decision cannot be explained as asked", "The model, the "
         "input or the recorded attributions do not fit together; `detail` says how."),
    Kind("letter-withheld", 422, "No letter is made automatically: a person writes it", "`gates` "
         "names the checks of the explanation that failed. `GET .../explanation` as JSON says what "
         "each found. Give that to a person who may decide what is told, and have them write it."),
    Kind("internal", 500, "We failed", "Not your request's fault. Give the operator the id in "
         "`instance`."),
    Kind("unavailable", 503, "The ledger cannot take this right now", "Wait for the seconds in "
         "`Retry-After` and send it again; recording twice under one id is safe."),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = {kind.slug: kind for kind in _TABLE}

# The first class that matches decides, so children stand before their parents.
_LEDGER: Final = (
    (errors.MalformedError, "malformed"),
    (errors.VerificationError, "unverified"),
    (errors.WrongStage, "wrong-stage"),
    (errors.ConflictError, "conflict"),
    (errors.PushbackError, "unavailable"),
    (errors.ErasedError, "erased"),
    (errors.NotFoundError, "not-found"),
    (errors.RestrictedError, "restricted"),
    (errors.HoldInForce, "hold-in-force"),
    (errors.SecondPersonNeeded, "second-person"),
    (errors.KeyExpired, "key-expired"),
    (errors.RefusedError, "refused"),
)
_HTTP: Final = {kind.status: kind.slug for kind in reversed(_TABLE)}


class Problem(Exception):  # RFC 9457 calls it a problem, and it is raised as one
    """One problem of one request; raise it, or get it from `problem_of`.

    Attributes:
        slug: which kind, a key of `KINDS`.
        detail: one sentence about this occurrence, without anyone's data.
        member: the JSON member at fault as a dotted path, or None.
        headers: HTTP headers that belong to it.
        others: further (member, detail) pairs found in the same request.
        told: further members particular to the kind, such as the tombstone of what was erased.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        member: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        others: tuple[tuple[str, str], ...] = (),
        told: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.member = member
        self.headers = dict(headers or {})
        self.others = others
        self.told = dict(told or {})

    @property
    def kind(self) -> Kind:
        """The row of the table that this problem belongs to."""
        return KINDS[self.slug]

    def to_json(self, instance: str) -> dict[str, object]:
        """The members of RFC 9457, and `member` and `errors` of our own."""
        body: dict[str, object] = {
            "type": f"/problems/{self.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail[:MAX_DETAIL_CHARS],
            "instance": instance,
        }
        if self.member:
            body["member"] = self.member
        if self.others:
            body["errors"] = [{"member": m, "detail": d} for m, d in self.others]
        return body | self.told


def problem_of(error: BaseException) -> Problem:
    """The problem that a caller is told of when `error` ended the request."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if isinstance(error, OSError) and no_room(error):
        error = errors.PushbackError("a disk of the ledger is full", retry_after=ROOM_SECONDS)
    member = getattr(error, "member", None)
    if isinstance(error, (errors.PushbackError, errors.StoppedError)):
        seconds = getattr(error, "retry_after", STOPPED_SECONDS)
        wait = {"Retry-After": str(max(1, round(seconds)))}
        return Problem("unavailable", str(error), member, headers=wait)
    for kind, slug in _LEDGER:
        if isinstance(error, kind):
            return Problem(slug, str(error), member, told=_told(error))
    if isinstance(error, (ExplainError, ReportError)):
        slug = "letter-withheld" if isinstance(error, LetterWithheld) else "not-explainable"
        return Problem(slug, str(error), member, told=_told(error))
    return Problem("internal", "Something went wrong on our side; it has been noted.")


def _told(error: BaseException) -> dict[str, object]:
    if isinstance(error, errors.ErasedError):
        found = {"tombstone": error.tombstone, "erasure": error.erasure}
        return {name: value for name, value in found.items() if value is not None}
    if isinstance(error, errors.HoldInForce):
        return {"holds": list(error.holds)}
    if isinstance(error, LetterWithheld):
        return {"gates": list(error.gates)}
    return {}


def render(problem: Problem) -> Response:
    """The response that carries the problem; its instance is the request's id."""
    meters().problems.labels(problem.slug).inc()
    body = problem.to_json(f"urn:uuid:{g.get('request_id', '')}")
    response = Response(json.dumps(body), problem.kind.status, content_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def register(app: Flask) -> None:
    """Answer every failed request of the app with a problem."""

    def answer(error: Exception) -> Response:
        problem = problem_of(error)
        if problem.slug == "internal":
            # The traceback names code and line; arguments could hold a person's data, so
            # the message is left out and only the class of the error is written.
            _log.error(
                "request %s failed: %s at %s",
                g.get("request_id", "-"),
                type(error).__name__,
                place_of(error.__traceback__),
            )
        return render(problem)

    # HTTPException has its own line because Flask would else prefer an extension's handler.
    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(Exception, answer)


def _http_problem(error: HTTPException) -> Problem:
    code = error.code or 500
    slug = _HTTP.get(code, "internal" if code >= 500 else "malformed")  # noqa: PLR2004  # RFC 9110 §15.6
    headers = {}
    valid = getattr(error, "valid_methods", None)
    if valid:
        headers["Allow"] = ", ".join(sorted(valid))
    if slug == "internal":
        return Problem(slug, "Something went wrong on our side; it has been noted.")
    detail = {
        404: "No such address.",
        405: "This method is not offered here.",
        413: "The body is larger than this address takes.",
    }.get(code, error.name + ".")
    return Problem(slug, detail, headers=headers)
