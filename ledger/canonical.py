"""Canonical JSON: one value, one sequence of bytes (RFC 8785), and strict readers.

Values are I-JSON (RFC 7493): no duplicate names, no NaN or infinity, integers within
±(2^53 - 1), no lone surrogates. `decode` is for bytes that a program of ours wrote and
takes the canonical form only; `parse` is for bytes from outside and takes any layout.

Most values are ASCII names, short texts and numbers whose two notations agree. Those
are written and read on a short path; whatever is not obviously so, and every refusal,
is left to `rfc8785` and to the reader that knows the path of each member.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, Final, NoReturn, TypeAlias

import rfc8785

from ledger.errors import MalformedError

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "JsonValue", "decode", "encode", "encode_each", "parse"]

JsonValue: TypeAlias = (
    bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
)

MAX_INTEGER: Final = 2**53 - 1  # beyond it other readers round (RFC 7493 §2.2)
MAX_DEPTH: Final = 32  # nested arrays and objects; ours need four
_PLAIN_BELOW: Final = 1e21  # RFC 8785 writes a double below it with all its digits
_REPR_AGREES_FROM: Final = 1e-4  # below it Python writes an exponent, ECMAScript not yet
_LONG_DIGITS: Final = re.compile(rb"[0-9]{16}")
_SURROGATE: Final = re.compile(r"\\u[dD]")  # text decoded from UTF-8 has one in no other way
_MAX_NUMBER_LENGTH: Final = 400  # characters; a double's longest plain form takes 327


def encode(value: object) -> bytes:
    """Return the value's canonical bytes (RFC 8785).

    Raises:
        MalformedError: the value is not I-JSON.
    """
    try:
        return _written(value).encode()
    except (_NotPlainError, KeyError, TypeError, RecursionError):
        pass  # rfc8785 knows how it is written, or that it is not
    try:
        data = rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks the type itself
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError, TypeError) as error:
        raise MalformedError("JSON: the value has no canonical form (RFC 8785)") from error
    if _LONG_DIGITS.search(data):  # rare in ours: only then is it worth a second walk
        _check_floats(value)
    return data


def encode_each(values: Sequence[object]) -> list[bytes]:
    """Return the canonical bytes of each of these values.

    Raises:
        MalformedError: one is not I-JSON.
    """
    try:
        return [_WRITERS[type(value)](value).encode() for value in values]
    except (_NotPlainError, KeyError, TypeError, RecursionError):
        return [encode(value) for value in values]


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
        plain = _PLAIN_READER.decode(text)
        if _is_shallow(plain, max_depth) and not _SURROGATE.search(text):
            return plain  # type: ignore[no-any-return]  # the reader's hooks let nothing else by
    except (_NotPlainError, RecursionError, ValueError):
        pass  # read it again, to say where and why it is refused
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


class _NotPlainError(Exception):
    """The short path does not take this value. Never leaves this module."""


def _written(value: object) -> str:
    """The canonical form, if it is obvious; KeyError or _NotPlainError if not."""
    return _WRITERS[type(value)](value)


def _write_text(text: str) -> str:
    # Printable text holds no control character and no surrogate: two need an escape.
    if not text.isprintable() or '"' in text or "\\" in text:
        raise _NotPlainError
    return f'"{text}"'


def _write_integer(number: int) -> str:
    if abs(number) > MAX_INTEGER:
        raise _NotPlainError
    return str(number)


def _write_float(number: float) -> str:
    size = abs(number)
    if size <= MAX_INTEGER and number.is_integer():
        return str(int(number))  # -0.0 is 0 (RFC 8785 §3.2.2.3)
    if _REPR_AGREES_FROM <= size <= MAX_INTEGER:
        return repr(number)  # the shortest digits that read back, without an exponent
    raise _NotPlainError


def _write_array(items: Sequence[object]) -> str:
    return f"[{','.join([_written(item) for item in items])}]"


def _write_object(members: Mapping[str, object]) -> str:
    # ASCII names (`_label` takes no others) have the same order in UTF-16 as here.
    pairs = [
        _label(name) + _WRITERS[type(members[name])](members[name]) for name in sorted(members)
    ]
    return f"{{{','.join(pairs)}}}"


@lru_cache(maxsize=1024)  # a deployment has some hundred: features, and what formats.md names
def _label(name: str) -> str:
    if type(name) is not str or not name.isascii():
        raise _NotPlainError
    return f"{_write_text(name)}:"


# By exact type: a subclass may write itself otherwise.
_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    NoneType: lambda _: "null",
    bool: lambda truth: "true" if truth else "false",
    int: _write_integer,
    float: _write_float,
    str: _write_text,
    list: _write_array,
    tuple: _write_array,
    dict: _write_object,
}


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


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotPlainError
    return members


def _plain_integer(text: str) -> int:
    number = _integer(text)
    if isinstance(number, _OutOfRange):
        raise _NotPlainError
    return number


def _plain_number(text: str) -> float:
    number = _number(text)
    if isinstance(number, _OutOfRange):
        raise _NotPlainError
    return number


def _is_shallow(value: object, depth: int) -> bool:
    """Say whether arrays and objects are nested at most `depth` deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(
        _is_shallow(item, depth - 1) for item in inner if isinstance(item, dict | list)
    )


_PLAIN_READER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_plain_number,
    parse_int=_plain_integer,
    parse_constant=_plain_number,  # float() reads NaN and Infinity, which are out of range
)


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
