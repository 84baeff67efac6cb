"""What a person is entitled to: a copy of everything that is held about them."""

import re
from collections.abc import Iterator
from datetime import date
from typing import IO, Any, Final

from flask import Response
from marshmallow import fields, validate

from ledger.roles import Permission
from service import auth
from service.api import bodies
from service.api.routes import Routes, runtime
from service.api.schemas import MAX_REFERENCE, Strict
from service.problems import Problem
from service.subject_copy.making import Copy, CopyRequest, make_copy

__all__ = ["CopyRequestSchema", "asked_for", "handed_over", "routes"]

routes = Routes("subjects", "What a person is entitled to, by your reference to them.")

ZIP: Final = "application/zip"
_CHUNK: Final = 1 << 16
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class CopyRequestSchema(Strict):
    """Whose data, when the request came, in which language."""

    subject = fields.String(required=True, validate=validate.Length(1, MAX_REFERENCE))
    received_on = fields.String(
        validate=validate.Regexp(_DAY, error="Give a day such as 2026-05-14."),
        metadata={"description": "When the request came; today if absent."},
    )
    language = fields.String(
        validate=validate.Length(1, 35),
        metadata={"description": "Of the pages, as a tag; the ledger's own if absent."},
    )
    withhold = fields.List(
        fields.String(validate=validate.Length(1, MAX_REFERENCE)),
        validate=validate.Length(max=100),
        metadata={"description": "Members of decisions' contexts that are about somebody else."},
    )


_REQUEST: Final = CopyRequestSchema()


@routes.add(
    "POST", "/v1/subjects/export", Permission.SUBJECTS_EXPORT,
    body=CopyRequestSchema,
    returns={200: {ZIP: {"type": "string", "format": "binary"}}},
    problems=("not-found", "unavailable"),
)  # fmt: skip
def export() -> Response:
    """A copy of everything about one person, as a ZIP: pages, data, and the proofs of both.

    The reference stands in the body, never in an address. Where nothing is held, the copy says
    so. That it was handed out is on the log, and the reading on the access log, before it is
    sent; the purpose there is always `data_subject_request`. `Ledger-Answer-By` is the last day
    for the answer (GDPR Art. 12(3)).
    """
    read: dict[str, Any] = bodies.checked(_REQUEST, bodies.json_body())
    with bodies.content():
        asked = asked_for(read)
        return handed_over(make_copy(runtime(), auth.caller(), asked))


def asked_for(read: dict[str, Any]) -> CopyRequest:
    """The request that these members state; what is absent is today, and the ledger's language."""
    found = runtime()
    day = read.get("received_on")
    try:
        received = date.fromisoformat(day) if day else found.clock().date()
    except ValueError:
        raise Problem("invalid", "Give a day that exists.", "received_on") from None
    return CopyRequest(
        subject=read["subject"],
        received=received,
        language=read.get("language") or found.settings.language,
        withhold=tuple(read.get("withhold", ())),
    )


def handed_over(copy: Copy) -> Response:
    """The copy as a download, read from its file piece by piece."""
    response = Response(_pieces(copy.file), content_type=ZIP)
    response.call_on_close(copy.file.close)
    response.content_length = copy.size
    response.headers["Content-Disposition"] = f'attachment; filename="copy-{copy.id}.zip"'
    response.headers["Ledger-Export"] = copy.id
    response.headers["Ledger-Answer-By"] = copy.deadlines.answer_by.isoformat()
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece
