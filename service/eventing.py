"""Events of a model server's payload logger, made into decisions (KServe's inference logger).

A request and its answer come as two events of one id. Each is sealed and durable before it
is acknowledged; when both are there, their decisions are recorded. An exchange whose other
half does not come within an hour is declared as a gap: a prediction that nobody can show.
One prediction that makes no decision costs no other one of its exchange.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from explain.errors import SchemaError
from explain.features import Feature
from explain.rules import Rule, check_rules, fired, read_rules
from ledger.canonical import JsonValue
from ledger.entries import UUID7_RANDOM_BYTES, SourceCounter, uuid7
from ledger.errors import LedgerError, MalformedError, NotFoundError, VerificationError
from ledger.operate.completeness import Completeness
from ledger.operate.decision import ABSENT, Decision
from ledger.operate.decision_check import RULE, features_of
from ledger.operate.decisions import Decisions, Recorded
from ledger.operate.event_halves import REQUEST, RESPONSE, EventHalves, Exchange, Waiting
from ledger.operate.registry import Registry
from ledger.operate.vault import EPOCH, microseconds
from service.event_services import SCALE, EventService, instances, margins

__all__ = ["TYPES", "WAIT", "Event", "Eventing", "Taken"]

WAIT: Final = timedelta(hours=1)  # for the other half: KServe sends within seconds
RETRY: Final = timedelta(minutes=10)  # of an exchange that could not be gone on with
MAX_STUCK: Final = 10_000  # exchanges remembered as such; others are tried at every look
ENDPOINTS: Final = frozenset({"", "default"})  # all that a server has, unless it has a canary
GAP_REASONS: Final = {REQUEST: "response_missing", RESPONSE: "request_missing"}
MISMATCH: Final = "halves_differ"
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
        at: when, by its own word, in UTC; None if it does not say.
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
        self._stuck: dict[bytes, datetime] = {}

    @property
    def services(self) -> Mapping[str, EventService]:
        """The model servers that are known, by name."""
        return self._services

    def service(self, name: str, endpoint: str = "", component: str = "") -> EventService:
        """The model server of that name, by namespace and inference service.

        Args:
            name: as `namespace/inferenceservice`.
            endpoint: which of its endpoints; a canary runs another model, so it has an entry
                of its own.
            component: which part of it logged; "" if that is not known.

        Raises:
            MalformedError: the operator's file has none, or wants no events of that part.
        """
        own = f"{name}/{endpoint}" if endpoint else name
        found = self._services.get(own) or self._services.get(name)
        if found is None:
            raise MalformedError(
                "event: LEDGER_EVENTS has no such model server", member="inferenceservicename"
            )
        if own not in self._services and endpoint not in ENDPOINTS:
            raise MalformedError(
                "event: LEDGER_EVENTS has no entry for this endpoint", member="endpoint"
            )
        if component not in {"", found.component}:
            raise MalformedError(
                "event: LEDGER_EVENTS wants the events of another component", member="component"
            )
        return found

    def waiting(self) -> tuple[Waiting, ...]:
        """What waits for its other half, by model server.

        Raises:
            PushbackError: a database does not answer.
        """
        return self._halves.waiting()

    def take(self, event: Event) -> Taken:
        """Take one event; it is durable when this returns.

        Raises:
            MalformedError: its payload is not what the model server's must be.
            DuplicateSubmission: another one came under its id before.
            NotFoundError: the model or policy of the model server is not registered.
            PushbackError: a database does not answer; send it again.
        """
        service = self._named(event.service)
        tag = self._halves.tag(event.service, event.source, event.id)
        content = {
            "data": event.data,
            "at": microseconds(self._at(event)),
            "subject": event.subject,
        }
        if self._halves.is_done(tag, event.part, content):
            return Taken("duplicate")
        self._check(event, service)
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
        done, last = 0, None
        while found := self._halves.before(due, last):
            last = found[-1]
            done += sum(self._gone_on(tag) for _, tag in found)
        return done

    def _gone_on(self, tag: bytes) -> bool:
        """Say whether an exchange that waited long is settled now."""
        now = self._clock()
        if now < self._stuck.get(tag, now):
            return False
        try:
            exchange = self._halves.read(tag)
            if exchange is None:  # its other half came first
                return False
            if len(exchange.halves) == len(GAP_REASONS):
                self._record(exchange)
            else:
                self._declare(exchange, GAP_REASONS[next(iter(exchange.halves))])
        except (VerificationError, NotFoundError, MalformedError) as error:
            # Left where it is: a person has to see to the file of services, or the vault.
            _log.error("an exchange cannot be gone on with: %s", error)
            if len(self._stuck) < MAX_STUCK:
                self._stuck[tag] = now + RETRY
            return False
        self._stuck.pop(tag, None)
        return True

    def _named(self, name: str) -> EventService:
        """The entry of the operator's file that an exchange was taken under."""
        found = self._services.get(name)
        if found is None:
            raise MalformedError(
                "event: LEDGER_EVENTS has no such model server", member="inferenceservicename"
            )
        return found

    def _check(self, event: Event, service: EventService) -> None:
        if event.part == REQUEST:
            self._rows(event.data, service)
            self._ruled(service)
        else:
            margins(event.data, service)

    def _ruled(self, service: EventService) -> tuple[Rule, ...]:
        """The knock-out rules of the model server's policy."""
        policy = self._registry.policy(service.policy).manifest
        return _rules(self._registry.model(service.model).manifest, policy)

    def _rows(self, data: Mapping[str, Any], service: EventService) -> list[dict[str, Any]]:
        features = features_of(self._registry.model(service.model).manifest)
        return instances(data, service.ordered(features))

    def _record(self, exchange: Exchange) -> Taken:
        service = self._named(exchange.service)
        rows = self._rows(exchange.halves[REQUEST]["data"], service)
        found = margins(exchange.halves[RESPONSE]["data"], service)
        if len(rows) != len(found):
            self._declare(exchange, MISMATCH)
            raise MalformedError("event: not one prediction for each instance", member="data")
        first = self._halves.draw_counters(exchange.tag, service.source, len(rows))
        made = self._made(exchange, service, first, list(zip(rows, found, strict=True)))
        fit = [each for each in made if isinstance(each, Decision)]
        recorded = iter(self._decisions.record_each(fit) if fit else ())
        outcomes = [next(recorded) if isinstance(each, Decision) else each for each in made]
        for counter, outcome in enumerate(outcomes, first):
            if isinstance(outcome, LedgerError):
                _log.error("a decision of %s was refused: %s", service.source, outcome)
                self._completeness.state(service.source, counter, counter, REFUSED)
        self._halves.settle(exchange)
        ids = tuple(each.id for each in outcomes if isinstance(each, Recorded))
        return Taken("recorded", ids, len(outcomes) - len(ids))

    def _made(
        self,
        exchange: Exchange,
        service: EventService,
        first: int,
        predictions: Sequence[tuple[dict[str, Any], int]],
    ) -> list[Decision | LedgerError]:
        """The decision that each prediction makes, or why it makes none."""
        model = self._registry.model(service.model).manifest
        policy = self._registry.policy(service.policy).manifest
        rules = self._ruled(service)
        asked, answered = exchange.halves[REQUEST], exchange.halves[RESPONSE]
        at = EPOCH + timedelta(microseconds=int(answered["at"]))
        made: list[Decision | LedgerError] = []
        for number, (row, margin) in enumerate(predictions):
            hit = fired(rules, row)
            output: dict[str, JsonValue] = {
                "margin": margin,
                "scale": SCALE,
                "space": str(_output_of(model)["space"]),
                "outcome": _outcome(model, policy, margin, hit),
            }
            context = {"decided_at": _written(at), **service.context}
            if hit:
                context[RULE] = hit[0].id
            try:
                made.append(
                    Decision(
                        id=_decision_id(exchange, number),
                        model=service.model,
                        policy=service.policy,
                        source=SourceCounter(service.source, first + number),
                        subject=asked["subject"] or answered["subject"],
                        input=row,
                        output=output,
                        attributions=ABSENT,
                        context=context,
                    )
                )
            except MalformedError as error:
                made.append(error)
        return made

    def _declare(self, exchange: Exchange, reason: str) -> None:
        """Log that predictions of an exchange cannot be shown, and forget its half."""
        service = self._named(exchange.service)
        if REQUEST in exchange.halves:
            count = len(self._rows(exchange.halves[REQUEST]["data"], service))
        else:
            count = len(margins(exchange.halves[RESPONSE]["data"], service))
        if count:
            first = self._halves.draw_counters(exchange.tag, service.source, count)
            self._completeness.state(service.source, first, first + count - 1, reason)
        self._halves.settle(exchange)

    def _at(self, event: Event) -> datetime:
        return event.at or self._clock()


def _decision_id(exchange: Exchange, number: int) -> str:
    """The id of an exchange's decision: the same, however often it is gone on with."""
    digest = hashlib.sha256(exchange.tag + number.to_bytes(4, "big")).digest()
    return uuid7(exchange.received_us // 1000, digest[:UUID7_RANDOM_BYTES])


def _output_of(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    output = manifest.get("output")
    if not isinstance(output, Mapping):
        raise MalformedError("manifest: output is not an object", member="output")
    return output


def _rules(model: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[Rule, ...]:
    try:
        rules = read_rules(policy)
        if rules:
            listed = enumerate(model["features"])
            check_rules(rules, [Feature.from_json(one, f"features[{at}]") for at, one in listed])
    except SchemaError as error:
        # Without its rules the outcome would be one that the policy does not give.
        raise MalformedError(
            f"event: the rules of the policy do not fit the model: {error}; name another"
            " policy for this model server in LEDGER_EVENTS",
            member=error.member,
        ) from error
    return rules


def _outcome(
    model: Mapping[str, Any], policy: Mapping[str, Any], margin: int, hit: Sequence[Rule]
) -> str:
    lower = _output_of(model).get("favourable") == "lower"
    limit = int(policy["cut_off"]["margin"])
    passed = margin <= limit if lower else margin >= limit
    return str(policy["outcomes"]["pass" if passed and not hit else "fail"])


def _written(at: datetime) -> str:
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
