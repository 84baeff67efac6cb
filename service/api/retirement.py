"""Erasing people and records, and the legal holds that keep them from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from flask import Response, request

from ledger.errors import HoldInForce, MalformedError
from ledger.operate.erasure import Erasure, Hold, HoldTerms
from ledger.roles import Permission
from service import auth
from service.api import bodies
from service.api import retirement_schemas as forms
from service.api.routes import Routes, answer, runtime
from service.erasing import COMPLAIN, Officer
from service.problems import Problem

__all__ = ["routes", "shown_erasure", "shown_hold"]

routes = Routes("erasures", "Erase people and records for good; hold them for a legal matter.")

_REQUEST: Final = forms.ErasureRequestSchema()
_REFUSAL: Final = forms.ErasureRefusalSchema()
_HOLD: Final = forms.HoldRequestSchema()
_RESTRICTION: Final = forms.RestrictionRequestSchema()
_RELEASE: Final = forms.HoldReleaseSchema()
_GONE: Final = ("not-found", "erased", "wrong-stage", "unavailable")
_TWO: Final = (*_GONE, "second-person", "hold-in-force")


@contextmanager
def _content() -> Iterator[None]:
    """What a readable body says may be refused as `invalid`; what is not there is not there."""
    try:
        yield
    except MalformedError as error:
        raise Problem("invalid", str(error), error.member) from error


def _officer() -> Officer:
    return Officer(runtime(), auth.caller())


@routes.add(
    "POST", "/v1/erasures", Permission.ERASURES_MANAGE,
    body=forms.ErasureRequestSchema,
    returns={201: forms.ErasureSchema, 200: forms.ErasureSchema}, problems=_GONE,
)  # fmt: skip
def request_erasure() -> Response:
    """Ask for the erasure of a person, by your reference, or of up to 1,000 decisions.

    Nothing is erased before a second officer approves it. A request about a person that
    stands undecided is the answer to the next one (200). Of a person about whom everything
    is erased already the answer is 410 with the id of that erasure.
    """
    read: dict[str, Any] = bodies.checked(_REQUEST, bodies.json_body())
    with _content():
        found, new = _officer().request(
            read["ground"], subject=read.get("subject"), records=read.get("records", ())
        )
    where = {"Location": f"{request.script_root}/v1/erasures/{found.id}"}
    return answer(shown_erasure(found), 201 if new else 200, where)


@routes.add(
    "GET",
    "/v1/erasures",
    Permission.ERASURES_READ,
    returns={200: forms.ErasureListSchema},
)
def list_erasures() -> Response:
    """Every request, oldest first, with how far it has come."""
    return answer({"erasures": [shown_erasure(each) for each in _officer().erasures()]})


@routes.add(
    "GET", "/v1/erasures/<erasure_id>", Permission.ERASURES_READ,
    returns={200: forms.ErasureSchema}, problems=("not-found",),
)  # fmt: skip
def show_erasure(erasure_id: str) -> Response:
    """One request, with the decisions that stay and the legal hold that keeps each."""
    found, kept = _officer().erasure(erasure_id)
    told = {"kept": [{"decision": record, "hold": hold} for record, hold in kept]}
    return answer(shown_erasure(found) | told)


@routes.add(
    "POST", "/v1/erasures/<erasure_id>/approve", Permission.ERASURES_MANAGE,
    returns={200: forms.ErasureSchema}, problems=_TWO,
)  # fmt: skip
def approve_erasure(erasure_id: str) -> Response:
    """Agree to a request of somebody else, and erase: it cannot be taken back.

    Answers when it is done. If the answer is lost, ask again: it goes on from where it stands.
    """
    try:
        return answer(shown_erasure(_officer().approve(erasure_id)))
    except HoldInForce as error:
        told = {"holds": list(error.holds), "complain": COMPLAIN}
        raise Problem("hold-in-force", str(error), told=told) from error


@routes.add(
    "POST", "/v1/erasures/<erasure_id>/refuse", Permission.ERASURES_MANAGE,
    body=forms.ErasureRefusalSchema, returns={200: forms.ErasureSchema}, problems=_GONE,
)  # fmt: skip
def refuse_erasure(erasure_id: str) -> Response:
    """Refuse a request for a reason on the list. The person has to be told, see `complain`."""
    read: dict[str, Any] = bodies.checked(_REFUSAL, bodies.json_body())
    with _content():
        return answer(shown_erasure(_officer().refuse(erasure_id, read["reason"])))


@routes.add(
    "POST", "/v1/erasures/<erasure_id>/resume", Permission.ERASURES_MANAGE,
    returns={200: forms.ErasureSchema}, problems=_GONE,
)  # fmt: skip
def resume_erasure(erasure_id: str) -> Response:
    """Go on with an erasure that was approved and cut short; the next start does it as well."""
    return answer(shown_erasure(_officer().resume(erasure_id)))


@routes.add(
    "GET", "/v1/erasures/<erasure_id>/certificate", Permission.ERASURES_READ,
    returns={200: {"application/json": {"type": "object"}}}, problems=("not-found", "wrong-stage"),
)  # fmt: skip
def certificate(erasure_id: str) -> Response:
    """What was erased, when, why and how, with the proofs: for the person concerned.

    Its form is docs/erasure-certificate.schema.json; no value of the person is in it.
    """
    return answer(_officer().certificate(erasure_id).to_json())


@routes.add(
    "POST", "/v1/holds", Permission.HOLDS_MANAGE,
    body=forms.HoldRequestSchema, returns={201: forms.HoldSchema},
    problems=("not-found", "erased", "conflict", "unavailable"),
)  # fmt: skip
def set_hold() -> Response:
    """Hold a person's decisions, later ones too, or up to 1,000 decisions, for a named matter."""
    read: dict[str, Any] = bodies.checked(_HOLD, bodies.json_body())
    with _content():
        review = _review(read["review_at"])
        terms = HoldTerms(read["matter"], read["ground"], read["owner"], review)
        found = _officer().set_hold(
            terms, subject=read.get("subject"), records=read.get("records", ())
        )
    where = {"Location": f"{request.script_root}/v1/holds/{found.id}"}
    return answer(shown_hold(found), 201, where)


@routes.add(
    "POST", "/v1/restrictions", Permission.HOLDS_MANAGE,
    body=forms.RestrictionRequestSchema, returns={201: forms.HoldSchema},
    problems=("not-found", "erased", "conflict", "unavailable"),
)  # fmt: skip
def restrict() -> Response:
    """Restrict the use of a person's decisions, later ones too, or of up to 1,000 decisions.

    Until it is lifted they are stored, and read for the purposes of GDPR Art. 18(2) only. It is
    kept as a hold is, and listed among them.
    """
    read: dict[str, Any] = bodies.checked(_RESTRICTION, bodies.json_body())
    with _content():
        found = _officer().restrict(
            read["ground"], _review(read["review_at"]),
            subject=read.get("subject"), records=read.get("records", ()),
        )  # fmt: skip
    where = {"Location": f"{request.script_root}/v1/holds/{found.id}"}
    return answer(shown_hold(found), 201, where)


@routes.add(
    "POST", "/v1/holds/<hold_id>/informed", Permission.HOLDS_MANAGE,
    returns={200: forms.HoldSchema}, problems=("not-found", "wrong-stage", "unavailable"),
)  # fmt: skip
def informed(hold_id: str) -> Response:
    """Note that the person was told that a restriction is to be lifted: needed before it is."""
    return answer(shown_hold(_officer().informed(hold_id)))


@routes.add("GET", "/v1/holds", Permission.HOLDS_READ, returns={200: forms.HoldListSchema})
def list_holds() -> Response:
    """Every hold, oldest first, with its matter, and whether its review is overdue."""
    return answer({"holds": [shown_hold(hold, terms) for hold, terms in _officer().holds()]})


@routes.add(
    "GET", "/v1/holds/<hold_id>", Permission.HOLDS_READ,
    returns={200: forms.HoldSchema}, problems=("not-found",),
)  # fmt: skip
def show_hold(hold_id: str) -> Response:
    """One hold."""
    return answer(shown_hold(*_officer().hold(hold_id)))


@routes.add(
    "POST", "/v1/holds/<hold_id>/release", Permission.HOLDS_MANAGE,
    body=forms.HoldReleaseSchema, returns={200: forms.HoldSchema},
    problems=("not-found", "wrong-stage", "second-person", "unavailable"),
)  # fmt: skip
def release_hold(hold_id: str) -> Response:
    """Ask for the release of a hold; when a second officer asks as well, it is released."""
    read: dict[str, Any] = bodies.checked(_RELEASE, bodies.json_body())
    with _content():
        return answer(shown_hold(_officer().release_hold(hold_id, read["reason"])))


def shown_erasure(erasure: Erasure) -> dict[str, Any]:
    """A request as JSON; the credentials are ids, the person is not in it."""
    shown: dict[str, Any] = {
        "id": erasure.id,
        "stage": erasure.stage.value,
        "scope": "person" if erasure.whole_person else "records",
        "ground": erasure.ground.value,
        "requester": erasure.requester,
        "requested_at": _written(erasure.requested_at),
        "decided_by": erasure.approver,
        "decided_at": _written(erasure.approved_at),
        "done_at": _written(erasure.done_at),
        "cleaned_at": _written(erasure.cleaned_at),
        "decisions": erasure.decisions,
        "attached": erasure.attached,
        "held": erasure.held,
    }
    if erasure.reason is not None:
        shown |= {"reason": erasure.reason, "complain": COMPLAIN}
    return shown


def shown_hold(hold: Hold, terms: Any = None) -> dict[str, Any]:
    """A hold as JSON, with what it says if that is given."""
    shown: dict[str, Any] = {
        "id": hold.id,
        "entry": hold.entry_id,
        "on_record": hold.logged,
        "scope": "person" if hold.whole_person else "records",
        "setter": hold.setter,
        "set_at": _written(hold.set_at),
        "review_at": _written(hold.review_at),
        "overdue": runtime().holds.overdue(hold),
        "release_asked_by": hold.releaser,
        "released_at": _written(hold.released_at),
        "restriction": hold.restriction,
        "informed_at": _written(hold.informed_at),
    }
    for member in ("matter", "ground", "owner", "records"):
        if terms is not None:
            shown[member] = terms[member]
    return shown


def _review(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem("invalid", "Give a time that exists.", "review_at") from None


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")
