"""Retention, for one caller: the access log writes first, then it is planned, run or looked at.

The entry of the access log commits to the digest of the dry run's report: what the second
person agreed to is on record before anything is destroyed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger.canonical import JsonValue
from ledger.operate.erasure import Erasure, Stage
from ledger.operate.expiry import Scope
from ledger.operate.retention_report import RunReport
from ledger.roles import Permission
from service.erasing import Officer
from service.reading import Caller
from service.runtime import Runtime

__all__ = ["Overdue", "Retiring", "overdue"]


@dataclass(frozen=True, slots=True)
class Overdue:
    """How retention stands: what monitoring asks for.

    Attributes:
        records: how many are due, held and disputed ones among them.
        oldest: when the oldest decision that is due was made; None if none is known.
        last_dry_run: when the last dry run was.
        last_run: when the last run was done.
    """

    records: int
    oldest: datetime | None
    last_dry_run: datetime | None
    last_run: datetime | None


class Retiring:
    """What one caller does about the retention of one ledger."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._expiring = runtime.expiring
        self._caller = caller
        self._officer = Officer(runtime, caller)

    def dry_run(self, scope: Scope) -> RunReport:
        """A plan of what would expire; as `Expiring.dry_run`."""
        with self._officer.noted(Permission.ERASURES_MANAGE, f"retention.planned.{scope}"):
            return self._expiring.dry_run(self._caller.principal, scope)

    def run(self, run: str) -> Erasure:
        """A dry run, gone through with; as `Expiring.run`.

        Raises:
            SecondPersonNeeded: the key that made the dry run is this caller's, or has the same
                holder.
        """
        self._caller.principal.require(Permission.ERASURES_MANAGE)
        report, planned = self._expiring.report(run)
        what = f"retention.run/{report.digest}"
        with self._officer.noted(Permission.ERASURES_MANAGE, what):
            self._officer.check_other(planned.requester)
            return self._expiring.run(self._caller.principal, run)

    def runs(self, scope: Scope) -> tuple[Erasure, ...]:
        """Every dry run and run, oldest first."""
        with self._officer.noted(Permission.ERASURES_READ, "retention.runs"):
            return self._expiring.runs(scope)

    def outcome(self, run: str) -> Mapping[str, JsonValue]:
        """One run as it stands; as `Expiring.outcome`."""
        with self._officer.noted(Permission.ERASURES_READ, "retention.run"):
            return self._expiring.outcome(run)


def overdue(runtime: Runtime, scope: Scope) -> Overdue:
    """How retention stands, for monitoring: no record and nobody is in it.

    Raises:
        RefusedError: there is no class of the access log.
    """
    shares = runtime.expiring.shares(scope)
    runs = runtime.expiring.runs(scope)
    oldest = [share.due.first for share in shares if share.due.first is not None]
    done = [each.done_at for each in runs if each.stage is Stage.DONE and each.done_at]
    return Overdue(
        records=sum(share.due.count for share in shares),
        oldest=min(oldest, default=None),
        last_dry_run=max((each.requested_at for each in runs), default=None),
        last_run=max(done, default=None),
    )
