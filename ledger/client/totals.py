"""Stating how many predictions a source made, and hearing how many the ledger holds."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from ledger.client.answers import parse_problem
from ledger.client.transport import Answer, Ledger, NoAnswer
from ledger.errors import MalformedError, PushbackError, RefusedError

__all__ = ["StatedTotal", "state"]

VERDICTS: Final = ("agrees", "more", "short", "unknown")
RETRY_AFTER: Final = 1  # seconds, if the ledger does not say
MAX_COUNT: Final = 2**53 - 1  # as JSON keeps it exactly
_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_TAKEN: Final = (200, 201)
_CALLERS: Final = range(400, 500)  # the request's own fault
_LATER: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class StatedTotal:
    """A total that stands in the log, and how it compares with what the ledger holds now.

    Attributes:
        index: where it stands in the log.
        verdict: `agrees`, `short`, `more` (than stated), or `unknown`.
        held: how many of these predictions the ledger holds.
        short: how many fewer that is; below zero if it holds more.
    """

    index: int
    verdict: str
    held: int
    short: int


def state(ledger: Ledger, source: str, **members: int | str) -> StatedTotal:
    """Have a total logged; the same one again is logged once, and compared anew.

    Args:
        ledger: where.
        source: a lane, or for a period a source with all its lanes.
        members: `count`, with `first` and `last`, or with `since` and `until` (docs/api.md).

    Raises:
        MalformedError: not a source.
        PushbackError: no answer, or none that is worth reading; state it again later.
        RefusedError: the ledger does not take it.
    """
    if _SOURCE.fullmatch(source) is None:
        raise MalformedError("client: not a source")
    body = json.dumps(members).encode()
    try:
        answer = ledger.post(f"/v1/sources/{source}/totals", body)
    except NoAnswer as error:
        raise PushbackError(str(error), retry_after=RETRY_AFTER) from error
    if answer.status in _TAKEN:
        return _read(answer)
    if answer.status in _CALLERS and answer.status not in _LATER:
        problem = parse_problem(answer.body)
        detail = str(problem.get("detail", f"the ledger answered {answer.status}"))
        raise RefusedError(detail, member=problem.get("member"))
    wait = int(answer.retry_after or RETRY_AFTER)
    raise PushbackError(f"the ledger answered {answer.status}", retry_after=wait)


def _read(answer: Answer) -> StatedTotal:
    try:
        document: Any = json.loads(answer.body)
        total = document["total"]
        numbers = [document["seq"], total["held"], total["short"]]
        verdict = total["verdict"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise PushbackError("not an answer about a total", retry_after=RETRY_AFTER) from error
    fit = all(type(each) is int and abs(each) <= MAX_COUNT for each in numbers)
    if verdict not in VERDICTS or not fit:
        raise PushbackError("not an answer about a total", retry_after=RETRY_AFTER)
    index, held, short = numbers
    return StatedTotal(index, verdict, held, short)
