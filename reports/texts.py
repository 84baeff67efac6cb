"""Which characters a document may carry: a rule for every text that comes from outside.

A value may hold any letter. It may not hold what changes the reading order of the text
around it, ends a line, or has no meaning in print.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from reports.errors import DocumentError

__all__ = ["check_text", "check_texts"]

MAX_TEXT: Final = 4_000  # characters of one text; more does not fit on a page
_MEANINGLESS: Final = frozenset({"Cc", "Cn", "Co", "Cs"})  # control, unassigned, private, surrogate
# Unicode Standard Annex 9, section 2: explicit formatting that reorders what follows.
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# A value that a catalogue set apart; once closed, it changes nothing around it.
_SET_APART: Final = re.compile("\u2068[^\u2066-\u2069]*\u2069")


def check_text(text: str, member: str) -> None:
    """Raise unless `text` may be printed as it is.

    Raises:
        DocumentError: too long, or a control, reordering or unassigned character.
    """
    if len(text) > MAX_TEXT:
        raise DocumentError("text is too long for a document", member=member)
    for character in _closed(text):
        if character in _REORDERING or unicodedata.category(character) in _MEANINGLESS:
            point = f"U+{ord(character):04X}"
            raise DocumentError(f"character {point} cannot be printed", member=member)


def _closed(text: str) -> str:
    """Return a text without the marks of isolates that are closed, however deep."""
    plain, found = text, 1
    while found:
        plain, found = _SET_APART.subn(lambda match: match[0][1:-1], plain)
    return plain


def check_texts(value: object, member: str = "") -> None:
    """Raise unless every text inside a frozen value may be printed.

    Raises:
        DocumentError: see :func:`check_text`; `member` is the path from `value`.
    """
    for path, text in _texts(value, member):
        check_text(text, path)


def _texts(value: object, member: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield member, value
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _texts(item, f"{member}[{at}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            inner = f"{member}.{field.name}" if member else field.name
            yield from _texts(getattr(value, field.name), inner)
