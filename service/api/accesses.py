"""Who looked, by pseudonym and month; and whose records are a colleague's own."""

from typing import Any, Final

from flask import Response
from marshmallow import fields, validate

from ledger.roles import Permission
from service import auth
from service.access_patterns import CODES, as_json, report
from service.api import bodies
from service.api.routes import Routes, answer, runtime
from service.api.schemas import MAX_REFERENCE, Strict
from service.own_looks import Declared, Declaring

__all__ = ["routes"]

routes = Routes("accesses", "Review who looked at records: by pseudonym, never by name.")

MAX_KEY_ID: Final = 64  # characters; ours have 16


class TallySchema(Strict):
    """How many looks, at how many records, and how many of the looks were what."""

    looks = fields.Integer(required=True)
    records = fields.Integer(required=True)
    denied = fields.Integer(required=True)
    without_case = fields.Integer(required=True)
    outside = fields.Integer(required=True, metadata={"description": "Out of office hours."})
    own = fields.Integer(required=True, metadata={"description": "At their own records."})


class AccessDaySchema(TallySchema):
    """The looks of one pseudonym in one role, for one purpose, on one day (UTC)."""

    day = fields.Date(required=True)
    actor = fields.String(required=True, metadata={"description": "A pseudonym of the month."})
    role = fields.String(required=True)
    purpose = fields.String(required=True)


class AccessFindingSchema(Strict):
    """Something to ask about: no proof of a wrong."""

    code = fields.String(required=True, validate=validate.OneOf(CODES))
    day = fields.Date(required=True)
    actor = fields.String(required=True)
    role = fields.String(required=True)
    count = fields.Integer(required=True)
    usual = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "The median that a spike stands out from."},
    )


class AccessPatternsSchema(TallySchema):
    """What a month of looks shows."""

    month = fields.String(required=True)
    actors = fields.Integer(required=True, metadata={"description": "Pseudonyms that looked."})
    days = fields.List(fields.Nested(AccessDaySchema), required=True)
    findings = fields.List(fields.Nested(AccessFindingSchema), required=True)


class OwnReferenceSchema(Strict):
    """Whose reference, and which."""

    key = fields.String(
        required=True,
        validate=validate.Length(1, MAX_KEY_ID),
        metadata={"description": "The id of an API key, as `decision-ledger key list` has it."},
    )
    subject = fields.String(required=True, validate=validate.Length(1, MAX_REFERENCE))


class OwnReferenceWithdrawalSchema(OwnReferenceSchema):
    """Whose reference, and which; all of the key's if none is named."""

    subject = fields.String(validate=validate.Length(1, MAX_REFERENCE))


class DeclaredSchema(Strict):
    """How many references are kept of a key."""

    key = fields.String(required=True)
    name = fields.String(required=True)
    count = fields.Integer(required=True)


class DeclaredListSchema(Strict):
    """The keys of which references are kept."""

    declared = fields.List(fields.Nested(DeclaredSchema), required=True)


_DECLARE: Final = OwnReferenceSchema()
_WITHDRAW: Final = OwnReferenceWithdrawalSchema()


@routes.add(
    "GET", "/v1/accesses/<month>", Permission.ACCESSES_REVIEW,
    returns={200: AccessPatternsSchema}, problems=("malformed", "unavailable"),
)  # fmt: skip
def patterns(month: str) -> Response:
    """The looks of a month, such as `2026-05`, by day, pseudonym, role and purpose.

    `findings` are what stands out. Pseudonyms change with the month, and none is resolved.
    """
    return answer(as_json(month, report(runtime(), auth.caller(), month)))


@routes.add(
    "GET", "/v1/own-references", Permission.ACCESSES_REVIEW, returns={200: DeclaredListSchema}
)
def list_own() -> Response:
    """For whose keys references were declared, and how many: never which."""
    return answer({"declared": [_shown(each) for each in _declaring().all()]})


@routes.add(
    "POST", "/v1/own-references", Permission.ACCESSES_REVIEW,
    body=OwnReferenceSchema, returns={200: DeclaredSchema}, problems=("not-found",),
)  # fmt: skip
def declare() -> Response:
    """Declare a reference as that of a key's holder, or of somebody close to them.

    Looks at it are marked from then on, earlier ones too. Only a keyed hash of it is kept, and
    the answer does not tell whether anything is held about it.
    """
    read: dict[str, Any] = bodies.checked(_DECLARE, bodies.json_body())
    with bodies.content():
        return answer(_shown(_declaring().declare(read["key"], read["subject"])))


@routes.add(
    "POST", "/v1/own-references/withdraw", Permission.ACCESSES_REVIEW,
    body=OwnReferenceWithdrawalSchema, returns={200: DeclaredSchema},
    problems=("not-found", "second-person"),
)  # fmt: skip
def withdraw() -> Response:
    """Forget a reference of a key, or all of them; never the caller's own."""
    read: dict[str, Any] = bodies.checked(_WITHDRAW, bodies.json_body())
    with bodies.content():
        return answer(_shown(_declaring().withdraw(read["key"], read.get("subject"))))


def _declaring() -> Declaring:
    return Declaring(runtime(), auth.caller())


def _shown(each: Declared) -> dict[str, Any]:
    return {"key": each.key, "name": each.name, "count": each.count}
