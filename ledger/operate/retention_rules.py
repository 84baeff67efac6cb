"""Rules of retention as values: how long, by law, a kind of record is kept at least or at most.

They are facts with a source, read from data files (`ledger.operate.retention_file`), not code.
One that nobody read in the source counts only once an operator says why they rely on it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from ledger.errors import MalformedError
from ledger.operate.periods import Period

__all__ = [
    "ACCESS_LOG",
    "DECISION_KINDS",
    "EVERYWHERE",
    "PLACE",
    "Bound",
    "Mark",
    "RecordKind",
    "Regime",
    "RetentionClass",
    "Rule",
    "RuleBook",
    "Start",
]


class Bound(StrEnum):
    """Whether a rule says how long at least, or at most."""

    CEILING = "ceiling"
    FLOOR = "floor"


class Mark(StrEnum):
    """How well a rule's source was read."""

    VERIFIED = "verified"
    SECONDARY = "secondary"
    UNMARKED = "unmarked"
    MEMORY = "memory"
    POLICY = "policy"


class Start(StrEnum):
    """What a period is counted from. This ledger knows when a decision and an access were."""

    ACCESS = "access"
    DECISION = "decision"
    NOT_STATED = "not_stated"
    RELATIONSHIP_END = "relationship_end"


class RecordKind(StrEnum):
    """What is kept."""

    ACCESS_LOG = "access_log"
    DECISION = "decision"
    EXPLANATION = "explanation"
    NOTICE = "notice"
    OPERATION_LOG = "operation_log"
    TECHNICAL_FILE = "technical_file"


ACCESS_LOG: Final = frozenset({RecordKind.ACCESS_LOG})
DECISION_KINDS: Final = frozenset({RecordKind.DECISION, RecordKind.EXPLANATION, RecordKind.NOTICE})
"""What goes together: explanations and notices are destroyed with their decision."""

PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")  # ISO 3166-1 or -2, or EU
EVERYWHERE: Final = "*"
UNION: Final = "EU"
MEMBERS: Final = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
"""The member states of the Union, by ISO 3166: what holds in `EU` holds in each of them."""

_KNOWN_STARTS: Final = frozenset({Start.ACCESS, Start.DECISION})
_RELIABLE: Final = frozenset({Mark.VERIFIED, Mark.SECONDARY, Mark.POLICY})


@dataclass(frozen=True, slots=True)
class Regime:
    """A body of law by the name that policies use, and what is to be known of it."""

    id: str
    title: str
    note: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One floor or ceiling.

    Attributes:
        id: its name.
        regime: whose rule it is.
        jurisdiction: where it holds, as `EU`, `US` or `US-CO`; `*` is everywhere.
        kinds: which records it is about.
        bound: floor or ceiling.
        period: how long.
        start: counted from what.
        source: article and act, exactly.
        read_on: when the source, or the digest that cites it, was read.
        mark: how well.
        since: the first day it is in force; None: it is.
        ended: the first day it is no longer; None: no end is known.
        note: what else to know.
        relied_on: why the operator relies on it although nobody read its source; "" if not.
    """

    id: str
    regime: str
    jurisdiction: str
    kinds: frozenset[RecordKind]
    bound: Bound
    period: Period
    start: Start
    source: str
    read_on: date
    mark: Mark
    since: date | None = None
    ended: date | None = None
    note: str = ""
    relied_on: str = ""

    def __post_init__(self) -> None:
        if self.since and self.ended and self.ended <= self.since:
            raise MalformedError(f"retention: {self.id} ends before it begins", member="ended")
        if self.bound is Bound.CEILING and self.start not in _KNOWN_STARTS:
            raise MalformedError(
                f"retention: the ceiling {self.id} is counted from what this ledger does not know",
                member="start",
            )

    @property
    def active(self) -> bool:
        """Whether it counts: its source was read, or an operator says why they rely on it."""
        return self.mark in _RELIABLE or bool(self.relied_on)

    @property
    def countable(self) -> bool:
        """Whether this ledger knows when its period begins."""
        return self.start in _KNOWN_STARTS

    def holds_in(self, jurisdictions: Iterable[str]) -> bool:
        """Whether it holds in one of these.

        What holds in `US` holds in `US-CO`, and what holds in `EU` in its member states.
        """
        here = self.jurisdiction
        return here == EVERYWHERE or any(
            each == here
            or each.startswith(f"{here}-")
            or (here == UNION and each.partition("-")[0] in MEMBERS)
            for each in jurisdictions
        )

    def standing(self, on: date) -> str:
        """Why it does not count on this day; "" if it does."""
        if self.ended is not None and self.ended <= on:
            return f"ended on {self.ended}"
        if not self.active:
            return f"unverified ({self.mark}): check before relying"
        if self.since is not None and on < self.since:
            return f"in force from {self.since}"
        return ""


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """What an operator states of a class of records.

    Attributes:
        id: its name, as in the `retention_class` of policies.
        regimes: which regimes hold for all of it.
        jurisdictions: where.
        kinds: which records it is about.
        ceiling: for how long at most, whatever the law.
        reason: why the records are needed that long.
        buffer: added to the longest floor; None: nothing is.
        zone: in which days are counted.
    """

    id: str
    regimes: frozenset[str]
    jurisdictions: frozenset[str]
    kinds: frozenset[RecordKind]
    ceiling: Period
    reason: str
    buffer: Period | None
    zone: str


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules, regimes and classes that are in effect.

    Attributes:
        digest: SHA-256 in hex of the files they were read from, in their order.
        stated: whether an operator stated anything beside what is shipped.
    """

    regimes: Mapping[str, Regime]
    rules: Mapping[str, Rule]
    classes: Mapping[str, RetentionClass]
    digest: str
    stated: bool
