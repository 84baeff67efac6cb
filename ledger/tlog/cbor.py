"""Strict CBOR (RFC 8949): definite lengths, shortest forms, no tags, nothing behind the item.

The only door to cbor2, which is imported when something is read or written: a relying party
who was given no COSE receipts does not need it. Which order the labels of a map have is left
to who writes it, since what was signed keeps its order.
"""

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Final

from ledger.errors import LedgerError, MalformedError

__all__ = ["MAX_BYTES", "decode", "encode"]

MAX_BYTES: Final = 100_000  # an entry of a log takes 65,535, a proof and its headers 3,000
MAX_DEPTH: Final = 8  # of arrays and maps; a receipt has three


def encode(value: object) -> bytes:
    """Return the value in its shortest form; maps keep the order that they are given in.

    Raises:
        LedgerError: cbor2 is not installed.
    """
    encoded: bytes = _library().dumps(value)
    return encoded


def decode(data: bytes) -> object:
    """Return the one item that these bytes are.

    Raises:
        MalformedError: anything :func:`encode` would not have written; too long or too deep.
        LedgerError: cbor2 is not installed.
    """
    library = _library()
    if len(data) > MAX_BYTES:
        raise MalformedError(f"CBOR: more than {MAX_BYTES:,} bytes")
    try:
        value: object = library.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
        )
        same = encode(value) == data
    except (library.CBORError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedError("CBOR: not one item of plain CBOR") from error
    if not same:
        raise MalformedError("CBOR: not in its shortest form, or more than one item")
    return value


class _NoTags(Mapping[int, Callable[..., object]]):
    """A decoder for every tag, which refuses it: some would run code on a stranger's text."""

    def __getitem__(self, tag: int) -> Callable[..., object]:
        return _refuse

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refuse(*_: object) -> object:
    raise ValueError("a tag")


_NO_TAGS: Final = _NoTags()


def _library() -> ModuleType:
    try:
        import cbor2
    except ModuleNotFoundError as error:
        raise LedgerError(
            "COSE receipts are read with cbor2, which is not installed here: pip install cbor2"
        ) from error
    return cbor2
