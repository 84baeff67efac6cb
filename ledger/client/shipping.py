"""The two threads behind a client: one makes what was accepted durable, one delivers it.

They are started by the first decision and not before, so that a server may make a client,
fork, and have each child run threads of its own.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from ledger.client.counters import State, Tally
from ledger.client.delivery import Alarm, Delivery, Idle, Outcome, Paused, Retry, Sent
from ledger.client.heads import grew
from ledger.client.lanes import LEASE, Lane
from ledger.client.outbox import LaneOutbox, Outbox
from ledger.client.spool import DiskSpool
from ledger.errors import InconsistencyError, LedgerError

__all__ = ["Shipper", "Syncer"]

FIRST_WAIT: Final = 0.1  # seconds; doubled with each failure
LONGEST_WAIT: Final = 60.0
PAUSE_SECONDS: Final = 30.0  # a pause ends by itself, should somebody have seen to it
ADOPT_SECONDS: Final = 5.0  # between looks for lanes of processes that died
GROWTH_SECONDS: Final = 60.0  # between checks that the log only grew
TIDY_SECONDS: Final = 1.0  # without a decision, until the last file is removed
FEW: Final = 64  # counters in doubt after a power cut, for a lane that is idle
MAX_DOUBLINGS: Final = 10

_log = logging.getLogger("ledger.client")


class Syncer:
    """Syncs a spool at most every `interval` seconds, and lets it have enough counters."""

    def __init__(
        self,
        spool: DiskSpool,
        interval: float,
        measure: Callable[[], None] = lambda: None,
        hold: Callable[[], None] = lambda: None,
    ) -> None:
        """A syncer of a spool.

        `measure` is called now and then, to see what others hold, and `hold` each time, to
        take room again that a full disk was given.
        """
        self._spool = spool
        self._interval = interval
        self._measure = measure
        self._hold = hold
        self._measured = 0.0
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="ledger-client-sync", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something was accepted."""
        if not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """End, once what goes on is done."""
        self._stopped = True
        self._wake.set()
        if self._thread.ident is not None:  # it may never have been started
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            woken = self._wake.wait(TIDY_SECONDS)
            self._wake.clear()
            try:
                if woken:
                    if self._spool.needs_counters():
                        self._spool.renew(LEASE)
                    self._spool.sync()
                elif self._spool.has_many_counters(FEW):
                    self._spool.renew(FEW)
                if not woken and self._spool.has_skipped:
                    self._spool.sync()  # what there was no room for before
                self._hold()
                if time.monotonic() > self._measured + ADOPT_SECONDS:
                    self._measure()
                    self._measured = time.monotonic()
            except OSError as error:
                _log.error("the spool's disk: %s", error.strerror)
                time.sleep(TIDY_SECONDS)
            except Exception as error:  # noqa: BLE001  # without counters nothing is accepted any more
                _log.error("syncing failed: %s", type(error).__name__)
                time.sleep(TIDY_SECONDS)
            if woken and not self._stopped:
                time.sleep(self._interval)


class Shipper:
    """Delivers what an outbox holds, and what others have left behind, one batch at a time."""

    def __init__(
        self,
        delivery: Delivery,
        own: Outbox,
        tally: Tally,
        *,
        orphans: Callable[[], Iterable[Lane]] = tuple,
        on_state: Callable[[State, str], None] = lambda *_: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._delivery = delivery
        self._own = own
        self._tally = tally
        self._orphans = orphans
        self._on_state = on_state
        self._chance = chance
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._resumed = threading.Event()
        self._failures = 0
        self._due = {"orphans": 0.0, "gaps": 0.0, "growth": time.monotonic() + GROWTH_SECONDS}
        self._thread = threading.Thread(target=self._run, name="ledger-client-ship", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        if not self._wake.is_set():
            self._wake.set()

    def resume(self) -> None:
        """Go on after a pause or an alarm that somebody has looked at."""
        self._resumed.set()
        self._wake.set()

    def stop(self, seconds: float) -> bool:
        """End after the request that is under way; say whether that came to an end in time."""
        self._stopped.set()
        self._resumed.set()
        self._wake.set()
        self._thread.join(max(seconds, 0))
        return not self._thread.is_alive()

    def drain(self, outbox: Outbox) -> Outcome:
        """Send what the outbox holds; the outcome says why no more is sent: `Sent` for time."""
        until = time.monotonic() + ADOPT_SECONDS  # then other lanes have their turn
        outcome: Outcome = Sent()
        while isinstance(outcome, Sent) and not self._stopped.is_set():
            outcome = self._delivery.step(outbox)
            if not isinstance(outcome, Sent):
                return outcome
            self._failures = 0
            self._enter(State.SHIPPING)
            if time.monotonic() > until:
                return outcome
        return Idle()

    def check_growth(self) -> Outcome:
        """Ask the log's own tiles whether it only grew."""
        try:
            self._tally.put(grown_size=grew(self._delivery.heads, self._delivery.read))
        except InconsistencyError as error:
            self._tally.add(alarms=1)
            return Alarm(str(error))
        except (LedgerError, OSError):
            pass  # it could not be checked: `grown_size` stays behind `log_size`
        return Idle()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                outcome = self._round()
            except Exception as error:  # noqa: BLE001  # a mistake of ours must not end delivery
                _log.error("delivery failed: %s", type(error).__name__)
                outcome = Retry(f"an error of the client ({type(error).__name__})")
            self._rest(outcome)
        self._enter(State.STOPPED)

    def _round(self) -> Outcome:
        mine = self.drain(self._own)
        if not isinstance(mine, Idle | Sent):
            return mine
        outcome: Outcome = Idle()
        if self._is_due("orphans", ADOPT_SECONDS):
            outcome = self.adopt()
        if isinstance(outcome, Idle) and self._is_due("gaps", TIDY_SECONDS):
            told = self._delivery.declare_gaps(self._own)
            if isinstance(told, Sent):
                self._due["gaps"] = 0.0
                return told
            if isinstance(told, Retry) and told.after is not None:
                self._due["gaps"] = time.monotonic() + told.after
        if isinstance(outcome, Idle) and self._is_due("growth", GROWTH_SECONDS):
            outcome = self.check_growth()
        return mine if isinstance(outcome, Idle) else outcome

    def adopt(self) -> Outcome:
        """Send what processes that died have left behind."""
        failed = 0
        for lane in self._orphans():
            outbox = LaneOutbox(lane)
            outcome = self.drain(outbox)
            self._tally.add(torn=outbox.torn, damaged=outbox.damaged)
            if isinstance(outcome, Retry | Paused) and outcome.alone:
                failed += 1  # others may be read, and this one another time
                continue
            if not isinstance(outcome, Idle):
                return outcome
            if isinstance(self._delivery.declare_gaps(outbox), Sent):
                self._due["orphans"] = 0.0  # there are more
        self._tally.add(unreadable=failed)
        return Idle()

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True

    def _rest(self, outcome: Outcome) -> None:
        """Wait as the outcome asks for, unless there is something to do before."""
        if self._stopped.is_set():
            return  # the lane may be closed already, which is no fault of the disk
        match outcome:
            case Sent():
                pass  # there is more
            case Idle():
                self._enter(State.IDLE)
                if not self._wake.wait(TIDY_SECONDS) and isinstance(self._own, LaneOutbox):
                    with contextlib.suppress(OSError):
                        self._own.tidy()
                self._wake.clear()
            case Retry(reason, after):
                self._enter(State.WAITING, reason)
                # A ledger that says 0 for ever is not asked all the time.
                wait = self._backoff() if after is None else max(after, FIRST_WAIT)
                self._resumed.wait(wait)
            case Paused(reason):
                self._enter(State.PAUSED, reason)
                self._resumed.wait(PAUSE_SECONDS)
            case Alarm(reason):
                self._enter(State.ALARM, reason)
                self._resumed.wait()
        if not self._stopped.is_set():
            self._resumed.clear()

    def _backoff(self) -> float:
        """Twice as long after each failure, and by chance up to half less: clients spread out."""
        longest: float = min(FIRST_WAIT * 2 ** min(self._failures, MAX_DOUBLINGS), LONGEST_WAIT)
        self._failures += 1
        return longest * (1 - self._chance() / 2)

    def _enter(self, state: State, reason: str = "") -> None:
        if not self._tally.enter(state, reason):
            return
        if state in (State.WAITING, State.PAUSED, State.ALARM):
            level = logging.ERROR if state is State.ALARM else logging.WARNING
            _log.log(level, "delivery is %s: %s", state, reason)
        try:
            self._on_state(state, reason)
        except Exception as error:  # noqa: BLE001  # a caller's own code must not stop delivery
            _log.error("a callback failed: %s", type(error).__name__)
