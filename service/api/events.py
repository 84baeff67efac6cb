"""Events of a model server's payload logger, by the CloudEvents binding for HTTP."""

import json
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from flask import Response, request

from ledger.errors import MalformedError
from ledger.roles import Permission
from service.api import bodies, event_schemas
from service.api.routes import Routes, answer, runtime
from service.eventing import TYPES, Event, Taken
from service.meters import meters
from service.problems import Problem, problem_of

__all__ = ["routes"]

routes = Routes("events", "Take the events of a model server's payload logger.")

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
MAX_BATCH: Final = 1_000  # events of one request
# What the library lets through from the parsers that it uses.
_PARSERS: Final = (AttributeError, KeyError, RecursionError, TypeError, ValueError, NotBase64)
MAX_TEXT: Final = 256  # characters of an attribute
MAX_DEPTH: Final = 32  # levels of nesting, of an event and of its payload


@routes.add(
    "POST", "/v1/events", Permission.DECISIONS_RECORD,
    body={"type": "object"},
    also={STRUCTURED: {"type": "object"}, BATCHED: {"type": "array", "items": {"type": "object"}}},
    returns={202: event_schemas.TakenSchema, 200: event_schemas.TakenBatchSchema},
    problems=("unavailable",),
)  # fmt: skip
def take() -> Response:
    """Take CloudEvents 1.0 as KServe's inference logger sends them.

    Binary mode (attributes in `ce-…` headers, the payload as body), structured mode
    (`application/cloudevents+json`), or a batch of the latter. A request and its answer have
    one `id`; when both came, their decisions are recorded. 202: it is durable, send it no
    more. A batch answers 200 and judges each event by itself.
    """
    request.max_content_length = bodies.MAX_BODY_BYTES + 1
    if (request.content_length or 0) > bodies.MAX_BODY_BYTES:
        raise Problem("too-large", f"The body may have {bodies.MAX_BODY_BYTES:,} bytes.")
    data = request.get_data(cache=False)
    if request.mimetype == BATCHED:
        return answer({"results": [_one_of_many(item) for item in _batch(data)]})
    with bodies.content():
        return answer(_shown(_taken(_read(data))), 202)


def _batch(data: bytes) -> list[Any]:
    try:
        listed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", "The batch is no JSON text.") from error
    if not isinstance(listed, list) or len(listed) > MAX_BATCH or not _is_shallow(listed):
        raise Problem("invalid", f"Give a list of at most {MAX_BATCH:,} events, nested shallowly.")
    return listed


def _one_of_many(item: Any) -> dict[str, Any]:
    try:
        return _shown(_taken(_structured(json.dumps(item).encode())))
    except Exception as error:
        problem = problem_of(bodies.unfit(error))
        if problem.slug in {"internal", "unavailable"}:
            raise
        told = problem.to_json("")
        del told["instance"]
        return {"status": "refused", "problem": told}


def _taken(event: Event) -> Taken:
    return runtime().eventing.take(event)


def _shown(taken: Taken) -> dict[str, Any]:
    if taken.status == "recorded":
        meters().decided(["recorded"] * len(taken.decisions))
    meters().decisions.labels("refused", "").inc(taken.refused)
    return {"status": taken.status, "decisions": list(taken.decisions), "refused": taken.refused}


def _read(data: bytes) -> Event:
    if request.mimetype == STRUCTURED:
        return _structured(data)
    from cloudevents.core.bindings.http import HTTPMessage, from_binary
    from cloudevents.core.formats.json import JSONFormat

    headers = {name.lower(): value for name, value in request.headers.items()}
    if "ce-specversion" not in headers:
        raise Problem("unsupported-media-type", "Send a CloudEvent, in binary or structured mode.")
    return _event(lambda: from_binary(HTTPMessage(headers, data), JSONFormat()))


def _structured(data: bytes) -> Event:
    from cloudevents.core.formats.json import JSONFormat

    return _event(lambda: JSONFormat().read(None, data))


def _event(parse: Any) -> Event:
    from cloudevents.core.exceptions import BaseCloudEventException

    try:
        parsed = parse()
        attributes, content = parsed.get_attributes(), parsed.get_data()
    except (BaseCloudEventException, *_PARSERS) as error:
        raise MalformedError("event: not a CloudEvent of version 1.0 with JSON") from error
    if isinstance(content, bytes | str):
        content = _json(content)
    if not isinstance(content, Mapping) or not _is_shallow(content):
        raise MalformedError("event: the payload is not a plain JSON object", member="data")
    part = TYPES.get(str(attributes.get("type")))
    if part is None:
        raise MalformedError("event: not an inference request or response", member="type")
    namespace = _text(attributes, "namespace") or "default"
    service = runtime().eventing.service(
        f"{namespace}/{_text(attributes, 'inferenceservicename')}",
        _text(attributes, "endpoint"),
        _text(attributes, "component"),
    )
    carried = service.subject
    return Event(
        id=_text(attributes, "id"),
        source=_text(attributes, "source"),
        service=service.name,
        part=part,
        at=_moment(attributes.get("time")),
        subject=(_text(attributes, carried) or None) if carried else None,
        data=content,
    )


def _moment(at: Any) -> datetime | None:
    if not isinstance(at, datetime) or at.tzinfo is None:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError as error:  # at the ends of the calendar
        raise MalformedError("event: there is no such moment in UTC", member="time") from error


def _is_shallow(value: Any, depth: int = MAX_DEPTH) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return depth > 0 and all(_is_shallow(each, depth - 1) for each in value)


def _json(content: bytes | str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedError("event: the payload is not JSON", member="data") from error


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise MalformedError(f"event: not a text of at most {MAX_TEXT} characters", member=name)
    return value
