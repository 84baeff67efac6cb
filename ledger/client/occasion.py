"""The occasion of a decision: whom it is about, on whose request, under which circumstances.

A model knows its features and nothing else. What else belongs into a decision is known
around it, often some calls further out; it travels in a context variable, so that it reaches
every `record` below, in the same thread, task or copied context, and nobody else's.
"""

import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from ledger import canonical
from ledger.client.acceptance import Ticket
from ledger.client.spooled import plain
from ledger.errors import MalformedError

__all__ = ["About", "Occasion", "current", "enter", "occasion"]

MAX_REQUEST_CHARACTERS: Final = 200  # a longer request id is taken for none: anyone can send it
MAX_TICKETS: Final = 10_000  # that one occasion remembers; a longer batch keeps its last

About: TypeAlias = Callable[[], Mapping[str, Any] | None]
"""Gives `subject` and `context`, or either, when the first decision asks for them."""


class Occasion:
    """What holds for the decisions that are recorded within it. Made by :func:`occasion`.

    Attributes:
        tickets: of the decisions recorded within it, the newest 10,000.
    """

    def __init__(
        self,
        *,
        subject: str | None = None,
        subjects: Sequence[str | None] | None = None,
        context: Mapping[str, Any] | None = None,
        request: str | None = None,
        about: About | None = None,
        outer: "Occasion | None" = None,
    ) -> None:
        self.tickets: deque[Ticket] = deque(maxlen=MAX_TICKETS)
        self.subjects = subjects
        self._given: Mapping[str, Any] = {"subject": subject, "context": context}
        self._about = about
        self._outer = outer
        self._told: Mapping[str, Any] | None = None
        fits = isinstance(request, str) and 1 <= len(request) <= MAX_REQUEST_CHARACTERS
        self._request = request if fits else None
        self._times: Counter[bytes] = Counter()

    def told(self) -> Mapping[str, Any]:
        """`subject` and `context`, those of occasions around it included.

        Raises:
            Exception: whatever the callable raised that was to tell them.
        """
        if self._told is None:
            asked = (self._about() if self._about is not None else None) or {}
            if not asked.keys() <= {"subject", "context"}:
                raise MalformedError("occasion: tells `subject` and `context`, nothing else")
            outer = self._outer.told() if self._outer is not None else {}
            found = [each for each in (outer, asked, self._given) if each]
            subjects = [each["subject"] for each in found if each.get("subject") is not None]
            context: dict[str, Any] = {}
            for each in found:
                context |= each.get("context") or {}
            self._told = {"subject": subjects[-1] if subjects else None, "context": context}
        return self._told

    @property
    def has_request(self) -> bool:
        """Whether a request id is known, here or around."""
        if self._request is not None or self._outer is None:
            return self._request is not None
        return self._outer.has_request

    def mark(self, members: Mapping[str, Any], secret: bytes) -> bytes | None:
        """What tells this decision of this request from all others; None without a request.

        Under a key, because it goes into the log as part of an id, and a plain hash of what
        a decision is about could be guessed.
        """
        if self._request is None:
            return None if self._outer is None else self._outer.mark(members, secret)
        parts = [members[name] for name in ("model", "policy", "subject", "input", "output")]
        try:
            text = canonical.encode([self._request, *plain(parts)])
        except MalformedError:
            return None  # nor can it be recorded
        digest = hmac.digest(secret, text, hashlib.sha256)
        self._times[digest] += 1
        again = self._times[digest].to_bytes(8, "big")  # two equal rows are two decisions
        return hmac.digest(secret, digest + again, hashlib.sha256)

    def keep(self, ticket: Ticket) -> None:
        """Remember a ticket, here and in the occasions around it."""
        self.tickets.append(ticket)
        if self._outer is not None:
            self._outer.keep(ticket)


_current: ContextVar[Occasion | None] = ContextVar("ledger.client.occasion", default=None)


def current() -> Occasion | None:
    """The occasion that holds here and now."""
    return _current.get()


@contextmanager
def occasion(
    *,
    subject: str | None = None,
    subjects: Sequence[str | None] | None = None,
    context: Mapping[str, Any] | None = None,
    request: str | None = None,
    about: About | None = None,
) -> Iterator[Occasion]:
    """Let decisions within the block have these members, unless they name others.

    Args:
        subject: whom they are about.
        subjects: of a batch, one for each of its rows.
        context: circumstances; those of occasions around it hold too.
        request: an id under which the same request may come again: its decisions then keep
            their ids.
        about: asked for `subject` and `context` by the first decision, if there is one.
    """
    made = Occasion(
        subject=subject, subjects=subjects, context=context, request=request, about=about,
        outer=current(),
    )  # fmt: skip
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def enter(*, request: str | None, about: About | None) -> Occasion:
    """Let an occasion hold for the rest of the context that this runs in."""
    made = Occasion(request=request, about=about, outer=current())
    _current.set(made)
    return made
