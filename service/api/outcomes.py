"""Feeding back what became of decisions, and reading it."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from flask import Response
from marshmallow import fields, validate

from ledger.errors import LedgerError
from ledger.operate.log_writer import MAX_RECORDS
from ledger.operate.outcomes import Event, Fed, Observed, Outcome
from ledger.roles import Permission
from service import auth
from service.api import bodies
from service.api.routes import Routes, answer, runtime
from service.api.schemas import CODE_PATTERN, ID_PATTERN, Strict
from service.problems import Problem, problem_of
from service.reading import Reading

__all__ = ["outcome_of", "routes", "shown_outcome"]

routes = Routes("outcomes", "Feed back what became of decisions.")

FIELDS: Final = ("outcomes",)
_DAY: Final = r"\d{4}-\d{2}-\d{2}"


class YesNo(fields.Field[bool]):
    """True or false, as JSON has them; 1 is neither."""

    default_error_messages = {"invalid": "Give true or false."}  # noqa: RUF012  # as marshmallow reads it

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        del attr, data, kwargs  # part of marshmallow's signature
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class OutcomeSchema(Strict):
    """What became of a decision, as a source says."""

    decision = fields.String(
        required=True,
        validate=validate.Regexp(rf"(?:{ID_PATTERN})\Z", error="Give the id of a decision."),
    )
    event = fields.String(
        required=True,
        validate=validate.OneOf(list(Event), error=f"Give one of {', '.join(Event)}."),
    )
    occurred = YesNo(required=True, metadata={"type": "boolean"})
    observed_on = fields.String(
        required=True, validate=validate.Regexp(rf"{_DAY}\Z", error="Give a day, as 2026-11-02.")
    )
    source = fields.String(
        required=True,
        validate=validate.Regexp(
            rf"(?:{CODE_PATTERN})\Z", error="Give 1 to 64 of a-z, 0-9, dot, dash or underline."
        ),
    )


class OutcomesSchema(Strict):
    """A batch of outcomes."""

    outcomes = fields.List(
        fields.Nested(OutcomeSchema), required=True, validate=validate.Length(1, MAX_RECORDS)
    )


class FedSchema(Strict):
    """What became of one: its entry, or the problem it has."""

    status = fields.String(
        required=True, validate=validate.OneOf(["recorded", "duplicate", "refused"])
    )
    id = fields.String()
    seq = fields.Integer()
    supersedes = fields.String(allow_none=True)
    problem = fields.Dict()


class FedBatchSchema(Strict):
    """What became of each, in order, and how many are what."""

    results = fields.List(fields.Nested(FedSchema), required=True)
    recorded = fields.Integer(required=True)
    duplicate = fields.Integer(required=True)
    refused = fields.Integer(required=True)


class ObservedSchema(OutcomeSchema):
    """An outcome on record."""

    id = fields.String(required=True)
    seq = fields.Integer(required=True)
    logged_at = fields.String(required=True)
    superseded = fields.Boolean(required=True)


class ObservedListSchema(Strict):
    """The outcomes of a decision, oldest first."""

    outcomes = fields.List(fields.Nested(ObservedSchema), required=True)


_OUTCOME: Final = OutcomeSchema()


@routes.add(
    "POST", "/v1/outcomes", Permission.OUTCOMES_RECORD,
    body=OutcomesSchema, returns={200: FedBatchSchema}, problems=("unavailable",),
)  # fmt: skip
def feed() -> Response:
    """Log what became of up to 1,000 decisions; each is judged by itself.

    The same again from the same source gives the entry that there is; another value is a
    later entry that supersedes it, and both remain.
    """
    body = bodies.json_body()
    if not isinstance(body, Mapping) or body.keys() != {"outcomes"}:
        raise Problem("invalid", "Give outcomes, and nothing else.", "outcomes")
    items = body["outcomes"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_RECORDS:
        raise Problem("invalid", f"Give a list of 1 to {MAX_RECORDS:,}.", "outcomes")
    results: list[dict[str, Any]] = [{} for _ in items]
    fit: list[tuple[int, Outcome]] = []
    for at, item in enumerate(items):
        try:
            fit.append((at, outcome_of(item, at=f"outcomes[{at}]")))
        except (Problem, LedgerError) as error:
            results[at] = _refused(error, at)
    principal = auth.caller().principal
    found = runtime().outcomes.record_each(principal, [each for _, each in fit]) if fit else ()
    for (at, _), each in zip(fit, found, strict=True):
        results[at] = _shown(each) if isinstance(each, Fed) else _refused(each, at)
    counted = {
        status: sum(result["status"] == status for result in results)
        for status in ("recorded", "duplicate", "refused")
    }
    return answer({"results": results, **counted})


@routes.add(
    "GET", "/v1/decisions/<decision_id>/outcomes", Permission.DECISIONS_READ,
    returns={200: ObservedListSchema}, problems=("not-found", "erased"),
)  # fmt: skip
def show(decision_id: str) -> Response:
    """The outcomes of a decision, oldest first. The read is on the access log before."""
    Reading(runtime(), auth.caller()).note([decision_id], FIELDS)
    return answer({"outcomes": [shown_outcome(o) for o in runtime().outcomes.of(decision_id)]})


def outcome_of(item: object, *, at: str = "") -> Outcome:
    """The outcome that a JSON value says.

    Args:
        item: parsed JSON.
        at: dotted path of it, for naming members.

    Raises:
        Problem: `invalid`, naming each member at fault and the rule, never a value.
    """
    read: dict[str, Any] = bodies.checked(_OUTCOME, item, at=at)
    try:
        day = date.fromisoformat(read["observed_on"])
    except ValueError:
        where = f"{at}.observed_on".lstrip(".")
        raise Problem("invalid", "Give a day that exists.", where) from None
    return Outcome(read["decision"], Event(read["event"]), read["occurred"], day, read["source"])


def shown_outcome(each: Observed) -> dict[str, Any]:
    """An outcome on record, as JSON."""
    return {
        "id": each.id,
        "seq": each.seq,
        "logged_at": each.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "decision": each.outcome.decision,
        **each.outcome.content(),
        "superseded": each.superseded,
    }


def _shown(fed: Fed) -> dict[str, Any]:
    return {"status": fed.status, "id": fed.id, "seq": fed.seq, "supersedes": fed.supersedes}


def _refused(error: Exception, at: int) -> dict[str, Any]:
    problem = problem_of(bodies.unfit(error))
    told = problem.to_json("")
    del told["instance"]
    prefix, member = f"outcomes[{at}]", problem.member or ""
    if not member.startswith(prefix):
        told["member"] = f"{prefix}.{member}".rstrip(".")
    return {"status": "refused", "problem": told}
