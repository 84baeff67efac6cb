"""What can be said and proved about one decision: explanation, letter, proof, replay."""

from typing import Any, Final, cast

from flask import Response

from ledger.operate.access_log import Manner
from ledger.roles import Permission
from service import auth
from service.api import evidence_schemas
from service.api.routes import Routes, accepted, answer, runtime
from service.explaining import Issued, NotIssued
from service.problems import Problem
from service.reading import Reading

__all__ = ["routes"]

routes = Routes("evidence", "Explanations, letters, proofs and replays of single decisions.")

JSON: Final = "application/json"
HTML: Final = "text/html"
PDF: Final = "application/pdf"
TEXT: Final = "text/plain"
COSE: Final = 'application/cose; cose-type="cose-sign1"'  # RFC 9052 §11.3.1
_SECTIONS: Final = ("attributions", "context", "input", "output")
_LETTER: Final = ("attributions", "context", "explanation", "input", "output")
_TEXT_SCHEMA: Final = {"type": "string"}
_BINARY_SCHEMA: Final = {"type": "string", "format": "binary"}


@routes.add(
    "GET", "/v1/decisions/<decision_id>/explanation", Permission.DECISIONS_READ,
    returns={
        200: {JSON: {"type": "object"}, HTML: _TEXT_SCHEMA, PDF: _BINARY_SCHEMA},
    },
    problems=("not-found", "erased", "not-acceptable", "not-explainable", "letter-withheld"),
)  # fmt: skip
def explanation(decision_id: str) -> Response:
    """Why this decision came out as it did.

    As JSON, or as the letter to the person in HTML or PDF, by `Accept`. The first reader
    whose role may issue explanations issues it: it is stored, committed to on the log, and
    every later reader gets the same one. The PDF carries its evidence as attachments.
    """
    media_type = accepted(JSON, HTML, PDF)
    reading = Reading(runtime(), auth.caller())
    if media_type == JSON:
        reading.note([decision_id], ("explanation",))
    else:  # the letter names inputs, and as PDF carries every section
        reading.note([decision_id], _LETTER, manner=Manner.PRINT)
    issued = _issued(decision_id)
    if media_type == JSON:
        return answer(
            {"decision": decision_id, "entry": issued.entry_id,
             "issued_at": issued.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
             "explanation": issued.explanation.to_json()},
            headers={"Vary": "Accept"},
        )  # fmt: skip
    issued.explanation.check_automatic()
    reporting = runtime().reporting
    if media_type == HTML:
        body: str | bytes = reporting.letter_html(decision_id, issued)
        return _document(body, "text/html; charset=utf-8")
    response = _document(reporting.letter_pdf(decision_id, issued), PDF)
    response.headers["Content-Disposition"] = f'inline; filename="explanation-{decision_id}.pdf"'
    return response


def _issued(decision_id: str) -> Issued:
    found = runtime()
    may_issue = auth.caller().principal.may(Permission.EXPLANATIONS_ISSUE)
    try:
        if may_issue:
            return found.explaining.issue(decision_id, found.settings.language)
        return found.explaining.issued(decision_id)
    except NotIssued as error:
        raise Problem(
            "not-issued", "None has been issued, and your role may read but not issue one."
        ) from error


def _document(body: str | bytes, media_type: str) -> Response:
    response = Response(body, content_type=media_type)
    response.headers["Vary"] = "Accept"
    # The letter is a document of its own: styles inside it, and nothing from anywhere.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return response


@routes.add(
    "GET", "/v1/decisions/<decision_id>/proof", Permission.DECISIONS_READ,
    returns={200: {TEXT: _TEXT_SCHEMA, JSON: evidence_schemas.ProofSchema}},
    problems=("not-found", "erased", "not-acceptable"),
)  # fmt: skip
def proof(decision_id: str) -> Response:
    """Proof that the decision is in the log, for `python -m ledger.verify`.

    As text, a C2SP tlog-proof that holds no personal data. As JSON, the same with the
    openings of every section: with them a reader checks that these values were logged.
    """
    media_type = accepted(TEXT, JSON)
    reading = Reading(runtime(), auth.caller())
    receipt = runtime().logs["decisions"].receipt
    if media_type == TEXT:
        reading.note([decision_id], ("proof",), manner=Manner.EXPORT)
        response = Response(receipt(decision_id).format(), content_type="text/plain; charset=utf-8")
        response.headers["Vary"] = "Accept"
        response.headers["Content-Disposition"] = f'inline; filename="{decision_id}.tlog-proof"'
        return response
    reading.note([decision_id], _SECTIONS, manner=Manner.EXPORT)
    return answer(runtime().reporting.evidence(decision_id), headers={"Vary": "Accept"})


@routes.add(
    "GET", "/v1/decisions/<decision_id>/attributions/proof", Permission.DECISIONS_READ,
    returns={200: {TEXT: _TEXT_SCHEMA, JSON: evidence_schemas.ProofSchema}},
    problems=("not-found", "erased", "not-acceptable"),
)  # fmt: skip
def attributions_proof(decision_id: str) -> Response:
    """Proof of the attributions that were worked out after the decision, and when that was.

    Of an entry of its own, in the forms that the decision's proof has. `not-found` where
    they came with the decision, or did not come yet.
    """
    media_type = accepted(TEXT, JSON)
    reading = Reading(runtime(), auth.caller())
    if media_type == JSON:
        reading.note([decision_id], ("attributions",), manner=Manner.EXPORT)
        return answer(runtime().reporting.later_evidence(decision_id), headers={"Vary": "Accept"})
    reading.note([decision_id], ("proof",), manner=Manner.EXPORT)
    receipt = runtime().reporting.later_receipt(decision_id)
    response = Response(receipt, content_type="text/plain; charset=utf-8")
    response.headers["Vary"] = "Accept"
    name = f"{decision_id}-attributions.tlog-proof"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response


@routes.add(
    "GET", "/v1/decisions/<decision_id>/receipt.cose", Permission.DECISIONS_READ,
    returns={200: {COSE: _BINARY_SCHEMA}}, problems=("not-found", "unavailable"),
)  # fmt: skip
def cose_receipt(decision_id: str) -> Response:
    """The same proof as a COSE receipt (RFC 9942), for readers who have COSE.

    It carries the entry and holds no personal data. It carries no cosignatures: a reader
    whose policy wants witnesses asks for the tlog-proof.
    """
    Reading(runtime(), auth.caller()).note([decision_id], ("proof",), manner=Manner.EXPORT)
    receipt = runtime().cose["decisions"].of_entry(decision_id)
    response = Response(receipt.encode(), content_type=COSE)
    response.headers["Content-Disposition"] = f'attachment; filename="{decision_id}.cose"'
    return response


_REPLAYED: Final[dict[int, Any]] = {200: evidence_schemas.ReplaySchema}
_REPLAY_PROBLEMS: Final = ("not-found", "erased")


@routes.add(
    "POST", "/v1/decisions/<decision_id>/replay", Permission.DECISIONS_READ,
    returns=_REPLAYED, problems=_REPLAY_PROBLEMS,
)  # fmt: skip
def replay(decision_id: str) -> Response:
    """Run the archived model on the recorded input again and compare.

    The verdict is `reproduced`, `drifted` or `impossible`; differences are listed, largest
    first, in units of 10^-6 of the output space. `grade` is A where every number is
    identical, B where it is reproduced but not identical, C where it drifted. Nothing is
    changed.
    """
    Reading(runtime(), auth.caller()).note([decision_id], ("attributions", "input", "output"))
    replayed = cast("dict[str, Any]", runtime().explaining.replay(decision_id).to_json())
    return answer({"decision": decision_id} | replayed)


@routes.add(
    "GET", "/v1/decisions/<decision_id>/replay", Permission.DECISIONS_READ,
    returns=_REPLAYED, problems=_REPLAY_PROBLEMS,
)  # fmt: skip
def show_replay(decision_id: str) -> Response:
    """The same as the POST: a replay changes nothing, so it may as well be a link."""
    return replay(decision_id)
