"""One step of delivery: the oldest batch is sent, its answer checked, its receipts kept.

A step ends in an outcome; how long to wait then is the worker's business. Nothing is
settled before every receipt of the batch was verified and kept.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

from ledger import canonical
from ledger.client.answers import (
    BatchAnswer,
    Seen,
    UnsupportedAnswer,
    checked_head,
    checked_results,
    parse_answer,
    parse_problem,
)
from ledger.client.counters import Tally
from ledger.client.heads import NEWEST, Heads
from ledger.client.outbox import Item, Outbox
from ledger.client.receipts import Receipts
from ledger.client.segments import FULL
from ledger.client.spooled import Gap, Refusal
from ledger.client.transport import Answer, Ledger, NoAnswer
from ledger.client.trust import Trust, UnknownKeys
from ledger.errors import InconsistencyError, LedgerError, MalformedError
from ledger.private_files import private_directory, write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.proof import Receipt

__all__ = ["Alarm", "Delivery", "Idle", "Listener", "Outcome", "Paused", "Retry", "Sent"]

MAX_BATCH: Final = 1_000  # decisions; the ledger takes no more in one request
MAX_BATCH_BYTES: Final = 4_000_000  # of its 5,000,000
GAPS_AT_ONCE: Final = 100  # declared, one a request, before decisions have their turn again
GAP_SECONDS: Final = 60.0  # between attempts to declare gaps that the ledger does not take
MAX_ALARMS_KEPT: Final = 16  # files of evidence: the first ones tell it all
EMPTY: Final = Checkpoint("none", 0, EMPTY_ROOT)  # nothing is in it
_PATH: Final = "/v1/decisions?receipts=compact"
_HALVED: Final = frozenset({400, 413, 422})  # perhaps because of one of them
_ONE_GAP: Final = frozenset({400, 409, 413, 422})  # of this gap: others may be taken
_OURS: Final = "/problems/"  # in the type of a ledger's problem, and of nobody else's
_PAUSED: Final = {
    401: "the ledger does not know the key",
    403: "the key may not record decisions",
    404: "there is no ledger at this address",
    405: "there is no ledger at this address that takes decisions",
    415: "the ledger does not read what this client sends",
}

_log = logging.getLogger("ledger.client")


class Listener(Protocol):
    """What a caller wants to hear of; called in the worker's thread, its errors are logged."""

    def settled(self, results: Sequence[tuple[str, Receipt | Refusal]]) -> None:
        """What became of decisions, by id: each has its receipt, or was refused."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch is settled: go on."""


@dataclass(frozen=True, slots=True)
class Idle:
    """There is nothing to send."""


@dataclass(frozen=True, slots=True)
class Retry:
    """No usable answer: send it again after a while, `after` seconds if the ledger said so.

    With `alone` it is this outbox that cannot be read; others are not concerned.
    """

    reason: str
    after: float | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Paused:
    """The ledger will not take it as things are: somebody has to see to it; `alone` as above."""

    reason: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """An answer that proves nothing, or another history: the batch is kept."""

    reason: str


Outcome = Sent | Idle | Retry | Paused | Alarm


@dataclass(slots=True)
class Delivery:
    """Sends what outboxes hold. Used by one thread.

    Attributes:
        ledger: where to.
        trust: whose heads are accepted; None: anybody's.
        heads: the heads that were accepted before.
        receipts: where receipts go.
        tally: what is counted.
        listener: who hears of results.
        evidence: a directory for answers that raised the alarm, or None.
        most: decisions in one request.
        make_room: lets go of room on a full disk, and says whether there was any.
        busy: whether a step is under way: what is settled may not be counted yet.
    """

    ledger: Ledger
    trust: Trust | None
    heads: Heads
    receipts: Receipts
    tally: Tally
    listener: Listener
    evidence: Path | None = None
    most: int = 100
    make_room: Callable[[], bool] = lambda: False
    busy: bool = False
    _fewer: dict[str, int] = field(default_factory=dict)

    def step(self, outbox: Outbox) -> Outcome:
        """Send one batch of the outbox, if there is any."""
        self.busy = True
        try:
            return self._step(outbox)
        finally:
            self.busy = False

    def _step(self, outbox: Outbox) -> Outcome:
        most = min(self._fewer.get(outbox.source, self.most), MAX_BATCH)
        try:
            items = outbox.batch(most, MAX_BATCH_BYTES)
        except LedgerError as error:
            return Paused(str(error), alone=True)
        except OSError as error:
            return self._disk_failed(error, alone=True)
        return self._exchange(outbox, items) if items else Idle()

    def _exchange(self, outbox: Outbox, items: Sequence[Item]) -> Outcome:
        """Send the batch, and do as the answer says."""
        try:
            seen = self.heads.read(NEWEST)
            body = b'{"decisions":[' + b",".join(item.body for item in items) + b"]}"
            answer = self.ledger.post(_PATH, body)
            if answer.status == HTTPStatus.OK:
                return self._take(outbox, items, answer, seen)
            return self._refused(outbox, items, answer)
        except NoAnswer as error:
            self.tally.add(retries=1)
            return Retry(str(error))
        except LedgerError as error:
            return Paused(str(error))
        except OSError as error:
            return self._disk_failed(error)

    def declare_gaps(self, outbox: Outbox) -> Outcome:
        """Tell the ledger some of the gaps: `Sent` if there are more, `Retry` if it takes not all.

        It may not take that yet. What it has taken is forgotten once for all of them, because
        that writes anew what is left.
        """
        told: list[Gap] = []
        outcome: Outcome = Idle()
        try:
            for gap in outbox.gaps():
                if len(told) == GAPS_AT_ONCE:
                    outcome = Sent()
                    break
                status = self._declared(outbox.source, gap)
                if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                    told.append(gap)
                    continue
                later = GAP_SECONDS if status < HTTPStatus.INTERNAL_SERVER_ERROR else None
                outcome = Retry(f"a gap was answered with status {status}", later)
                if status not in _ONE_GAP:
                    break
        except (LedgerError, OSError) as error:
            outcome = Retry(type(error).__name__)
        try:
            if told:
                outbox.gaps_declared(told)
        except OSError as error:
            return Retry(type(error).__name__)
        self.tally.add(gaps_declared=len(told))
        return outcome

    def _declared(self, source: str, gap: Gap) -> int:
        """The status that the ledger answers a gap with."""
        told = {"first": gap.first, "last": gap.last, "reason": gap.reason}
        return self.ledger.post(f"/v1/sources/{source}/gaps", canonical.encode(told)).status

    def _disk_failed(self, error: OSError, *, alone: bool = False) -> Outcome:
        """Try again at once with room that was held back, or later."""
        if error.errno in FULL and self.make_room():
            return Sent()
        return Retry(f"the spool's disk: {error.strerror}", alone=alone)

    def read(self, path: str) -> bytes:
        """The bytes at an address of the ledger.

        Raises:
            NoAnswer: they are not there, or not for us.
        """
        answer = self.ledger.get(path)
        if answer.status != HTTPStatus.OK:
            raise NoAnswer(f"answered with status {answer.status}")
        return answer.body

    def _take(
        self, outbox: Outbox, items: Sequence[Item], answer: Answer, seen: Seen | None
    ) -> Outcome:
        try:
            read = parse_answer(answer.body, len(items))
        except UnsupportedAnswer as error:
            return Paused(str(error))
        except MalformedError as error:
            self.tally.add(retries=1)
            return Retry(str(error))
        try:
            results = self._checked(outbox, items, read, seen)
        except UnknownKeys as error:
            return Paused(str(error))
        except LedgerError as error:
            self._keep_evidence(error, answer.body)
            return Alarm(str(error))
        kept = [each for each in results if isinstance(each, Receipt)]
        refusals = [each for each in results if isinstance(each, Refusal)]
        if self.trust is None:
            self.tally.add(unverified=len(kept))
        self.receipts.keep(outbox.source, kept)
        outbox.settle(refusals)
        self._grow(outbox.source)
        again = sum(getattr(each, "status", "") == "duplicate" for each in read.results)
        self.tally.add(recorded=len(kept) - again, duplicates=again, refused=len(refusals))
        self._tell(items, results)
        self._follow(read.note, seen)
        return Sent()

    def _follow(self, note: str, seen: Seen | None) -> None:
        """See where the log's keys lead: after the batch, since no batch depends on it yet."""
        if self.trust is None or not note:
            return
        try:
            self.trust.follow(note, seen, self.read)
        except (LedgerError, OSError) as error:
            _log.warning("a change of the log's keys cannot be followed: %s", type(error).__name__)
        self.tally.put(rotations_followed=self.trust.followed)

    def _checked(
        self, outbox: Outbox, items: Sequence[Item], read: BatchAnswer, seen: Seen | None
    ) -> list[Receipt | Refusal]:
        """The results, each verified; the head they stand under is remembered."""
        if not read.note:  # all of them refused
            return list(checked_results(items, read, outbox.source, EMPTY))
        checkpoint = checked_head(read.note, self.trust, seen)
        results: list[Receipt | Refusal] = []
        for each in checked_results(items, read, outbox.source, checkpoint):
            results.append(each)
            time.sleep(0)  # lets a caller's thread in: one of these takes a tenth of a millisecond
        self.heads.advance(NEWEST, Seen(checkpoint, read.note))
        return results

    def _refused(self, outbox: Outbox, items: Sequence[Item], answer: Answer) -> Outcome:
        """What to do about an answer that is not for the batch as such."""
        status, problem = answer.status, parse_problem(answer.body)
        if status in _PAUSED:
            return Paused(f"{_PAUSED[status]} (status {status})")
        if status in _HALVED:
            if len(items) > 1:
                self._fewer[outbox.source] = len(items) // 2
                return Sent()
            ours = _OURS in str(problem.get("type", ""))
            if not ours and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return Paused(f"something else than a ledger answers with status {status}")
            refusal = Refusal(items[0].decision, problem | {"status": status})
            outbox.settle((refusal,))
            self._grow(outbox.source)
            self.tally.add(refused=1)
            self._tell(items, [refusal])
            return Sent()
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.tally.add(retries=1)
            return Retry(f"the ledger answers with status {status}", answer.retry_after)
        return Paused(f"the ledger answers with status {status}")

    def _grow(self, source: str) -> None:
        """Come back to full batches after one that had to be halved."""
        if source in self._fewer:
            self._fewer[source] *= 2
            if self._fewer[source] >= self.most:
                del self._fewer[source]

    def _tell(self, items: Sequence[Item], results: Sequence[Receipt | Refusal]) -> None:
        told = [(item.decision.id, each) for item, each in zip(items, results, strict=True)]
        try:
            self.listener.settled(told)
        except Exception as error:  # noqa: BLE001  # a caller's own code must not stop delivery
            _log.error("a callback failed: %s", type(error).__name__)

    def _keep_evidence(self, error: LedgerError, body: bytes) -> None:
        """Keep what raised the alarm. An answer holds receipts and no personal data."""
        self.tally.add(alarms=1)
        if self.evidence is None:
            return
        document: dict[str, object] = {"why": str(error), "answer": body.decode("utf-8", "replace")}
        if isinstance(error, InconsistencyError):
            document |= {"older": error.older, "newer": error.newer}
        with contextlib.suppress(OSError):
            private_directory(self.evidence)
            for number in range(MAX_ALARMS_KEPT):
                path = self.evidence / f"{number:02}.json"
                if not path.exists():
                    write_new(path, json.dumps(document, indent=1).encode())
                    return
