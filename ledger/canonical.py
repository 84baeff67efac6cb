"""Canonical JSON: one value, one sequence of bytes (RFC 8785), and strict readers.

Values are I-JSON (RFC 7493): no duplicate names, no NaN or infinity, integers within
±(2^53 - 1), no lone surrogates. `decode` is for bytes that a program of ours wrote and
takes the canonical form only; `parse` is for bytes from outside and takes any layout.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

import rfc8785

from ledger.errors import MalformedError

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "JsonValue", "decode", "encode", "parse"]

JsonValue: TypeAlias = (
    bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
)

MAX_INTEGER: Final = 2**53 - 1  # beyond it other readers round (RFC 7493 §2.2)
MAX_DEPTH: Final = 32  # nested arrays and objects; ours need four
_PLAIN_BELOW: Final = 1e21  # RFC 8785 writes a double below it with all its digits
_LONG_DIGITS: Final = re.compile(rb"[0-9]{16}")
_MAX_NUMBER_LENGTH: Final = 400  # characters; a double's longest plain form takes 327


def encode(value: object) -> bytes:
    """Return the value's canonical bytes (RFC 8785).

    Raises:
        MalformedError: the value is not I-JSON.
    """
    try:
        data = rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks the type itself
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError, TypeError) as error:
        raise MalformedError("JSON: the value has no canonical form (RFC 8785)") from error
    if _LONG_DIGITS.search(data):  # rare in ours: only then is it worth a second walk
        _check_floats(value)
    return data


def decode(data: bytes, *, max_bytes: int) -> JsonValue:
    """Return the value of canonical bytes.

    Raises:
        MalformedError: anything that :func:`encode` would not have written.
    """
    value = parse(data, max_bytes=max_bytes)
    if encode(value) != data:
        raise MalformedError("JSON: not in canonical form (RFC 8785)")
    return value


def parse(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return the value of I-JSON bytes in any layout.

    Raises:
        MalformedError: too long, too deep, not UTF-8, not JSON, or not I-JSON. `member`
            is the dotted path of the place where that can be known.
    """
    if len(data) > max_bytes:
        raise MalformedError(f"JSON: longer than {max_bytes:,} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("JSON: not UTF-8") from error
    try:
        read = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except RecursionError as error:
        raise MalformedError(f"JSON: nested deeper than {max_depth} levels") from error
    except ValueError as error:
        raise MalformedError("JSON: not a JSON text") from error
    return _checked(read, (), max_depth)


class _Pairs(list[tuple[str, object]]):
    """An object as it was read: names in order, duplicates kept until their path is known."""


class _OutOfRange:
    """A number that I-JSON does not allow, kept until its path is known."""

    def __init__(self, why: str) -> None:
        self.why = why


def _integer(text: str) -> int | _OutOfRange:
    if len(text) > _MAX_NUMBER_LENGTH or abs(int(text)) > MAX_INTEGER:
        return _OutOfRange("an integer beyond ±(2^53 - 1)")
    return int(text)


def _number(text: str) -> float | _OutOfRange:
    if len(text) > _MAX_NUMBER_LENGTH or not math.isfinite(float(text)):
        return _OutOfRange("a number that no double holds")
    if _is_written_as_large_integer(float(text)):
        return _OutOfRange("an integer beyond ±(2^53 - 1)")
    return float(text)


def _is_written_as_large_integer(number: float) -> bool:
    """Say whether the canonical form is an integer that no reader takes (1e20, say)."""
    return MAX_INTEGER < abs(number) < _PLAIN_BELOW


def _check_floats(value: object) -> None:
    if isinstance(value, float) and _is_written_as_large_integer(value):
        raise MalformedError("JSON: a float whose canonical form is an integer beyond 2^53 - 1")
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _check_floats(item)


def _constant(text: str) -> _OutOfRange:
    return _OutOfRange(f"{text} is not JSON")


def _checked(value: object, path: tuple[str, ...], max_depth: int) -> JsonValue:
    if isinstance(value, list) and len(path) >= max_depth:
        _refuse(f"nested deeper than {max_depth} levels", path)
    if isinstance(value, _OutOfRange):
        _refuse(value.why, path)
    if isinstance(value, _Pairs):
        members: dict[str, JsonValue] = {}
        for name, item in value:
            _check_text(name, path)
            if name in members:
                _refuse("a name that occurs twice", (*path, name))
            members[name] = _checked(item, (*path, name), max_depth)
        return members
    if isinstance(value, list):
        return [_checked(item, (*path, str(at)), max_depth) for at, item in enumerate(value)]
    if isinstance(value, str):
        _check_text(value, path)
        return value
    return value  # type: ignore[return-value]  # None, bool, int or float: nothing else is left


def _check_text(text: str, path: tuple[str, ...]) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        _refuse("a lone surrogate", path)


def _refuse(why: str, path: tuple[str, ...]) -> NoReturn:
    raise MalformedError(f"JSON: {why}", member=".".join(path) or None)
