"""Expiring what is due: a dry run to look at, then the run that a second person agrees to.

A dry run writes a report and a plan: a request to erase, with the ground that time is up, of
exactly these records. The run is that request, approved; so holds, crashes, tombstones and
self-test are those of `ledger.operate.erasing`. It is refused when the dry run is old, when the
rules are others by now, or when the plan is not the one of the report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from ledger.canonical import JsonValue
from ledger.errors import MalformedError, RefusedError, VerificationError, WrongStage
from ledger.operate.due_records import (
    Extent,
    accesses_before,
    decisions_before,
    extent,
    kept_apart,
    recorded,
)
from ledger.operate.erasing import Erasing
from ledger.operate.erasure import Ending, Erasure, Refusal, Stage
from ledger.operate.expiry import ENDINGS, Scope, Share, Standing
from ledger.operate.hold_store import HoldStore
from ledger.operate.published_log import PublishedLog
from ledger.operate.registry import PolicyVersion, Registry
from ledger.operate.retention_class import Resolution, check_class, resolve, resolve_policy
from ledger.operate.retention_report import (
    RunReport,
    digest_of,
    keep_report,
    read_report,
    written,
)
from ledger.operate.retention_rules import ACCESS_LOG, RuleBook
from ledger.operate.sequencer import Clock
from ledger.roles import Permission, Principal

__all__ = ["MAX_AGE", "MAX_RUN", "Expiring"]

MAX_AGE: Final = timedelta(days=7)  # of a dry run: long enough to look, too short to forget
MAX_RUN: Final = 100_000  # records of one run: some minutes; the next one takes the rest
MAX_HOLDS_NAMED: Final = 1_000  # in a report


@dataclass(slots=True)
class _Tally:
    """What is to go, and how much is held back for which reason."""

    listed: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    holds: set[str] = field(default_factory=set)

    def keep(self, why: str) -> None:
        """Count one that is held back."""
        self.kept[why] = self.kept.get(why, 0) + 1


class Expiring:
    """What of one ledger is due, and its destruction."""

    def __init__(
        self,
        book: RuleBook,
        registry: Registry,
        erasings: Mapping[Scope, Erasing],
        logs: Mapping[str, PublishedLog],
        databases: tuple[Engine, Engine],
        clock: Clock,
        reports: Path,
    ) -> None:
        """Expire by these rules.

        Args:
            book: the rules.
            registry: knows the policies.
            erasings: what destroys, for each scope.
            logs: the logs by their short names.
            databases: of the ledger and of the vault.
            clock: the time now.
            reports: where reports of dry runs are kept.
        """
        self._book = book
        self._registry = registry
        self._erasings = erasings
        self._logs = logs
        self._ledger, self._vault = databases
        self._clock = clock
        self._reports = reports
        self._holds = HoldStore(self._vault)

    @property
    def book(self) -> RuleBook:
        """The rules in effect."""
        return self._book

    @property
    def erasings(self) -> tuple[Erasing, ...]:
        """What destroys: every erasure of this ledger is one of these."""
        return tuple(self._erasings.values())

    def check(self) -> None:
        """Return if no class and no registered policy contradicts itself.

        A policy of a class that nobody stated is none: nothing of it expires.

        Raises:
            RefusedError, MalformedError: one does; the text names the rules.
        """
        today = self._clock().date()
        for name in self._book.classes:
            check_class(self._book, name, today)
        if self._book.classes:
            self._looks()
            for policy in self._registry.policies():
                if policy.manifest.get("retention_class") in self._book.classes:
                    self._resolved(policy, self._clock())

    def of_policy(self, reference: str) -> Resolution | None:
        """What holds for the decisions of a policy today; None without a class.

        Raises:
            NotFoundError: there is no such policy; RefusedError: its class is not stated.
        """
        return self._resolved(self._registry.policy(reference), self._clock())

    def of_class(self, name: str) -> Resolution:
        """What holds for a class today, by itself; raises as `resolve`."""
        return resolve(self._book, name, self._clock().date())

    def standing(self, policy: str, decided_at: datetime) -> Standing:
        """Until when a decision under this policy is kept, as the rules are today."""
        try:
            found = self.of_policy(policy)
        except RefusedError:
            found = None
        if found is None:
            return Standing(None, None, None)
        return Standing(found.of.id, found.until(decided_at), found)

    def shares(self, scope: Scope) -> tuple[Share, ...]:
        """What is due now, by policy, without a look at holds and reviews."""
        self._erasings[scope].settle()
        now = self._clock()
        if scope is Scope.ACCESS:
            return self._access_share(now)
        counts = recorded(self._vault)
        return tuple(
            self._share(policy, now, counts.get(policy.digest, 0))
            for policy in self._registry.policies()
        )

    def dry_run(self, principal: Principal, scope: Scope) -> RunReport:
        """A plan of what would expire now, and the report of it; nothing is erased.

        It takes the place of an earlier plan that nobody went through with.

        Raises:
            PermissionRefused: the caller may not ask for erasures.
            RefusedError: there is no class of the access log.
        """
        principal.require(Permission.ERASURES_MANAGE)
        erasing = self._erasings[scope]
        run, now = erasing.new_id(), self._clock()
        shares, tally = self.shares(scope), _Tally()
        for share in shares:
            if share.before is not None and len(tally.listed) < MAX_RUN:
                self._gather(scope, share, tally)
        for earlier in erasing.all():
            if earlier.stage is Stage.REQUESTED and isinstance(earlier.ground, Ending):
                erasing.refuse(principal, earlier.id, Refusal.WITHDRAWN)
        due = sum(share.due.count for share in shares)
        report = keep_report(
            self._reports,
            run,
            {
                "v": 1,
                "run": run,
                "of": scope.value,
                "log": self._logs[scope.value].origin,
                "log_size": self._logs[scope.value].size(),
                "at": written(now),
                "requester_role": principal.role.value,
                "rules_sha256": self._book.digest,
                "shares": [share.to_json() for share in shares],
                "due": due,
                "listed": len(tally.listed),
                "held_back": dict(sorted(tally.kept.items())),
                "holds": list(sorted(tally.holds)[:MAX_HOLDS_NAMED]),
                "left": due - len(tally.listed) - sum(tally.kept.values()),
                "records_sha256": digest_of(sorted(tally.listed)),
            },
        )
        erasing.plan(principal, run, ENDINGS[scope], tally.listed)
        return report

    def report(self, run: str) -> tuple[RunReport, Erasure]:
        """The report of a dry run, and how far its run has come.

        Raises:
            NotFoundError: there is none; VerificationError: the report was changed.
        """
        report = read_report(self._reports, run)
        return report, self._erasings[_scope(report)].read(run)

    def run(self, principal: Principal, run: str) -> Erasure:
        """What a dry run found, gone through with, but for what is held or disputed by now.

        Raises:
            WrongStage: the dry run is too old, the rules are others by now, nothing is due, or
                it was decided already.
            SecondPersonNeeded: the caller made the dry run.
            VerificationError: the plan is not the one of the report.
            NotFoundError, PermissionRefused, HoldInForce, LedgerError: as `Erasing.approve`.
        """
        principal.require(Permission.ERASURES_MANAGE)
        report, erasure = self.report(run)
        scope = _scope(report)
        erasing = self._erasings[scope]
        spared: list[str] = []
        if erasure.stage is Stage.REQUESTED:
            self._check_plan(report, erasure)
            for ids in erasing.listed(run):
                spared += self._apart(scope, ids)
        return erasing.carry_out(principal, run, spared)

    def runs(self, scope: Scope) -> tuple[Erasure, ...]:
        """The dry runs and runs of a scope, oldest first."""
        return tuple(each for each in self._erasings[scope].all() if each.ground is ENDINGS[scope])

    def outcome(self, run: str) -> dict[str, JsonValue]:
        """A run as it stands: the report, who agreed, what went, and where the log says so."""
        report, done = self.report(run)
        begun = done.stage in (Stage.APPROVED, Stage.GATHERED, Stage.DONE)
        seqs = self._erasings[_scope(report)].tombstones(done) if begun else ()
        spared = report.count("listed") - done.decisions - done.held
        return {
            "report": dict(report.members),
            "report_sha256": report.digest,
            "stage": done.stage.value,
            "refused_because": done.reason,
            "approver_role": done.approver_role,
            "approved_at": written(done.approved_at),
            "done_at": written(done.done_at),
            "expired": done.decisions if begun else 0,
            "attached": done.attached,
            "held_since": done.held,
            "spared_since": spared if begun else 0,
            "tombstones": {
                "count": len(seqs),
                "first": seqs[0] if seqs else None,
                "last": seqs[-1] if seqs else None,
            },
        }

    def _check_plan(self, report: RunReport, erasure: Erasure) -> None:
        if self._clock() - erasure.requested_at > MAX_AGE:
            raise WrongStage(
                f"retention: the dry run is older than {MAX_AGE.days} days; make a new one"
            )
        if report.text("rules_sha256") != self._book.digest:
            raise WrongStage("retention: the rules were changed since; make a new dry run")
        if not report.count("listed"):
            raise WrongStage("retention: nothing was due in this dry run")
        ids = (each for some in self._erasings[_scope(report)].listed(report.run) for each in some)
        if digest_of(sorted(ids)) != report.text("records_sha256"):
            raise VerificationError("retention: the plan is not the one of the report")

    def _gather(self, scope: Scope, share: Share, tally: _Tally) -> None:
        """List what of a share is to go, until a run is full."""
        for ids in self._pages(scope, share):
            held, apart = self._holds.of(ids), self._apart(scope, ids)
            for each in ids:
                if len(tally.listed) == MAX_RUN:
                    return
                if each in held:
                    tally.keep("hold")
                    tally.holds.add(held[each])
                elif each in apart:
                    tally.keep(apart[each])
                else:
                    tally.listed.append(each)

    def _pages(self, scope: Scope, share: Share) -> Iterator[tuple[str, ...]]:
        if share.before is None:
            return iter(())
        if scope is Scope.ACCESS:
            origin = self._logs[scope.value].origin
            return accesses_before(self._vault, self._ledger, origin, share.before)
        return decisions_before(self._vault, share.policy, share.before)

    def _apart(self, scope: Scope, ids: tuple[str, ...]) -> Mapping[str, str]:
        return kept_apart(self._vault, self._ledger, self._logs[scope.value].origin, ids)

    def _share(self, policy: PolicyVersion, now: datetime, count: int) -> Share:
        why = ""
        try:
            found = self._resolved(policy, now)
        except (RefusedError, MalformedError) as error:
            found, why = None, str(error)
        before = None if found is None else found.due_before(now)
        if found is None:
            why = why or "no class is stated"
        elif found.open_floors:
            names = ", ".join(rule.id for rule in found.open_floors)
            why = f"the beginning of {names} is not on record"
        due = Extent(0, None, None)
        if before is not None:
            due = extent(self._vault, policy.digest, before)
        return Share(policy.reference, policy.digest, found, why, before, count, due)

    def _access_share(self, now: datetime) -> tuple[Share, ...]:
        found = self._looks()
        if found is None:
            raise RefusedError("retention: no class covers access_log; state one, with a ceiling")
        before = found.due_before(now)
        share = Share("access log", "", found, "", before, 0, Extent(0, None, None))
        count = sum(len(ids) for ids in self._pages(Scope.ACCESS, share))
        due = Extent(count, None, None)
        return (Share(share.name, "", found, "", before, count, due),)

    def _looks(self) -> Resolution | None:
        """What holds for the access log; None if no class says so."""
        names = [each.id for each in self._book.classes.values() if each.kinds == ACCESS_LOG]
        if len(names) > 1:
            raise RefusedError(
                f"retention: {names[0]} and {names[1]} both cover access_log; keep one of them"
            )
        return self.of_class(names[0]) if names else None

    def _resolved(self, policy: PolicyVersion, now: datetime) -> Resolution | None:
        try:
            return resolve_policy(self._book, policy.manifest, now.date())
        except RefusedError as error:
            raise RefusedError(f"policy {policy.reference}: {error}") from error


def _scope(report: RunReport) -> Scope:
    try:
        return Scope(report.text("of"))
    except (KeyError, ValueError):
        raise VerificationError("retention: the report of the dry run was changed") from None
