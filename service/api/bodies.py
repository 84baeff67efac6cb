"""Request bodies: bounded, strict JSON in, plain values out.

A body is refused from its declared length before a byte of it is read, and a body
without a length stops at the limit. The parser takes I-JSON only (RFC 7493): what
two readers could understand differently is never stored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import marshmallow
from flask import request
from werkzeug.exceptions import HTTPException

from ledger import canonical, errors
from service.api.decoding import plain_json
from service.problems import Problem

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_MANIFEST_BYTES",
    "checked",
    "content",
    "json_body",
    "rejected",
    "unfit",
]

MAX_BODY_BYTES: Final = 5_000_000  # bytes; 1,000 decisions of 5 kB, some 50 ms of parsing
MAX_MANIFEST_BYTES: Final = 64_000_000  # bytes; a manifest with a model of 45 MB in base64
MAX_ERRORS: Final = 20  # listed per body; a caller fixes the first ones first
MAX_DEPTH: Final = 32  # levels of nesting; ours need six


def json_body(max_bytes: int = MAX_BODY_BYTES) -> canonical.JsonValue:
    """The JSON value in the request's body.

    Raises:
        Problem: too large, or not declared as plain JSON.
        MalformedError: not I-JSON; `member` names the place where it can be known.
    """
    # One more, because the stream of a body without a length just ends at its limit.
    request.max_content_length = max_bytes + 1
    if request.mimetype != "application/json":
        raise Problem("unsupported-media-type", "Send Content-Type: application/json.")
    if request.content_encoding:
        raise Problem("unsupported-media-type", "Send the body without a content coding.")
    # The declared length is judged before reading, so that nobody makes us hold the rest.
    if (request.content_length or 0) > max_bytes:
        raise Problem("too-large", f"The body may have {max_bytes:,} bytes.")
    try:
        data = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # each server has a class of its own for framing that is broken
        raise Problem("malformed", "The body broke off, or its chunks are not chunks.") from error
    if len(data) > max_bytes:
        raise Problem("too-large", f"The body may have {max_bytes:,} bytes.")
    plain = plain_json(data)
    if plain is not None:
        return plain
    return canonical.parse(data, max_bytes=max_bytes, max_depth=MAX_DEPTH)


def checked(schema: marshmallow.Schema, value: object, *, at: str = "") -> dict[str, object]:
    """The value as the schema reads it.

    Args:
        schema: what is expected; unknown members are refused.
        value: parsed JSON.
        at: dotted path of `value` in the body, for naming members.

    Raises:
        Problem: `invalid`, naming each member at fault and the rule, never a value.
    """
    try:
        return cast("dict[str, object]", schema.load(value))  # type: ignore[arg-type]  # any JSON may come
    except marshmallow.ValidationError as error:
        raise rejected(error, at=at) from None


@contextmanager
def content() -> Iterator[None]:
    """Tell the caller `invalid` where the ledger refuses what a readable body says.

    Raises:
        Problem: in place of MalformedError, and of NotFoundError for a model or policy.
    """
    try:
        yield
    except (errors.MalformedError, errors.NotFoundError) as error:
        raise unfit(error) from error


def unfit(error: Exception) -> Exception:
    """The problem that an error of the ledger is when the body's content caused it."""
    absent = isinstance(error, errors.NotFoundError) and error.member in {"model", "policy"}
    if absent or isinstance(error, errors.MalformedError):
        return Problem("invalid", str(error), getattr(error, "member", None))
    return error


def rejected(error: marshmallow.ValidationError, *, at: str = "") -> Problem:
    """The problem that lists what a schema found, in the order of the members."""
    found = _flatten(error.messages, at)[:MAX_ERRORS]
    member, detail = found[0] if found else (at, "Not valid.")
    return Problem("invalid", detail, member or None, others=tuple(found[1:]))


def _flatten(messages: object, path: str) -> list[tuple[str, str]]:
    if isinstance(messages, dict):
        pairs: list[tuple[str, str]] = []
        for name, inner in messages.items():
            # marshmallow files an error of the whole object under "_schema", and errors of a
            # mapping's entry under "key" and "value": neither is a member that a caller sent.
            own = name in {"_schema", "value", "key"} and not isinstance(inner, dict)
            pairs += _flatten(inner, path if own else f"{path}.{name}".lstrip("."))
        return pairs
    if isinstance(messages, list):
        return [pair for message in messages for pair in _flatten(message, path)]
    return [(path, str(messages))]
