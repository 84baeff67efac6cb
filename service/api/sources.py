"""The sources of decisions: what is missing of each, what arrived late, what they say they made."""

from datetime import datetime
from typing import Any, Final

from flask import Response, request

from ledger.errors import MalformedError
from ledger.operate.completeness import Placed, operator_reason
from ledger.roles import Permission, Role
from ledger.verify.completeness import families
from service import auth
from service.api import bodies, source_schemas
from service.api.routes import Routes, answer, runtime
from service.api.source_values import (
    family_value,
    filling_value,
    gap_value,
    source_value,
    total_value,
)
from service.problems import Problem

__all__ = ["routes"]

routes = Routes("sources", "The sources of decisions, and what is missing of each.")

GAPS_SHOWN: Final = 20  # of each source in a list; all are at …/gaps
MAX_TOTALS: Final = 20  # beside a list; all are at …/totals
MAX_FILLINGS: Final = 20  # of a source or family, the newest
_FILTER: Final = source_schemas.FilterSchema()
_GAP: Final = source_schemas.GapStatementSchema()
_TOTAL: Final = source_schemas.TotalStatementSchema()
_NUMBER: Final = {"type": "integer"}
_PAGE: Final = (
    {"in": "query", "name": "cursor", "schema": {"type": "string"}},
    {"in": "query", "name": "limit", "schema": _NUMBER},
)
_GAPS: Final = (
    *_PAGE,
    {"in": "query", "name": "explained", "schema": {"type": "string", "enum": ["no", "yes"]}},
    {"in": "query", "name": "since", "schema": {"type": "string", "format": "date-time"}},
)


@routes.add(
    "GET", "/v1/sources", Permission.MODELS_READ,
    returns={200: source_schemas.SourceListSchema}, problems=("invalid",), parameters=_PAGE,
)  # fmt: skip
def list_sources() -> Response:
    """What the sources' own counters show to be missing from the log, by family and by source.

    A log cannot show by itself what nobody sent; a gap in a source's count does.
    """
    asked, known, now = _asked("cursor", "limit"), runtime().completeness, runtime().clock()
    summaries = known.summaries()
    after, limit = asked.get("cursor", ""), asked["limit"]
    rest = [each for each in summaries if each.source > after]
    return answer(
        {
            "families": [family_value(each, now) for each in families(summaries)],
            "sources": [
                source_value(each, known.gaps(each.source, lane=True, limit=GAPS_SHOWN), now)
                for each in rest[:limit]
            ],
            "next": rest[limit - 1].source if len(rest) > limit else None,
            "totals": [total_value(each) for each in known.totals(limit=MAX_TOTALS)],
        }
    )


@routes.add(
    "GET", "/v1/sources/<source_id>", Permission.MODELS_READ,
    returns={200: source_schemas.ShownSourceSchema}, problems=("not-found",),
)  # fmt: skip
def show_source(source_id: str) -> Response:
    """One source, or all lanes of a family: its numbers, newest late arrivals and totals."""
    known, now = runtime().completeness, runtime().clock()
    lanes = known.lanes(source_id)
    late = known.fillings(source_id)[:MAX_FILLINGS]
    may = auth.caller().principal.may(Permission.DECISIONS_FIND)
    decided = known.decided([filling for _, filling in late]) if may else {}
    (family,) = families(lanes)
    return answer(
        {
            "family": family_value(family, now),
            "filled": [filling_value(*each, decided) for each in late],
            "totals": [total_value(each) for each in known.totals(source_id, MAX_TOTALS)],
        }
    )


@routes.add(
    "GET", "/v1/sources/<source_id>/gaps", Permission.MODELS_READ,
    returns={200: source_schemas.GapPageSchema}, problems=("invalid", "not-found"),
    parameters=_GAPS,
)  # fmt: skip
def list_gaps(source_id: str) -> Response:
    """What is missing of a source, or of a family: a page of ranges, by source and counter.

    `explained` narrows them to those with or without a reason, `since` to those that were
    first to be seen then or later.
    """
    asked = _asked("cursor", "limit", "explained", "since")
    explained = None if "explained" not in asked else asked["explained"] == "yes"
    with bodies.content():
        since = _moment(asked["since"], "since") if "since" in asked else None
        page = runtime().completeness.gaps(
            source_id, cursor=asked.get("cursor"), limit=asked["limit"],
            explained=explained, since=since,
        )  # fmt: skip
    gaps = [gap_value(each.gap) | {"source": each.source} for each in page.gaps]
    return answer({"gaps": gaps, "next": page.next_cursor})


@routes.add(
    "POST", "/v1/sources/<source_id>/gaps", Permission.SOURCES_STATE,
    body=source_schemas.GapStatementSchema,
    returns={200: source_schemas.StatedSchema, 201: source_schemas.StatedSchema},
    problems=("not-found", "unavailable"),
)  # fmt: skip
def state_gap(source_id: str) -> Response:
    """Log that a source made predictions that it never sent, and why.

    The counters `first` to `last`, both included, stay missing; the reason stands beside
    them from now on. The same statement again answers 200 and changes nothing. The role
    `source` gives codes of its own; others, with a code that begins with `operator_`,
    explain what is known to be missing.
    """
    stated: dict[str, Any] = bodies.checked(_GAP, bodies.json_body())
    known = runtime().completeness
    with bodies.content():
        if auth.caller().principal.role is Role.SOURCE:
            place = known.state(source_id, **stated)
        else:
            place = known.explain(
                source_id, **stated | {"reason": operator_reason(stated["reason"])}
            )
    return answer(_placed(place), 201 if place.is_new else 200)


@routes.add(
    "GET", "/v1/sources/<source_id>/totals", Permission.MODELS_READ,
    returns={200: source_schemas.TotalListSchema}, problems=("invalid",),
    parameters=(_PAGE[1],),
)  # fmt: skip
def list_totals(source_id: str) -> Response:
    """The totals that were stated of a source, or of a family, newest first, compared now."""
    found = runtime().completeness.totals(source_id, _asked("limit")["limit"])
    return answer({"totals": [total_value(each) for each in found]})


@routes.add(
    "POST", "/v1/sources/<source_id>/totals", Permission.SOURCES_STATE,
    body=source_schemas.TotalStatementSchema,
    returns={200: source_schemas.StatedTotalSchema, 201: source_schemas.StatedTotalSchema},
    problems=("unavailable",),
)  # fmt: skip
def state_total(source_id: str) -> Response:
    """Log how many predictions a source made, and say how that compares with what is here.

    Either with the counters `first` to `last`, both included; or from `since` on and before
    `until` by the time of decision, which may be of a whole family. What is logged is the
    statement: the comparison is made anew whenever it is asked for.
    """
    stated: dict[str, Any] = bodies.checked(_TOTAL, bodies.json_body())
    known = runtime().completeness
    with bodies.content():
        if "first" in stated:
            place = known.state_total(source_id, **stated)
        else:
            since, until = (_moment(stated[name], name) for name in ("since", "until"))
            if until > runtime().clock():
                raise MalformedError("the period is not over yet", member="until")
            place = known.state_period(source_id, since, until, stated["count"])
    total = known.total_at(place.seq)
    return answer(_placed(place) | {"total": total_value(total)}, 201 if place.is_new else 200)


def _asked(*names: str) -> dict[str, Any]:
    """The query, which may have these parameters, each once."""
    asked: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1 or name not in names:
            raise Problem("invalid", f"Give each of these at most once: {', '.join(names)}.", name)
        asked[name] = values[0]
    limit = asked.get("limit", "")
    if limit.isascii() and limit.isdigit():
        asked["limit"] = int(limit[:10])
    return bodies.checked(_FILTER, asked)


def _moment(text: str, member: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("no such moment", member=member) from error


def _placed(place: Placed) -> dict[str, Any]:
    return {"id": place.id, "seq": place.seq}
