"""Counting a model's decisions: streamed from the log, each one opened and checked once.

Memory holds one stretch of the log and the tallies by month, however many decisions there
are. The access log has every record that is opened, before it is. What is erased or
restricted is not opened; how many those are is counted.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from ledger.entries import Decision, parse_entry
from ledger.errors import ErasedError, VerificationError
from ledger.operate.attributions import Attributed
from ledger.operate.decisions import DecisionView
from ledger.operate.registry import ModelVersion
from ledger.operate.tombstones import MARKS, entombed
from ledger.tlog.merkle import leaf_hash
from service.over_time.kept import STRETCH, Kept, Stretch, Unseen
from service.over_time.tally import SCORE_STEPS, Tally
from service.reading import Reading
from service.runtime import Runtime

if TYPE_CHECKING:
    # Imported for real inside: it brings numpy, which no page needs.
    from explain.attribution import Attribution
    from explain.policy import Policy
    from explain.predictor import FeatureSchema

__all__ = ["Counted", "Counting", "Progress", "month_of", "policy_of"]

FIELDS: Final = ("attributions", "input", "output")
EPOCH_YEAR: Final = 1970
AHEAD: Final = timedelta(days=1)  # of the log's clock; a source whose clock is further off is wrong
_ATTACHED: Final = b'"kind":"attributions_attached"'
_ABOUT: Final = re.compile(rb'"decision":"([0-9a-f-]{36})"')

Progress = Callable[[int, int], None]
"""Told after each stretch how many entries of the log are counted, and of how many."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Everything that was counted of one model version.

    Attributes:
        size: the log's first entry that was not looked at.
        decisions: how many below it are by the model.
        unseen: how many of those are in no figure, by why.
        months: what was counted, by month.
    """

    size: int
    decisions: int
    unseen: Unseen
    months: dict[str, Tally]


@dataclass(frozen=True, slots=True)
class _Changes:
    """What the whole log says of decisions before: indexes and ids."""

    gone: tuple[int, ...]  # rising, like `closed`
    closed: tuple[int, ...]
    attached: frozenset[str]

    def gone_in(self, start: int, end: int) -> tuple[int, ...]:
        return self.gone[bisect_left(self.gone, start) : bisect_left(self.gone, end)]

    def closed_in(self, start: int, end: int) -> tuple[int, ...]:
        return self.closed[bisect_left(self.closed, start) : bisect_left(self.closed, end)]


class Counting:
    """Counts the decisions of one model version, in what is kept and what is new."""

    def __init__(
        self, runtime: Runtime, reading: Reading, version: ModelVersion, kept: Kept
    ) -> None:
        self._runtime = runtime
        self._reading = reading
        self._version = version
        self._kept = kept
        self._log = runtime.logs["decisions"]

    def run(self, told: Progress) -> Counted:
        """Count what is not counted yet, or changed since, and add up all of it.

        Raises:
            VerificationError: a record is not what was logged: raise the alarm.
            LedgerError: an access could not be logged, or a database does not answer.
            OSError: what was counted cannot be kept.
        """
        size = self._log.size()
        pending = {each for at in self._kept_ones(size) for each in at.pending}
        changes = self._changes(size, pending)
        counted = Counted(size, 0, Unseen(), {})
        for start in range(0, size, STRETCH):
            end = min(start + STRETCH, size)
            stretch = self._still(start, end, changes)
            if stretch is None:
                stretch = self._count(start, end, changes)
                self._kept.keep(stretch)
            for month, tally in stretch.months.items():
                counted.months.setdefault(month, Tally()).join(tally)
            counted = replace(
                counted,
                decisions=counted.decisions + stretch.decisions,
                unseen=counted.unseen.plus(stretch.unseen),
            )
            told(end, size)
        return counted

    def _kept_ones(self, size: int) -> Iterator[Stretch]:
        for start in range(0, size, STRETCH):
            found = self._kept.stretch(start)
            if found is not None:
                yield found

    def _changes(self, size: int, pending: set[str]) -> _Changes:
        """What tombstones, restrictions and attachments say now."""
        gone: set[int] = set()
        attached: set[str] = set()
        for raw in islice(self._log.entries(), size):
            if any(mark in raw for mark in MARKS):
                named = entombed(parse_entry(raw))
                gone.update(self._log.locate(named).values() if named else ())
            elif pending and _ATTACHED in raw:
                about = _ABOUT.search(raw)
                if about and about[1].decode() in pending:
                    attached.add(about[1].decode())
        closed = self._runtime.holds.restricted_places()
        return _Changes(tuple(sorted(gone)), tuple(sorted(closed)), frozenset(attached))

    def _still(self, start: int, end: int, changes: _Changes) -> Stretch | None:
        """What is kept of these entries, if it holds still."""
        kept = self._kept.stretch(start)
        if kept is None or kept.end != end:
            return None
        same = (
            kept.gone == changes.gone_in(start, end)
            and kept.closed == changes.closed_in(start, end)
            and changes.attached.isdisjoint(kept.pending)
            and kept.leaf == leaf_hash(next(self._log.entries(end - 1))).hex()
        )
        return kept if same else None

    def _count(self, start: int, end: int, changes: _Changes) -> Stretch:
        raws = list(islice(self._log.entries(start), end - start))
        if len(raws) != end - start:
            raise VerificationError("entries of the log are missing: run decision-ledger verify")
        mine, gone = dict(self._mine(raws, start)), changes.gone_in(start, end)
        standing = [each for at, each in mine.items() if at not in gone]
        closed = self._reading.restricted(standing)
        open_ones = [each for each in standing if each not in closed]
        if open_ones:
            self._reading.note(open_ones, FIELDS)
        sheet = _Sheet(self._runtime, self._version)
        for each in open_ones:
            sheet.add(each)
        erased = len(mine) - len(standing) + sheet.unseen.erased
        return Stretch(
            start=start,
            end=end,
            leaf=leaf_hash(raws[-1]).hex(),
            decisions=len(mine),
            gone=gone,
            closed=changes.closed_in(start, end),
            pending=tuple(sheet.pending),
            unseen=replace(
                sheet.unseen, erased=erased, restricted=len(closed), pending=len(sheet.pending)
            ),
            months=sheet.months,
        )

    def _mine(self, raws: list[bytes], start: int) -> Iterator[tuple[int, str]]:
        digest = self._version.digest.encode()
        for at, raw in enumerate(raws, start):
            if digest in raw:  # spares parsing the others
                entry = parse_entry(raw)
                if isinstance(entry.body, Decision) and entry.body.model == self._version.digest:
                    yield at, entry.id


class _Sheet:
    """The tallies of one stretch while it is counted."""

    def __init__(self, runtime: Runtime, version: ModelVersion) -> None:
        from explain.predictor import FeatureSchema

        self._runtime = runtime
        self._schema = FeatureSchema.from_manifest(version.manifest)
        self._policy = cache(lambda digest: policy_of(runtime, digest, version))
        self.months: dict[str, Tally] = {}
        self.pending: list[str] = []
        self.unseen = Unseen()

    def add(self, decision_id: str) -> None:
        """Open one decision and count it."""
        try:
            view = self._runtime.decisions.read(decision_id)
            attributed = self._runtime.attributions.of(view)
        except ErasedError:  # since the log was looked at, or its key is lost
            self.unseen = replace(self.unseen, erased=self.unseen.erased + 1)
            return
        at = view.payload.decided_at
        if at.year < EPOCH_YEAR or at > view.at + AHEAD:
            self.unseen = replace(self.unseen, undated=self.unseen.undated + 1)
            return
        tally = self.months.setdefault(month_of(at), Tally())
        _count_outcome(tally, view, self._policy(view.payload.policy))
        if attributed.complete:
            self._count_contributions(tally, view, attributed)
        elif attributed.computed == "pending":
            self.pending.append(decision_id)
        else:
            self.unseen = replace(self.unseen, without=self.unseen.without + 1)

    def _count_contributions(
        self, tally: Tally, view: DecisionView, attributed: Attributed
    ) -> None:
        from explain.attribution import Attribution

        attribution = Attribution.from_json(attributed.value)
        for name, amount in attribution.values:
            tally.contribute(name, amount)
        policy = self._policy(view.payload.policy)
        if policy is not None and view.payload.outcome == policy.failed:
            tally.explained += 1
            tally.reasons.update(_reasons(self._schema, attribution, policy, view))


def month_of(at: datetime) -> str:
    """The month of a time in UTC, as `2026-05`."""
    here = at.astimezone(UTC)
    return f"{here.year:04}-{here.month:02}"


def _count_outcome(tally: Tally, view: DecisionView, policy: "Policy | None") -> None:
    from reports.distributions import cell

    tally.decided += 1
    tally.scores[cell(view.payload.margin, SCORE_STEPS)] += 1
    if policy is not None:
        tally.passed += view.payload.outcome == policy.passed
        tally.failed += view.payload.outcome == policy.failed


def policy_of(runtime: Runtime, digest: str, version: ModelVersion) -> "Policy | None":
    """The policy as a scorecard; None if its manifests do not make one."""
    from explain.errors import SchemaError
    from explain.policy import Policy

    try:
        return Policy.from_manifests(runtime.registry.policy(digest).manifest, version.manifest)
    except SchemaError:
        return None


def _reasons(
    schema: "FeatureSchema", attribution: "Attribution", policy: "Policy", view: DecisionView
) -> set[str]:
    from explain.errors import SchemaError
    from explain.explanation import MAX_REASONS
    from explain.judgement import judge

    payload = view.payload
    try:
        judged = judge(schema, policy, payload.input, attribution, payload.outcome)
    except SchemaError:  # a rule of the policy is not for this model: nobody was told anything
        return set()
    return set(filter(None, judged.codes[:MAX_REASONS]))
