"""Disclosures: chosen fields of chosen decisions to somebody outside, and who got what."""

from typing import Any, Final

from flask import Response
from marshmallow import fields, validate

from ledger.errors import MalformedError
from ledger.roles import Permission
from ledger.verify.disclosure import MAX_DISCLOSED, MAX_TEXT_CHARACTERS, Ground, Manifest
from service import auth
from service.api import bodies
from service.api.decisions import written
from service.api.routes import Routes, answer, runtime
from service.api.schemas import Strict
from service.disclosing import MAX_NAMES, Disclosing, Wanted
from service.problems import Problem

__all__ = ["handed_over", "routes"]

routes = Routes("disclosures", "Show chosen fields to an outsider, who checks them offline.")

ZIP: Final = "application/zip"
_BINARY_SCHEMA: Final = {"type": "string", "format": "binary"}


def _line() -> Any:
    return fields.String(required=True, validate=validate.Length(1, MAX_TEXT_CHARACTERS))


class DisclosureRequestSchema(Strict):
    """What is to be disclosed, to whom and why."""

    records = fields.List(
        fields.String(), required=True, validate=validate.Length(1, MAX_DISCLOSED),
        metadata={"description": "Ids of decisions."},
    )  # fmt: skip
    fields_ = fields.List(
        fields.String(), data_key="fields", required=True, validate=validate.Length(1, MAX_NAMES),
        metadata={"description": "Such as `input.income`, or a section: `output`, `explanation`."},
    )  # fmt: skip
    recipient = _line()
    ground = fields.String(required=True, validate=validate.OneOf(sorted(Ground)))
    purpose = _line()


class DisclosureIssueSchema(DisclosureRequestSchema):
    """The same, and the token of the officer who asked for it, if it is of many records."""

    token = fields.String(validate=validate.Length(1, 200))


class TokenSchema(Strict):
    """What shows that an officer asked for exactly this."""

    token = fields.String(required=True)


class DisclosureSchema(Strict):
    """A disclosure that was issued."""

    id = fields.String(required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    recipient = fields.String(required=True)
    ground = fields.String(required=True)
    purpose = fields.String(required=True)


class DisclosureListSchema(Strict):
    """The disclosures of a decision, oldest first."""

    disclosures = fields.List(fields.Nested(DisclosureSchema), required=True)


_REQUEST: Final = DisclosureRequestSchema()
_ISSUE: Final = DisclosureIssueSchema()


def handed_over(manifest: Manifest, package: bytes) -> Response:
    """A package as a download."""
    response = Response(package, content_type=ZIP)
    response.headers["Content-Disposition"] = f'attachment; filename="disclosure-{manifest.id}.zip"'
    return response


def _disclosing() -> Disclosing:
    return Disclosing(runtime(), auth.caller())


def _wanted(read: dict[str, Any]) -> Wanted:
    return Wanted(
        records=tuple(read["records"]),
        fields=tuple(read["fields_"]),
        recipient=read["recipient"],
        ground=read["ground"],
        purpose=read["purpose"],
    )


@routes.add(
    "POST", "/v1/disclosures", Permission.DISCLOSURES_ISSUE,
    body=DisclosureIssueSchema, returns={200: {ZIP: _BINARY_SCHEMA}},
    problems=("not-found", "erased", "second-person", "restricted", "unavailable"),
)  # fmt: skip
def issue() -> Response:
    """A package of these fields for this recipient, who checks it with `python -m ledger.verify`.

    It is on the access log and on the log of decisions before it is handed over. Of more
    than 20 records, another officer has to have asked for exactly this within a week.
    """
    read: dict[str, Any] = bodies.checked(_ISSUE, bodies.json_body())
    try:
        manifest, package = _disclosing().issue(_wanted(read), read.get("token", ""))
    except MalformedError as error:
        raise Problem("invalid", str(error), error.member) from error
    return handed_over(manifest, package)


@routes.add(
    "POST", "/v1/disclosures/requests", Permission.DISCLOSURES_ISSUE,
    body=DisclosureRequestSchema, returns={200: TokenSchema}, problems=("restricted",),
)  # fmt: skip
def ask() -> Response:
    """Ask for a disclosure of many records: a token with which another officer issues it."""
    read: dict[str, Any] = bodies.checked(_REQUEST, bodies.json_body())
    try:
        return answer({"token": _disclosing().ask(_wanted(read))})
    except MalformedError as error:
        raise Problem("invalid", str(error), error.member) from error


@routes.add(
    "GET", "/v1/decisions/<decision_id>/disclosures", Permission.DISCLOSURES_READ,
    returns={200: DisclosureListSchema}, problems=("not-found", "restricted"),
)  # fmt: skip
def list_disclosures(decision_id: str) -> Response:
    """To whom a decision was disclosed, when and what for (GDPR Art. 15(1)(c), 19)."""
    found = _disclosing().about(decision_id)
    return answer({
        "disclosures": [
            {"id": each.id, "at": written(at), "recipient": each.recipient,
             "ground": each.ground.value, "purpose": each.purpose}
            for at, each in found
        ]
    })  # fmt: skip
