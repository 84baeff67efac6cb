"""Frozen values as plain JSON types, and back, strictly.

A value is a frozen dataclass whose fields are text, booleans, whole numbers, exact
decimals (written as text, so that no float formatting enters a hash), tuples of these
and other such values. Reading accepts only what writing would have produced: every
member present, none unknown, no type bent into another.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar, cast

from explain.errors import SchemaError

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

MAX_ITEMS = 2_000  # members of one list; no model explained here has more features
MAX_TEXT = 20_000  # characters of one text; a whole letter is a quarter of that
MAX_INTEGER = 2**53 - 1  # the largest whole number that every JSON reader keeps exact (RFC 7493)
MAX_DECIMAL_TEXT = 40  # characters of one decimal number

Value = TypeVar("Value")


def to_plain(value: object) -> JsonValue:
    """Return `value` as JSON types: objects, lists, text, integers, booleans and null."""
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(kind: type[Value], value: object, member: str = "") -> Value:
    """Return the dataclass `kind` that was written as `value`.

    Raises:
        SchemaError: a member is missing, unknown, out of bounds or of another type.
    """
    if not isinstance(value, Mapping):
        raise SchemaError("must be an object", member=member or None)
    hints = _hints(cast("Any", kind))
    for name in value:
        if name not in hints:
            raise SchemaError("unknown member", member=_join(member, str(name)))
    for name in hints:
        if name not in value:
            raise SchemaError("member is missing", member=_join(member, name))
    read = {name: _read(hint, value[name], _join(member, name)) for name, hint in hints.items()}
    return kind(**read)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _join(member: str, name: str) -> str:
    return f"{member}.{name}" if member else name


def _read(hint: Any, value: object, member: str) -> object:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        return _read_tuple(typing.get_args(hint)[0], value, member)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value, member)
    if hint is Decimal:
        return _read_decimal(value, member)
    # bool is a subclass of int, so the exact type decides.
    if type(value) is not hint:
        raise SchemaError(f"must be {_ARTICLE[hint]}", member=member)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise SchemaError("text is too long", member=member)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise SchemaError("number is too large", member=member)
    return value


_ARTICLE = {bool: "true or false", int: "a whole number", str: "text"}


def _read_tuple(item: Any, value: object, member: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise SchemaError("must be a list", member=member)
    if len(value) > MAX_ITEMS:
        raise SchemaError("list is too long", member=member)
    return tuple(_read(item, part, f"{member}[{at}]") for at, part in enumerate(value))


def _read_decimal(value: object, member: str) -> Decimal:
    if not isinstance(value, str) or len(value) > MAX_DECIMAL_TEXT:
        raise SchemaError("must be a decimal number written as text", member=member)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise SchemaError("must be a decimal number written as text", member=member) from error
    if not number.is_finite() or str(number) != value:
        raise SchemaError("must be a decimal number as we write it", member=member)
    return number
