"""Events of a model server's payload logger, made into decisions (KServe's inference logger).

A request and its answer come as two events of one id. Each is sealed and durable before it
is acknowledged; when both are there, their decisions are recorded. An exchange whose other
half does not come within an hour is declared as a gap: a prediction that nobody can show.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.entries import UUID7_RANDOM_BYTES, SourceCounter, uuid7
from ledger.errors import LedgerError, MalformedError, NotFoundError, VerificationError
from ledger.operate.completeness import Completeness
from ledger.operate.decision import ABSENT, Decision
from ledger.operate.decision_check import features_of
from ledger.operate.decisions import Decisions, Recorded
from ledger.operate.event_halves import REQUEST, RESPONSE, EventHalves, Exchange
from ledger.operate.registry import Registry
from ledger.operate.vault import EPOCH, microseconds
from service.event_services import SCALE, EventService, instances, margins

__all__ = ["TYPES", "WAIT", "Event", "Eventing", "Taken"]

WAIT: Final = timedelta(hours=1)  # for the other half: KServe sends within seconds
GAP_REASONS: Final = {REQUEST: "response_missing", RESPONSE: "request_missing"}
REFUSED: Final = "refused_by_ledger"
TYPES: Final = {
    "org.kubeflow.serving.inference.request": REQUEST,
    "org.kubeflow.serving.inference.response": RESPONSE,
}
"""Which half an event is, by its CloudEvents type."""

_log = logging.getLogger("service.eventing")


@dataclass(frozen=True, slots=True)
class Event:
    """One event, read.

    Attributes:
        id: the exchange's id: request and answer have the same.
        source: who sent it, as the event says.
        service: `namespace/inferenceservice`.
        part: which half it is.
        at: when, by its own word; None if it does not say.
        subject: the reference to the person, if the service's events carry one.
        data: the payload.
    """

    id: str
    source: str
    service: str
    part: str
    at: datetime | None
    subject: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event: it `waits`, was there before, or its decisions were recorded."""

    status: str
    decisions: tuple[str, ...] = ()
    refused: int = 0


class Eventing:
    """Makes decisions of events. Safe to share between threads and processes."""

    def __init__(
        self,
        halves: EventHalves,
        services: Mapping[str, EventService],
        registry: Registry,
        decisions: Decisions,
        completeness: Completeness,
        clock: Callable[[], datetime],
    ) -> None:
        self._halves = halves
        self._services = services
        self._registry = registry
        self._decisions = decisions
        self._completeness = completeness
        self._clock = clock

    @property
    def services(self) -> Mapping[str, EventService]:
        """The model servers that are known, by name."""
        return self._services

    def service(self, name: str) -> EventService:
        """The model server of that name.

        Raises:
            MalformedError: the operator's file has none.
        """
        if name not in self._services:
            raise MalformedError(
                "event: LEDGER_EVENTS has no such model server", member="inferenceservicename"
            )
        return self._services[name]

    def take(self, event: Event) -> Taken:
        """Take one event; it is durable when this returns.

        Raises:
            MalformedError: its payload is not what the model server's must be.
            NotFoundError: the model or policy of the model server is not registered.
            PushbackError: a database does not answer; send it again.
        """
        service = self.service(event.service)
        tag = self._halves.tag(event.source, event.id)
        if self._halves.is_done(tag):
            return Taken("duplicate")
        self._check(event, service)
        content = {
            "data": event.data,
            "at": microseconds(self._at(event)),
            "subject": event.subject,
        }
        fresh = self._halves.keep(tag, event.part, event.service, content)
        exchange = self._halves.read(tag)
        if exchange is None or len(exchange.halves) < len(GAP_REASONS):
            return Taken("waits" if fresh else "duplicate")
        return self._record(exchange)

    def sweep(self) -> int:
        """Go on with exchanges that a crash left, declare those whose half is missing; how many.

        Raises:
            PushbackError: a database does not answer.
        """
        due = microseconds(self._clock() - WAIT)
        done = 0
        for tag in self._halves.before(due):
            try:
                exchange = self._halves.read(tag)
                if exchange is None:
                    continue
                if len(exchange.halves) == len(GAP_REASONS):
                    self._record(exchange)
                else:
                    self._declare(exchange)
            except (VerificationError, NotFoundError, MalformedError) as error:
                # Left where it is: a person has to see to the file of services, or the vault.
                _log.error("an exchange cannot be gone on with: %s", error)
                continue
            done += 1
        return done

    def _check(self, event: Event, service: EventService) -> None:
        if event.part == REQUEST:
            model = self._registry.model(service.model)
            instances(event.data, tuple(features_of(model.manifest).values()))
        else:
            margins(event.data, service)

    def _record(self, exchange: Exchange) -> Taken:
        service = self.service(exchange.service)
        model = self._registry.model(service.model)
        policy = self._registry.policy(service.policy)
        asked, answered = exchange.halves[REQUEST], exchange.halves[RESPONSE]
        rows = instances(asked["data"], tuple(features_of(model.manifest).values()))
        found = margins(answered["data"], service)
        if len(rows) != len(found):
            self._declare(exchange)
            raise MalformedError("event: not one prediction for each instance", member="data")
        first = self._halves.draw_counters(exchange.tag, service.source, len(rows))
        at = EPOCH + timedelta(microseconds=int(answered["at"]))
        decisions = [
            Decision(
                id=_decision_id(exchange, number),
                model=service.model,
                policy=service.policy,
                source=SourceCounter(service.source, first + number),
                subject=asked["subject"] or answered["subject"],
                input=row,
                output={
                    "margin": margin,
                    "scale": SCALE,
                    "space": str(_output_of(model.manifest)["space"]),
                    "outcome": _outcome(model.manifest, policy.manifest, margin),
                },
                attributions=ABSENT,
                context={"decided_at": _written(at), **service.context},
            )
            for number, (row, margin) in enumerate(zip(rows, found, strict=True))
        ]
        outcomes = self._decisions.record_each(decisions)
        for decision, outcome in zip(decisions, outcomes, strict=True):
            if isinstance(outcome, LedgerError):
                _log.error("a decision of %s was refused: %s", service.source, outcome)
                self._completeness.state(
                    service.source, decision.source.seq, decision.source.seq, REFUSED
                )
        self._halves.settle(exchange.tag)
        recorded = tuple(each.id for each in outcomes if isinstance(each, Recorded))
        return Taken("recorded", recorded, len(outcomes) - len(recorded))

    def _declare(self, exchange: Exchange) -> None:
        """Log that predictions of an exchange cannot be shown, and forget its half."""
        service = self.service(exchange.service)
        (part, *_), count = tuple(exchange.halves), 1
        model = self._registry.model(service.model)
        features = tuple(features_of(model.manifest).values())
        if part == REQUEST:
            count = len(instances(exchange.halves[part]["data"], features))
        else:
            count = len(margins(exchange.halves[part]["data"], service))
        first = self._halves.draw_counters(exchange.tag, service.source, count)
        self._completeness.state(service.source, first, first + count - 1, GAP_REASONS[part])
        self._halves.settle(exchange.tag)

    def _at(self, event: Event) -> datetime:
        return (event.at or self._clock()).astimezone(UTC)


def _decision_id(exchange: Exchange, number: int) -> str:
    """The id of an exchange's decision: the same, however often it is gone on with."""
    digest = hashlib.sha256(exchange.tag + number.to_bytes(4, "big")).digest()
    return uuid7(exchange.received_us // 1000, digest[:UUID7_RANDOM_BYTES])


def _output_of(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    output = manifest.get("output")
    if not isinstance(output, Mapping):
        raise MalformedError("manifest: output is not an object", member="output")
    return output


def _outcome(model: Mapping[str, Any], policy: Mapping[str, Any], margin: int) -> str:
    lower = _output_of(model).get("favourable") == "lower"
    limit = int(policy["cut_off"]["margin"])
    passed = margin <= limit if lower else margin >= limit
    return str(policy["outcomes"]["pass" if passed else "fail"])


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
