"""The client: `record` at the moment of a prediction, and everything else behind its back."""

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, Unpack

from ledger.client.acceptance import (
    CLOSED,
    FAILED,
    FULL,
    DecisionMembers,
    NotAccepted,
    Ticket,
    accept,
    confirmed,
    missed,
)
from ledger.client.awaited import Awaited
from ledger.client.counters import Counters, State, Tally
from ledger.client.heads import GROWN, NEWEST, kept_size
from ledger.client.occasions import Occasions
from ledger.client.options import Choices, Key, Options, key_reader
from ledger.client.running import Running, kept_in
from ledger.client.spooled import Gap, Refusal
from ledger.client.totals import StatedTotal, state
from ledger.client.transport import HttpLedger
from ledger.client.trust import PolicySource
from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import PushbackError, StoppedError
from ledger.tlog.proof import Receipt

__all__ = ["Client", "Ticket"]

AGAIN_SECONDS: Final = 1.0  # between attempts to claim a lane of a spool that cannot be used
EXIT_SECONDS: Final = 5.0  # to deliver what waits when the interpreter ends
_MILLION: Final = 1_000_000

_log = logging.getLogger("ledger.client")


class Client:
    """Records decisions without waiting, delivers them, and keeps their receipts.

    Safe between threads. A child of a fork counts in a lane of its own. Threads and files
    are made by the first decision, or by :meth:`start`.
    """

    def __init__(
        self,
        url: str,
        key: Key,
        *,
        source: str,
        spool: Path | None,
        policy: PolicySource | None = None,
        ca_file: str | None = None,
        plain_http: bool = False,
        on_refused: Callable[[str, Mapping[str, Any]], None] | None = None,
        on_state: Callable[[State, str], None] | None = None,
        now: Callable[[], int] = time.time_ns,
        **choices: Unpack[Choices],
    ) -> None:
        """A client of the ledger at `url`.

        Args:
            url: the ledger's address.
            key: its API key of the role `source`: a text, a file, or a function.
            source: the name of what makes predictions.
            spool: the directory to spool in, on a local disk; None: memory only.
            policy: the trust policy that receipts are checked against, from a place of its
                own: a value, a file that is read again when it changes, or a function that
                is asked about each answer; None: nobody's signature is checked.
            ca_file: certificates to trust instead of the system's.
            plain_http: allow http to other machines.
            on_refused: told a decision's id and the ledger's problem with it.
            on_state: told when the worker enters another state, and why.
            now: nanoseconds since 1970.
            choices: the other members of `ledger.client.options.Options`.

        Raises:
            MalformedError: an argument cannot be used.
        """
        if spool is not None:
            spool = spool.absolute()  # a server may change its directory when it starts
        if isinstance(policy, Path):
            policy = policy.absolute()
        if choices.get("spill") is not None:
            choices["spill"] = Path(choices["spill"]).absolute()  # type: ignore[arg-type]
        self._options = Options(source=source, spool=spool, policy=policy, **choices)
        self._key = key_reader(key)
        self._ledger: Callable[[], HttpLedger] = partial(
            HttpLedger, url, self._key, ca_file=ca_file, plain_http=plain_http
        )
        self._ledger()  # an address that cannot be used is said now
        self._on_refused = on_refused
        self._on_state = on_state
        self._now = now
        self._kept = kept_in(self._options)
        self._tally = Tally()
        self._occasions = Occasions(self._key, self._tally, strict=self._options.strict)
        self._awaited = Awaited(self._tally)
        self._closed = False
        self._mutex = threading.Lock()
        self._running: Running | None = None
        self._source = ""
        self._not_before = 0.0
        _clients.add(self)

    def record(
        self,
        *,
        model: str,
        policy: str,
        input: Mapping[str, Any],  # noqa: A002  # the name that the format has
        output: Mapping[str, Any],
        attributions: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002  # likewise
    ) -> Ticket:
        """Accept a decision, and return at once; the members are those of docs/formats.md §5.

        `context.decided_at` is now, unless it is given. `subject` and what `context` lacks are
        taken from the :func:`~ledger.client.occasion.occasion` around the call. Without
        `attributions` the ledger works them out later, and says so. Nothing that goes wrong
        here leaves as an exception, unless the client is strict or was told to raise when it
        is full.

        Raises:
            SpoolFull: as was chosen with `when_full`.
            LedgerError, OSError: if the client is strict.
        """
        members = {
            "model": model, "policy": policy, "input": input, "output": output,
            "attributions": attributions, "context": context, "subject": subject,
        }  # fmt: skip
        return self._occasions.record(members, id, self._now, self._ticket)

    def missed(self, reason: str) -> Ticket:
        """Say that a prediction was made which cannot be put into words; `reason` is a code.

        It uses up a counter, which the log will show to be missing. Nothing is raised.
        """
        self._tally.add(failed=1)
        try:
            running = self._started()
            ticket = missed(running.spool, reason)
            running.accepted()
        except Exception as error:  # noqa: BLE001  # nothing may harm the prediction
            _log.error("a gap could not be noted down: %s", type(error).__name__)
            return Ticket("", "", None, reason)
        return ticket

    def _ticket(self, members: Mapping[str, Any], chosen_id: str | None) -> Ticket:
        name = chosen_id or self._new_id()
        try:
            return self._accept(members, name)
        except NotAccepted as failure:
            chosen = self._options.when_full == "raise" and failure.reason == FULL
            if self._options.strict or chosen:
                raise failure.why from None
            # Its class only: a text could show what the decision was about.
            _log.error("a decision was not accepted: %s", type(failure.why).__name__)
            return Ticket(name, failure.source, failure.seq, failure.reason)

    def submit(self, *, timeout: float = 30.0, **decision: Unpack[DecisionMembers]) -> Receipt:
        """Record a decision, wait until the ledger has it, and return its verified receipt.

        The members are those of :meth:`record`. It goes through the spool like all others,
        so that it is neither lost nor doubled whatever happens.

        Raises:
            RefusedError: the ledger refused it; `member` names the place at fault.
            VerificationError: the ledger's answer proves nothing. The decision is kept.
            PushbackError: no answer in time. It is in the spool and will be sent.
            LedgerError, OSError: it was not accepted.
        """
        name = decision.get("id") or self._new_id()
        try:
            with self._awaited.expected(name):
                members = {"attributions": None, "context": None, "subject": None, **decision}
                self._accept(self._occasions.completed(members), name)
                return self._awaited.receipt(name, timeout)
        except NotAccepted as failure:
            raise failure.why from None

    def declare_gap(self, first: int, last: int, reason: str) -> None:
        """Say which counters of this process's lane no decision will carry; spooled like one.

        What `record` did not accept is declared by itself.

        Raises:
            MalformedError: not a range, or not a code such as `shadow_mode`.
            SpoolFull, OSError: it was not accepted.
        """
        running = self._started()
        running.spool.declare(Gap(first, last, reason))
        running.accepted()

    def state_total(self, first: int, last: int, count: int) -> StatedTotal:
        """Tell the ledger now how many predictions carry these counters of this process's lane.

        Nothing is spooled. What was not delivered yet is short; late decisions make it good.

        Raises:
            PushbackError: no answer; state the same again later.
            RefusedError: the ledger does not take it.
            OSError, StoppedError: as :meth:`start`.
        """
        source, ledger = self._started().spool.source, self._ledger()
        with closing(ledger):
            return state(ledger, source, first=first, last=last, count=count)

    def start(self) -> None:
        """Claim a lane and begin to deliver what waits, ahead of the first decision.

        Raises:
            OSError: the spool cannot be used.
            StoppedError: the client is closed.
        """
        self._started()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything of this process is delivered; say whether it is."""
        running = self._running
        if running is None:
            return True
        running.accepted()
        return self._awaited.until(lambda: running.done, timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Deliver what can be in time, and end; say whether all is delivered.

        What is not stays in the spool for the next process, or for
        `python -m ledger.client ship`.
        """
        self._closed = True
        began = time.monotonic()
        delivered = self.flush(timeout)
        with self._mutex:
            running, self._running = self._running, None
        if running is not None:
            self._source = running.spool.source
            try:
                running.stop(timeout - (time.monotonic() - began))
            except OSError as error:
                _log.error("the spool could not be closed: %s", error.strerror)
        return delivered

    def counters(self) -> Counters:
        """How the client stands. Counts begin with this process."""
        running, heads = self._running, self._kept.heads
        more: dict[str, int] = {"log_size": kept_size(heads, NEWEST)}
        more["grown_size"] = kept_size(heads, GROWN)
        if running is None:
            return self._tally.look(source=self._source, **more)
        outbox = running.outbox
        more |= {"pending": running.waiting, "spooled_bytes": running.spool.size}
        more["gaps_pending"] = sum(gap.last - gap.first + 1 for gap in outbox.gaps())
        return self._tally.look(source=running.spool.source, **more)

    def receipt(self, decision: str) -> str:
        """The receipt of a decision that was delivered, as the text of a `.tlog-proof`.

        Raises:
            NotFoundError: there is none, or none any more.
            MalformedError: not an id.
        """
        return self._kept.receipts.find(decision).format()

    def resume(self) -> None:
        """Go on after a pause or an alarm that somebody has looked at."""
        running = self._running
        if running is not None:
            running.shipper.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def settled(self, results: Sequence[tuple[str, Receipt | Refusal]]) -> None:
        """What became of decisions: called by the worker."""
        self._awaited.settled(results)
        for name, result in results:
            if isinstance(result, Refusal):
                _log.warning("a decision was refused: %s", result.problem.get("type", "?"))
                if self._on_refused is not None:
                    self._on_refused(name, result.problem)

    def _accept(self, members: Mapping[str, Any], name: str) -> Ticket:
        """Spool the decision.

        Raises:
            NotAccepted: and the counter that it would have had is declared as a gap.
        """
        try:
            nanoseconds = self._now()
            running = self._started()
        except Exception as error:
            self._tally.add(failed=1)
            reason = CLOSED if isinstance(error, StoppedError) else FAILED
            raise NotAccepted(error, reason) from error
        try:
            ticket = accept(running.spool, self._options, members, name, nanoseconds)
            self._tally.add(accepted=1, unattributed=members["attributions"] is None)
        except NotAccepted:
            self._tally.add(failed=1)
            raise
        finally:
            running.accepted()
        waits = self._options.durability == "fsync"
        return confirmed(running.spool, ticket) if waits else ticket

    def _started(self) -> Running:
        running = self._running
        if running is not None:
            return running
        with self._mutex:
            if self._closed:
                raise StoppedError("client: closed")
            if self._running is None:
                if time.monotonic() < self._not_before:
                    raise PushbackError("client: the spool cannot be used", retry_after=1)
                self._not_before = time.monotonic() + AGAIN_SECONDS
                running = Running(
                    self._options,
                    ledger=self._ledger(),
                    kept=self._kept,
                    tally=self._tally,
                    listener=self,
                    on_state=self._entered,
                )
                running.start()
                self._running = running
                atexit.register(_close_at_exit, weakref.ref(self), os.getpid())
            return self._running

    def _entered(self, state: State, reason: str) -> None:
        self._awaited.stir()
        if self._on_state is not None:
            self._on_state(state, reason)

    def _new_id(self) -> str:
        milliseconds = max(self._now() // _MILLION, 0)  # a clock that was never set may lie below
        return uuid7(milliseconds, os.urandom(UUID7_RANDOM_BYTES))

    def _after_fork(self) -> None:
        """In the child: what was inherited is the parent's, its locks perhaps taken for ever."""
        inherited, self._running = self._running, None
        self._mutex = threading.Lock()
        self._source, self._not_before = "", 0.0
        self._tally = Tally()
        self._occasions = Occasions(self._key, self._tally, strict=self._options.strict)
        self._awaited = Awaited(self._tally)
        if self._options.spool is None:
            self._kept = kept_in(self._options)
        if inherited is not None:
            inherited.abandon()


def _close_at_exit(client: "weakref.ref[Client]", process: int) -> None:
    found = client()
    if found is not None and os.getpid() == process:
        found.close(EXIT_SECONDS)


def _after_fork_in_child() -> None:
    for client in tuple(_clients):
        client._after_fork()  # noqa: SLF001  # the class's own module


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
