"""Decisions as a stream of lines: read as they come, recorded some hundred at a time.

The answers come at the end, a line each: a client that sends all before it reads would
otherwise wait for us while we wait for it. They wait in a file once they are many, so what
is in memory is one batch. What was recorded when a connection breaks stays recorded, so
every line needs an id: it is to be sent again.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from flask import Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ledger import canonical, errors
from ledger.operate.decision import Decision
from ledger.operate.decisions import Recorded
from service.api import bodies
from service.api.routes import runtime
from service.meters import meters
from service.problems import Problem, problem_of

__all__ = ["MEDIA_TYPES", "record_stream"]

MEDIA_TYPES: Final = ("application/x-ndjson", "application/jsonl")
MAX_STREAM_BYTES: Final = 256_000_000  # some ten seconds of a local network
MAX_LINES: Final = 100_000  # with receipts, their answers take some 200 MB of disk
MAX_LINE_BYTES: Final = bodies.MAX_BODY_BYTES  # what one decision by itself may have
BATCH: Final = 256  # lines of one commit
BATCH_BYTES: Final = 4_000_000  # of lines, decoded and held at once: some 40 MB of objects
ANSWERS_IN_MEMORY: Final = 1_000_000  # bytes, before they go to a file; they name no person
_BUFFER: Final = 65_536

Read = Callable[[object], Decision]
"""A decision from parsed JSON; raises what `bodies.unfit` can tell about."""

Receipts = Callable[[list[dict[str, Any]], Sequence[Recorded]], Mapping[str, str]]
"""Give results their entries and proofs; returns the checkpoint that these lead to."""

_UNWRITABLE: Final = (errors.PushbackError, errors.StoppedError, errors.RefusedError)


class _TooMuch(Exception):
    """The stream passed a bound at this line. Never leaves this module."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(slots=True)
class _Answers:
    """What became of the lines so far, in their order."""

    receipts: Receipts | None
    file: Any  # of bytes, to write and then read
    refused: list[dict[str, Any]] = field(default_factory=list)
    batch: list[tuple[int, Decision]] = field(default_factory=list)
    held: int = 0
    logged: bool = False

    def take(self, number: int, line: bytes | None, read: Read) -> None:
        """Judge a line, and record what waits if it is enough; None is a line that is too long."""
        try:
            self.batch.append((number, _decision(line, read)))
        except Exception as error:  # noqa: BLE001  # each becomes the line's own problem
            self.refused.append(_refused(number, error))
        self.held += len(line or b"")
        if len(self.batch) + len(self.refused) >= BATCH or self.held >= BATCH_BYTES:
            self.record()

    def record(self) -> None:
        """Record what waits, and answer for it."""
        results, recorded = self.refused, []
        if self.batch:
            outcomes = runtime().decisions.record_each([each for _, each in self.batch])
            recorded = [each for each in outcomes if isinstance(each, Recorded)]
            numbers = [number for number, _ in self.batch]
            results = results + [_told(*each) for each in zip(numbers, outcomes, strict=True)]
        results.sort(key=lambda each: int(each["line"]))
        if self.receipts is not None and recorded:
            lines = [results[0]["line"], results[-1]["line"]]
            self._write({"lines": lines, **self.receipts(results, recorded)})
        for each in results:
            self._write(each)
        self.refused, self.batch, self.held = [], [], 0
        self.logged = self.logged or bool(recorded)

    def stop(self, error: Exception, line: int | None = None) -> None:
        """Say that nothing from this line on was recorded: by default, from the first that waits.

        Raises:
            Exception: `error`, if nothing was recorded before either.
        """
        if not self.logged:
            raise error
        first = self.batch[0][0] if line is None else line
        for each in self.refused:
            if each["line"] < first:
                self._write(each)
        self._write({"line": first, "status": "stopped", "problem": _problem(error)})

    def response(self) -> Response:
        """All of them. The length is stated, so that an answer that was cut off shows."""
        response = Response(self._blocks(), content_type=MEDIA_TYPES[0])
        response.content_length = self.file.tell()
        response.call_on_close(self.file.close)  # if the caller went away in the middle
        return response

    def _blocks(self) -> Iterator[bytes]:
        with self.file:
            self.file.seek(0)
            while block := self.file.read(_BUFFER):
                yield block

    def _write(self, value: object) -> None:
        self.file.write(json.dumps(value).encode() + b"\n")


def record_stream(read: Read, receipts: Receipts | None = None) -> Response:
    """Record the decisions of the request's body; one line of answer for each that is not empty.

    Args:
        read: makes a decision of parsed JSON.
        receipts: completes results with their proofs, if those are wanted; each commit's
            results then stand behind a line with the checkpoint.

    Raises:
        Problem: the body is too large, or broke off.
        LedgerError: nothing could be written at all; later failures end the answer instead.
    """
    # One more, because the stream asks once more than there is.
    request.max_content_length = MAX_STREAM_BYTES + 1
    if request.content_encoding:
        raise Problem("unsupported-media-type", "Send the body without a content coding.")
    if (request.content_length or 0) > MAX_STREAM_BYTES:
        raise Problem("too-large", f"The body may have {MAX_STREAM_BYTES:,} bytes.")
    file = tempfile.SpooledTemporaryFile(ANSWERS_IN_MEMORY)  # noqa: SIM115  # the response closes it
    answers = _Answers(receipts, file)
    try:
        _fill(answers, read)
    except BaseException:
        file.close()
        raise
    return answers.response()


def _fill(answers: _Answers, read: Read) -> None:
    try:
        try:
            for number, line in _lines():
                answers.take(number, line, read)
        except _TooMuch as bound:
            answers.record()
            limits = f"{MAX_LINES:,} lines and {MAX_STREAM_BYTES:,} bytes"
            answers.stop(Problem("too-large", f"A stream may have {limits}."), bound.line)
        else:
            answers.record()
    except _UNWRITABLE as error:
        answers.stop(error)


def _lines() -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not empty, counted from 1; None for one that is too long."""
    # The server's stream reads a line byte by byte; this one in blocks.
    stream = io.BufferedReader(cast("io.RawIOBase", request.stream), _BUFFER)
    number = 0
    while line := _read_line(stream, MAX_LINE_BYTES + 1, number + 1):
        number += 1
        is_long, part = len(line) > MAX_LINE_BYTES, line
        while is_long and part and not part.endswith(b"\n"):
            part = _read_line(stream, _BUFFER, number)
        if number > MAX_LINES:
            raise _TooMuch(number)
        if is_long:
            yield number, None
        elif line.strip():
            yield number, line.strip()


def _read_line(stream: Any, most: int, number: int) -> bytes:
    try:
        return bytes(stream.readline(most))
    except RequestEntityTooLarge:  # of a body without a stated length
        raise _TooMuch(number) from None
    except HTTPException:
        raise
    except Exception as error:  # each server has a class of its own for broken framing
        raise Problem("malformed", "The body broke off, or is not framed as HTTP is.") from error


def _decision(line: bytes | None, read: Read) -> Decision:
    if line is None:
        raise Problem("too-large", f"A line may have {MAX_LINE_BYTES:,} bytes.")
    value = canonical.parse(line, max_bytes=MAX_LINE_BYTES, max_depth=bodies.MAX_DEPTH)
    if isinstance(value, dict) and "id" not in value:
        raise Problem("invalid", "In a stream every decision needs an id of its own.", "id")
    return read(value)


def _told(number: int, outcome: Recorded | errors.LedgerError) -> dict[str, Any]:
    if isinstance(outcome, Recorded):
        meters().decided([outcome.status])
        return {"line": number, "status": outcome.status, "id": outcome.id, "seq": outcome.seq}
    return _refused(number, outcome)


def _refused(number: int, error: Exception) -> dict[str, Any]:
    problem = problem_of(bodies.unfit(error))
    meters().refused(problem.slug, problem.kind.status)
    if problem.slug in {"internal", "unavailable"}:
        raise error
    return {"line": number, "status": "refused", "problem": _problem(error)}


def _problem(error: Exception) -> dict[str, Any]:
    told = problem_of(bodies.unfit(error)).to_json("")
    del told["instance"]
    return told
