"""The scribe: puts the predictions of one model version on record, and harms none of them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ledger.client.acceptance import Ticket
from ledger.client.client import Client
from ledger.client.occasion import current
from ledger.client.predictions import Outcome, Prediction, output_of
from ledger.errors import LedgerError, MalformedError

__all__ = ["Scribe"]

NOT_READABLE: Final = "prediction_not_readable"
"""The gap's reason where nobody can say truly what a row came to."""

_log = logging.getLogger("ledger.client")


class Scribe:
    """Records what a model predicts under one policy. Safe between threads."""

    def __init__(
        self,
        client: Client | Callable[[], Client],
        *,
        model: str,
        policy: str,
        outcome: Outcome,
        context: Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> None:
        """A scribe for one model version.

        Args:
            client: records the decisions; or makes the one that does, with the first.
            model: `name@version` or digest, as registered.
            policy: likewise.
            outcome: what becomes of a prediction; a `CutOff`, or a function.
            context: members of every decision's `context`.
            strict: raise what went wrong instead of counting it. For tests.
        """
        self._client = client
        self._model, self._policy, self._outcome = model, policy, outcome
        self._context = context
        self._strict = strict
        self._mutex = threading.Lock()

    @property
    def client(self) -> Client:
        """The client, made if it has to be."""
        if isinstance(self._client, Client):
            return self._client
        with self._mutex:
            if not isinstance(self._client, Client):
                self._client = self._client()
            return self._client

    def note(self, read: Callable[[], Sequence[Prediction]], rows: int) -> tuple[Ticket, ...]:
        """Record what `read` says; a ticket for each row.

        Args:
            read: says what each row came to.
            rows: how many there are; as many counters show what is missing if it fails.

        Raises:
            Exception: if strict, whatever went wrong; otherwise nothing.
        """
        try:
            try:
                predictions = read()
            except Exception as error:
                if self._strict:
                    raise
                # Its class only: a text could show what the decision was about.
                _log.error("a prediction could not be read: %s", type(error).__name__)
                return tuple(self._missed() for _ in range(rows))
            subjects = self._subjects(len(predictions))
            return tuple(map(self._record, predictions, subjects))
        except Exception as error:
            if self._strict:
                raise
            _log.error("a prediction was not recorded: %s", type(error).__name__)
            return ()

    def _record(self, prediction: Prediction, subject: str | None) -> Ticket:
        try:
            output = output_of(prediction, self._outcome)
            ticket = self.client.record(
                model=self._model,
                policy=self._policy,
                input=prediction.input,
                output=output,
                attributions=prediction.attributions,
                context=self._context,
                subject=subject,
            )
        except Exception as error:
            if self._strict:
                raise
            _log.error("a prediction was not recorded: %s", type(error).__name__)
            return self._missed()
        if prediction.unexplained is not None:
            _log.warning("a decision goes without attributions: %s", prediction.unexplained)
            if self._strict:
                raise MalformedError(f"no attributions: {prediction.unexplained}")
        if self._strict and not ticket.accepted:
            raise LedgerError(f"not accepted: {ticket.failure}")
        return ticket

    def _subjects(self, rows: int) -> Sequence[str | None]:
        """Whom each row is about; nobody is named, rather than the wrong one."""
        held = current()
        given = held.subjects if held is not None else None
        if given is None:
            return (None,) * rows
        if len(given) != rows:
            if self._strict:
                raise MalformedError("occasion: not one subject for each row")
            _log.error("an occasion has not one subject for each row")
            return (None,) * rows
        return given

    def _missed(self) -> Ticket:
        ticket = self.client.missed(NOT_READABLE)
        held = current()
        if held is not None:
            held.keep(ticket)
        return ticket
