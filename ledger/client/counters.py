"""What the client has done since it began, and how it stands: numbers, and no data."""

import threading
from dataclasses import dataclass, fields
from enum import StrEnum

__all__ = ["Counters", "State", "Tally"]


class State(StrEnum):
    """What the worker is doing."""

    ALARM = "alarm"  # a receipt proved nothing: somebody has to look
    IDLE = "idle"
    NEW = "new"  # nothing was recorded yet
    PAUSED = "paused"  # the ledger will not take it as things are: somebody has to see to it
    SHIPPING = "shipping"
    STOPPED = "stopped"
    WAITING = "waiting"  # the ledger does not answer: tried again by itself


@dataclass(frozen=True, slots=True)
class Counters:
    """One look at a client.

    `accepted` + `failed` + `repeated` is what the caller asked for. `recorded`, `duplicates`
    and `refused` also count what this process delivered of earlier ones.

    Attributes:
        source: the lane in which this process counts; empty before the first decision.
        state: what the worker is doing, and
        reason: why, where it is paused, waiting or in alarm. Holds nobody's data.
        accepted: decisions that `record` and `submit` accepted.
        failed: decisions that were not accepted; their counters are declared as gaps.
        unattributed: accepted without attributions: the ledger has to work them out.
        undescribed: accepted without a subject or context that could not be told.
        repeated: of a request that came again; the first decision stands.
        recorded: decisions that the ledger has, each with a receipt that was checked.
        duplicates: decisions that it had already; likewise.
        refused: decisions that it refused; they are kept beside the spool.
        pending: decisions of this lane that wait.
        spooled_bytes: what they take.
        gaps_declared: gaps that the ledger has taken.
        gaps_pending: gaps that wait to be declared.
        retries: requests that were not answered, or with a failure of the ledger.
        alarms: answers that did not stand the check.
        unverified: receipts whose head nobody's signature was checked of: no policy was given.
        torn: ends of files that a crash cut off.
        damaged: places in files that could not be read; the files are kept.
        unreadable: lanes of another version, or under another spool key.
        rotations_followed: rotations of the log's keys that were followed because the policy
            names none of the new keys: give the client the new policy.
        log_size: entries in the newest head that was accepted.
        grown_size: entries in the newest head that is proved to have grown from those before.
    """

    source: str = ""
    state: State = State.NEW
    reason: str = ""
    accepted: int = 0
    failed: int = 0
    unattributed: int = 0
    undescribed: int = 0
    repeated: int = 0
    recorded: int = 0
    duplicates: int = 0
    refused: int = 0
    pending: int = 0
    spooled_bytes: int = 0
    gaps_declared: int = 0
    gaps_pending: int = 0
    retries: int = 0
    alarms: int = 0
    unverified: int = 0
    torn: int = 0
    damaged: int = 0
    unreadable: int = 0
    rotations_followed: int = 0
    log_size: int = 0
    grown_size: int = 0


class Tally:
    """Counts what happens, from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts = {each.name: 0 for each in fields(Counters) if each.type in (int, "int")}
        self._state, self._reason = State.NEW, ""

    def add(self, **counts: int) -> None:
        """Count these on."""
        with self._mutex:
            for name, count in counts.items():
                self._counts[name] += count

    def put(self, **counts: int) -> None:
        """Set these."""
        with self._mutex:
            self._counts |= counts

    def enter(self, state: State, reason: str = "") -> bool:
        """Be in this state from now on; say whether it is news."""
        with self._mutex:
            news = (self._state, self._reason) != (state, reason)
            self._state, self._reason = state, reason
            return news

    def look(self, **more: int | str) -> Counters:
        """The counts now."""
        with self._mutex:
            counts = self._counts | more
            return Counters(state=self._state, reason=self._reason, **counts)  # type: ignore[arg-type]
