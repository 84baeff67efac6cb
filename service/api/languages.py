"""Which language a caller wants an explanation in.

`?language=` asks for one language and gets that or an error. `Accept-Language`, which browsers
send by themselves, only chooses among what there is: it never makes a second explanation.
"""

import re
from collections.abc import Sequence
from typing import Final

from flask import request

from service.problems import Problem

__all__ = ["LANGUAGE", "asked", "preferred"]

_TAG: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")

LANGUAGE: Final = {
    "in": "query",
    "name": "language",
    "required": False,
    "description": "BCP 47 tag, as `de`. Without it, `Accept-Language` chooses among the"
    " languages in which it was explained.",
    "schema": {"type": "string", "pattern": f"^{_TAG.pattern}$"},
}
"""The query's parameter, for OpenAPI."""


def asked(offered: Sequence[str]) -> str:
    """The language that the query asks for; "" if it asks for none.

    Raises:
        Problem: `invalid`, when no catalogue speaks it.
    """
    language = request.args.get("language", "")
    if language and language not in offered:
        raise Problem("invalid", f"There is: {', '.join(offered)}.", member="language")
    return language


def preferred(offered: Sequence[str]) -> str:
    """The offered language that `Accept-Language` likes best; "" if it likes none of them."""
    for tag, quality in request.accept_languages:  # the best first
        for name in (tag.lower(), tag.lower().partition("-")[0]):  # RFC 4647 §3.4: look up
            if quality > 0 and name in offered:
                return name
    return ""
