"""Decisions as a stream of lines: read as they come, recorded some hundred at a time.

The answers come at the end, a line each: a client that sends all before it reads would
otherwise wait for us while we wait for it. What was recorded when a connection breaks stays
recorded, so every line needs an id: it is to be sent again.
"""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ledger import canonical, errors
from ledger.operate.decision import Decision
from ledger.operate.decisions import Recorded
from service.api import bodies
from service.api.routes import runtime
from service.problems import Problem, problem_of

__all__ = ["MEDIA_TYPES", "record_stream"]

MEDIA_TYPES: Final = ("application/x-ndjson", "application/jsonl")
MAX_STREAM_BYTES: Final = 256_000_000  # some ten seconds of a local network
MAX_LINES: Final = 100_000  # their answers wait in memory, some 12 MB
MAX_LINE_BYTES: Final = 1_000_000
BATCH: Final = 256  # decisions of one commit
_BUFFER: Final = 65_536

Read = Callable[[object], Decision]
"""A decision from parsed JSON; raises what `bodies.unfit` can tell about."""


def record_stream(read: Read) -> Response:
    """Record the decisions of the request's body; one line of answer for each that is not empty.

    Raises:
        Problem: the body is too large, or broke off.
        PushbackError: nothing could be written at all; later failures end the answer instead.
    """
    request.max_content_length = MAX_STREAM_BYTES + 1
    if request.content_encoding:
        raise Problem("unsupported-media-type", "Send the body without a content coding.")
    if (request.content_length or 0) > MAX_STREAM_BYTES:
        raise Problem("too-large", f"The body may have {MAX_STREAM_BYTES:,} bytes.")
    answers: list[dict[str, Any]] = []
    batch: list[tuple[int, Decision]] = []
    try:
        for number, line in _lines():
            try:
                batch.append((number, _decision(line, read)))
            except Exception as error:  # noqa: BLE001  # each becomes the line's own problem
                answers.append(_refused(number, error))
            if len(batch) == BATCH:
                _record(batch, answers)
        _record(batch, answers)
    except errors.PushbackError as error:
        if not any("seq" in each for each in answers):
            raise
        first = min(number for number, _ in batch)
        answers.append({"line": first, "status": "stopped", "problem": _told(error)})
    answers.sort(key=lambda each: int(each["line"]))
    body = b"".join(json.dumps(each).encode() + b"\n" for each in answers)
    return Response(body, content_type=MEDIA_TYPES[0])


def _record(batch: list[tuple[int, Decision]], answers: list[dict[str, Any]]) -> None:
    if not batch:
        return
    outcomes = runtime().decisions.record_each([decision for _, decision in batch])
    for (number, _), outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Recorded):
            told = {"status": outcome.status, "id": outcome.id, "seq": outcome.seq}
            answers.append({"line": number, **told})
        else:
            answers.append(_refused(number, outcome))
    batch.clear()


def _lines() -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, counted from 1."""
    # The server's stream reads a line byte by byte; this one in blocks.
    stream = io.BufferedReader(cast("io.RawIOBase", request.stream), _BUFFER)
    number = size = 0
    while True:
        try:
            line = stream.readline(MAX_LINE_BYTES + 1)
        except HTTPException:
            raise
        except Exception as error:  # each server has a class of its own for broken framing
            raise Problem(
                "malformed", "The body broke off, or is not framed as HTTP is."
            ) from error
        if not line:
            return
        number, size = number + 1, size + len(line)
        if number > MAX_LINES or size > MAX_STREAM_BYTES or len(line) > MAX_LINE_BYTES:
            raise Problem(
                "too-large",
                f"Send at most {MAX_LINES:,} lines of {MAX_LINE_BYTES:,} bytes, and"
                f" {MAX_STREAM_BYTES:,} in all. What stands before line {number:,} may be"
                " recorded: send it again with the same ids.",
            )
        if line.strip():
            yield number, line.strip()


def _decision(line: bytes, read: Read) -> Decision:
    value = canonical.parse(line, max_bytes=MAX_LINE_BYTES, max_depth=bodies.MAX_DEPTH)
    if isinstance(value, dict) and "id" not in value:
        raise Problem("invalid", "In a stream every decision needs an id of its own.", "id")
    return read(value)


def _refused(number: int, error: Exception) -> dict[str, Any]:
    if problem_of(bodies.unfit(error)).slug in {"internal", "unavailable"}:
        raise error
    return {"line": number, "status": "refused", "problem": _told(error)}


def _told(error: Exception) -> dict[str, Any]:
    told = problem_of(bodies.unfit(error)).to_json("")
    del told["instance"]
    return told
