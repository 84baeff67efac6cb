"""What can be said and proved about one decision: explanation, letter, proof, replay."""

from collections.abc import Mapping
from typing import Any, Final, cast

from flask import Response, request

from explain.errors import LanguageMissing
from ledger.operate.access_log import Manner
from ledger.roles import Permission
from service import auth
from service.api import evidence_schemas, languages
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
_VARY: Final = "Accept, Accept-Language"
_TEXT_SCHEMA: Final = {"type": "string"}
_AUDIENCES: Final = ("regulator", "reviewer", "subject")
_AUDIENCE: Final = {
    "in": "query",
    "name": "audience",
    "required": False,
    "description": "Also give the texts in layers, for this reader.",
    "schema": {"type": "string", "enum": list(_AUDIENCES)},
}
_BINARY_SCHEMA: Final = {"type": "string", "format": "binary"}


@routes.add(
    "GET", "/v1/decisions/<decision_id>/explanation", Permission.DECISIONS_READ,
    returns={
        200: {JSON: {"type": "object"}, HTML: _TEXT_SCHEMA, PDF: _BINARY_SCHEMA},
    },
    problems=("not-found", "erased", "not-acceptable", "not-explainable", "letter-withheld",
              "invalid"),
    parameters=(languages.LANGUAGE, _AUDIENCE),
)  # fmt: skip
def explanation(decision_id: str) -> Response:
    """Why this decision came out as it did.

    As JSON, or as the letter to the person in HTML or PDF, by `Accept`. The first reader
    whose role may issue explanations issues it: it is stored, committed to on the log, and
    every later reader gets the same one. In another language (`?language=`) it is issued once
    more, beside the first, and has to say the same. `Content-Language` names what was given.
    The PDF carries its evidence as attachments. With `?audience=`, the JSON also has the texts
    in layers, from the summary to the method, for that reader.
    """
    media_type = accepted(JSON, HTML, PDF)
    language, audience = languages.asked(_spoken()), _audience()
    reading = Reading(runtime(), auth.caller())
    if media_type == JSON:
        reading.note([decision_id], ("explanation",))
    else:  # the letter names inputs, and as PDF carries every section
        reading.note([decision_id], _LETTER, manner=Manner.PRINT)
    issued = _issued(decision_id, language)
    named = {"Vary": _VARY, "Content-Language": issued.explanation.language}
    if media_type == JSON:
        return answer(
            {"decision": decision_id, "entry": issued.entry_id,
             "issued_at": issued.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
             "explanation": issued.explanation.to_json(), **_layers(issued, audience)},
            headers=named,
        )  # fmt: skip
    issued.explanation.check_automatic()
    reporting = runtime().reporting
    if media_type == HTML:
        body: str | bytes = reporting.letter_html(decision_id, issued)
        return _document(body, "text/html; charset=utf-8", named)
    response = _document(reporting.letter_pdf(decision_id, issued), PDF, named)
    response.headers["Content-Disposition"] = f'inline; filename="explanation-{decision_id}.pdf"'
    return response


def _issued(decision_id: str, language: str) -> Issued:
    """The explanation in the language asked for, or in the best one that there is."""
    explaining = runtime().explaining
    may_issue = auth.caller().principal.may(Permission.EXPLANATIONS_ISSUE)
    try:
        if language:
            find = explaining.issue_in if may_issue else explaining.issued
            return find(decision_id, language)
        there = explaining.languages(decision_id)
        if there or not may_issue:
            return explaining.issued(decision_id, languages.preferred(there))
        return _first(decision_id)
    except NotIssued as error:
        raise Problem(
            "not-issued", "None has been issued, and your role may read but not issue one."
        ) from error


def _audience() -> str:
    audience = request.args.get("audience", "")
    if audience not in ("", *_AUDIENCES):
        raise Problem("invalid", f"There is: {', '.join(_AUDIENCES)}.", member="audience")
    return audience


def _layers(issued: Issued, audience: str) -> dict[str, Any]:
    from explain.catalogue import load_catalogue
    from explain.layers import Audience, layers

    if not audience:
        return {}
    told = issued.explanation
    found = layers(told, Audience(audience), load_catalogue(told.language))
    return {"layers": [{"name": one.name, "title": one.title, "texts": one.texts} for one in found]}


def _spoken() -> tuple[str, ...]:
    from explain.catalogue import languages as spoken

    return spoken()


def _first(decision_id: str) -> Issued:
    """The first explanation: in the caller's language where there are texts, else in ours."""
    explaining, ours = runtime().explaining, runtime().settings.language
    wanted = languages.preferred(_spoken()) or ours
    try:
        return explaining.issue(decision_id, wanted)
    except LanguageMissing:
        return explaining.issue(decision_id, ours)


def _document(body: str | bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    response = Response(body, content_type=media_type, headers=dict(headers))
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
