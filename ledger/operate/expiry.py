"""Expiry as values: what a run is about, and what of it is due by which rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.canonical import JsonValue
from ledger.operate.due_records import Extent
from ledger.operate.erasure import Ending
from ledger.operate.retention_class import Resolution
from ledger.operate.retention_report import written


class Scope(StrEnum):
    """What a run is about; the value is the short name of its log."""

    ACCESS = "access"
    DECISIONS = "decisions"


ENDINGS: Final[Mapping[Scope, Ending]] = {
    Scope.ACCESS: Ending.ACCESS_LOG_ENDED,
    Scope.DECISIONS: Ending.RETENTION_ENDED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Until when one decision is kept.

    Attributes:
        class_id: its class; None if none that is stated.
        until: from when on it is due; None: no end is known.
        resolution: the rules; None without a class.
    """

    class_id: str | None
    until: datetime | None
    resolution: Resolution | None


@dataclass(frozen=True, slots=True)
class Share:
    """What one policy, or the access log, has that is due.

    Attributes:
        name: `name@version` of the policy, or `access log`.
        policy: its digest; "" for the access log.
        resolution: the rules; None if nothing of it expires, and `why` says why.
    """

    name: str
    policy: str
    resolution: Resolution | None
    why: str
    before: datetime | None
    recorded: int
    due: Extent

    def to_json(self) -> dict[str, JsonValue]:
        """As a report says it."""
        found = self.resolution
        return {
            "name": self.name,
            "rules": None if found is None else found.to_json(),
            "kept_because": self.why,
            "due_before": written(self.before),
            "recorded": self.recorded,
            "due": self.due.count,
            "first": written(self.due.first),
            "last": written(self.due.last),
        }
