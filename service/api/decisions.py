"""Recording decisions and looking them up.

A person's reference must not stand in an address, so the recommended search is
`POST /v1/decisions/search`; the same as `GET` exists because links are useful for
everything else, and this service writes no query string to any log.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from flask import Response, request

from ledger.operate.attributions import Attributed
from ledger.operate.corrections import Corrected
from ledger.operate.decision import Decision
from ledger.operate.decisions import DecisionRow, DecisionView, Page, Recorded
from ledger.roles import Permission
from ledger.tlog.note import encode_base64
from service import auth
from service.api import bodies, schemas, stream
from service.api.corrections import shown_correction
from service.api.decoding import is_plainly_right
from service.api.routes import Routes, answer, runtime
from service.meters import meters
from service.problems import Problem, problem_of
from service.reading import Reading

__all__ = ["routes"]

routes = Routes("decisions", "Record decisions and look them up.")

_DECISION: Final = schemas.DecisionSchema()
_SEARCH: Final = schemas.SearchSchema()
_BODY: Final = {"oneOf": [schemas.DecisionSchema, schemas.BatchSchema]}
_LINES: Final = stream.MEDIA_TYPES[0]
_RECEIPTS: Final = (
    {"in": "query", "name": "receipts", "schema": {"type": "string", "enum": ["compact"]}},
)
_QUERY: Final = tuple(
    {"in": "query", "name": name, "schema": {"type": "integer" if name == "limit" else "string"}}
    for name in _SEARCH.fields
)


@routes.add(
    "POST", "/v1/decisions", Permission.DECISIONS_RECORD,
    body=_BODY, also={name: {"type": "string"} for name in stream.MEDIA_TYPES},
    returns={
        201: schemas.RecordedSchema,
        200: {"application/json": schemas.RecordedBatchSchema, _LINES: {"type": "string"}},
    },
    problems=("conflict", "unavailable"), parameters=_RECEIPTS,
)  # fmt: skip
def record() -> Response:
    """Record one decision, or up to 1,000 of them.

    One decision answers 201, or 200 if the same content was recorded before under this id;
    the receipt in the answer is proof for you to keep. A batch `{"decisions": […]}` answers
    200 and judges each item by itself: `results` holds, in order, what became of it or the
    problem it has; items that are fine are recorded although others are not. With
    `?receipts=compact` each of those has its `entry` and `proof` as well, under the one
    `checkpoint` of the answer. With `application/x-ndjson` each line is a decision, and each
    line of the answer says what became of it.
    """
    compact = _asks_for_receipts()
    if request.mimetype in stream.MEDIA_TYPES:
        return stream.record_stream(
            lambda value: _read(value, at=""), _compact if compact else None
        )
    body = bodies.json_body()
    if isinstance(body, dict) and "decisions" in body:
        return _record_batch(body, compact=compact)
    with bodies.content(), _counted():
        (recorded,) = runtime().decisions.record([_read(body, at="")])
        meters().decided([recorded.status])
    fresh = recorded.status == "recorded"
    where = {"Location": f"{request.script_root}/v1/decisions/{recorded.id}"}
    return answer(_shown(recorded, receipt=True), 201 if fresh else 200, where)


@contextmanager
def _counted() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        problem = problem_of(bodies.unfit(error))
        meters().refused(problem.slug, problem.kind.status)
        raise


def _asks_for_receipts() -> bool:
    asked = request.args.to_dict(flat=False)
    if asked not in ({}, {"receipts": ["compact"]}):
        raise Problem("invalid", "Give receipts=compact, or nothing.", "receipts")
    return bool(asked)


def _record_batch(body: dict[str, Any], *, compact: bool) -> Response:
    for name in body.keys() - {"decisions"}:
        raise Problem("invalid", "There is no such member.", name)
    items = body["decisions"]
    if not isinstance(items, list) or not 1 <= len(items) <= schemas.MAX_BATCH:
        raise Problem("invalid", f"Give a list of 1 to {schemas.MAX_BATCH:,}.", "decisions")
    results: list[dict[str, Any]] = [{} for _ in items]
    fit: list[tuple[int, Decision]] = []
    for index, item in enumerate(items):
        try:
            fit.append((index, _read(item, at=f"decisions[{index}]")))
        except Exception as error:  # noqa: BLE001  # each becomes the item's own problem
            results[index] = _refused(error, index)
    outcomes = runtime().decisions.record_each([decision for _, decision in fit]) if fit else ()
    for (index, _), outcome in zip(fit, outcomes, strict=True):
        if isinstance(outcome, Recorded):
            meters().decided([outcome.status])
            results[index] = _shown(outcome, receipt=False)
        else:
            results[index] = _refused(outcome, index)
    counted = {
        status: sum(result["status"] == status for result in results)
        for status in ("recorded", "duplicate", "refused")
    }
    shown = {"results": results, **counted}
    if compact:
        shown |= _compact(results, [each for each in outcomes if isinstance(each, Recorded)])
    return answer(shown)


def _compact(results: list[dict[str, Any]], recorded: Sequence[Recorded]) -> dict[str, str]:
    """Give each result that is in the log its entry and proof; the checkpoint over all."""
    log = runtime().logs["decisions"]
    receipts = {each.seq: each.receipt for each in recorded}
    notes = {receipt.checkpoint_note for receipt in receipts.values()}
    if len(notes) > 1 or any(each.status == "duplicate" for each in recorded):
        # Of what was there before, the receipt may be under an older, cosigned checkpoint.
        receipts = dict(log.receipts(receipts.keys(), cosigned=False))
        notes = {receipt.checkpoint_note for receipt in receipts.values()}
    for result in results:
        receipt = receipts.get(result.get("seq", -1))
        if receipt is not None:
            result["entry"] = encode_base64(receipt.entry)
            result["proof"] = [encode_base64(each) for each in receipt.proof]
    return {"checkpoint": notes.pop() if notes else log.own_checkpoint()}


def _read(item: object, *, at: str) -> Decision:
    """The decision, if its shape is right; whether it fits its model is the ledger's check."""
    if isinstance(item, dict) and is_plainly_right(item):
        read = item
    else:
        read = bodies.checked(_DECISION, item, at=at)
    if "id" not in read:
        read["id"] = runtime().decisions.new_id()
    return Decision.from_json(read)


def _refused(error: Exception, index: int) -> dict[str, Any]:
    problem = problem_of(bodies.unfit(error))
    meters().refused(problem.slug, problem.kind.status)
    if problem.slug in {"internal", "unavailable"}:
        raise error
    told = problem.to_json("")
    del told["instance"]
    prefix = f"decisions[{index}]"
    member = problem.member or ""
    if not member.startswith(prefix):
        told["member"] = f"{prefix}.{member}".rstrip(".")
    return {"status": "refused", "problem": told}


def _shown(recorded: Recorded, *, receipt: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": recorded.id, "status": recorded.status, "seq": recorded.seq}
    if receipt:
        shown["receipt"] = recorded.receipt.format()
    return shown


@routes.add(
    "GET", "/v1/decisions/<decision_id>", Permission.DECISIONS_READ,
    returns={200: schemas.DecisionViewSchema}, problems=("not-found", "erased"),
)  # fmt: skip
def show(decision_id: str) -> Response:
    """One decision as it was recorded, with its place in the log.

    The read is on the access log before the decision is opened.
    """
    reading = Reading(runtime(), auth.caller())
    view = reading.decision(decision_id)
    told = shown(view, runtime().attributions.of(view), runtime().corrections.of(view.id))
    return answer(told | {"hold": reading.held(decision_id), "retention": _retention(view)})


@routes.add(
    "POST", "/v1/decisions/search", Permission.DECISIONS_FIND,
    body=schemas.SearchSchema, returns={200: schemas.PageSchema},
)  # fmt: skip
def search() -> Response:
    """Decisions that match, newest first: the way to look for a person.

    `next` of the answer is the `cursor` of the following page.
    """
    return _page(bodies.checked(_SEARCH, bodies.json_body()))


@routes.add(
    "GET", "/v1/decisions", Permission.DECISIONS_FIND,
    returns={200: schemas.PageSchema}, problems=("invalid",), parameters=_QUERY,
)  # fmt: skip
def find() -> Response:
    """Decisions that match, newest first, as a link.

    A reference to a person is personal data, and addresses end up in browser histories and
    in the logs of proxies that are not ours: use `POST /v1/decisions/search` for `subject`.
    This service itself never writes a query string anywhere.
    """
    asked: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise Problem("invalid", "Give it once.", name)
        asked[name] = values[0]
    if str(asked.get("limit", "")).isascii() and str(asked.get("limit", "")).isdigit():
        asked["limit"] = int(asked["limit"])
    return _page(bodies.checked(_SEARCH, asked))


def _page(asked: dict[str, Any]) -> Response:
    with bodies.content():
        return answer(listed(Reading(runtime(), auth.caller()).page(asked)))


def listed(page: Page) -> dict[str, Any]:
    """A page of decisions as JSON."""
    rows = [_row(row) for row in page.rows]
    return {"decisions": rows, "next": page.next_cursor, "total": page.total}


def _row(row: DecisionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "seq": row.seq,
        "decided_at": written(row.decided_at),
        "model": row.model,
        "policy": row.policy,
        "outcome": row.outcome,
        "margin": row.margin,
        "hold": row.hold,
    }


def _retention(view: DecisionView) -> dict[str, Any]:
    kept = runtime().expiring.standing(view.payload.policy, view.payload.decided_at)
    return {"class": kept.class_id, "until": written(kept.until) if kept.until else None}


def shown(
    view: DecisionView, attributed: Attributed, corrections: Sequence[Corrected]
) -> dict[str, Any]:
    """A decision and its place in the log, as JSON; model and policy by digest as logged."""
    later = attributed.computed == "later"
    return {
        "id": view.id,
        "seq": view.seq,
        "logged_at": written(view.at),
        "model_digest": view.payload.model,
        "policy_digest": view.payload.policy,
        "decision": view.payload.to_json(),
        "corrections": [shown_correction(each) for each in corrections],
        "attributions": {
            "computed": attributed.computed,
            "value": attributed.value if later else view.payload.to_json()["attributions"],
            "entry": attributed.entry,
            "seq": attributed.seq,
            "logged_at": written(attributed.at) if attributed.at else None,
        },
    }


def written(at: datetime) -> str:
    """A time as RFC 3339 in UTC, with the fraction it has."""
    return at.isoformat().replace("+00:00", "Z")
