"""Ids of entries and records: UUID version 7, in lowercase.

Format: RFC 9562 §5.7. A UUIDv7 sorts by the time it was made, so an index over ids
grows at its end. Pure: the time and the randomness are arguments.
"""

import re
import uuid

from ledger.errors import MalformedError

UUID7_RANDOM_BYTES = 10  # 74 of these 80 bits are used; the rest are version and variant
UUID7_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_MAX_UNIX_MS = 2**48 - 1  # what the field holds: the year 10889


def uuid7(unix_ms: int, random: bytes) -> str:
    """The UUIDv7 of a moment, in lowercase with hyphens.

    Args:
        unix_ms: milliseconds since 1970-01-01 UTC, 0 to 2^48 - 1.
        random: `UUID7_RANDOM_BYTES` fresh random bytes.

    Raises:
        MalformedError: an argument is out of range.
    """
    if not 0 <= unix_ms <= _MAX_UNIX_MS:
        raise MalformedError("id: the time is out of range")
    if len(random) != UUID7_RANDOM_BYTES:
        raise MalformedError(f"id: not {UUID7_RANDOM_BYTES} random bytes")
    rand_a = int.from_bytes(random[:2], "big") & 0x0FFF
    rand_b = int.from_bytes(random[2:], "big") & (2**62 - 1)
    number = unix_ms << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    return str(uuid.UUID(int=number))


def parse_id(text: str) -> str:
    """The text itself, if it is a UUIDv7 as :func:`uuid7` writes one.

    Raises:
        MalformedError: it is not (upper case, another version, braces, blanks …).
    """
    if UUID7_PATTERN.fullmatch(text) is None:
        raise MalformedError("id: not a lowercase UUIDv7")
    return text
