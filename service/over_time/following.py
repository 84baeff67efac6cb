"""What became of a model's decisions, opened at each run, and compared with what it predicted.

The margin comes from the index, the outcome from its own sealed entry; each look is on the access
log before. Nothing is kept but the figures. Of a decision with several outcomes the last observed
counts, of those of one day the last logged.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched, islice
from typing import Any, Final

from ledger.entries import OutcomeObserved, parse_entry
from ledger.errors import ErasedError
from ledger.operate.decisions import DecisionRow
from ledger.operate.outcomes import Event, Observed
from ledger.operate.registry import ModelVersion
from reports.calibration import FEWEST, LOG_ODDS, PROBABILITY, Calibration, calibrate, chance_of
from service.over_time.counting import month_of
from service.over_time.figures import DIGITS, Absence, Figures, Period
from service.reading import Reading
from service.runtime import Runtime

__all__ = ["HAPPENED", "NOT_HAPPENED", "Followed", "PeriodFollowed", "follow"]

HAPPENED, NOT_HAPPENED = 2, 1  # in `Followed.marks`; 0: nothing is known
FIELDS: Final = ("margin", "outcomes")

Cases = Sequence[tuple[float, bool]]
"""What was predicted, as a chance, and whether it happened."""

_AT_ONCE: Final = 1_000  # decisions looked up, noted and opened together
_MARK: Final = b'"kind":"outcome_observed"'  # in canonical JSON: spares parsing the others


@dataclass(frozen=True, slots=True)
class PeriodFollowed:
    """One period: of how many decisions an outcome is known, and what they say."""

    period: str
    decided: int
    known: int
    calibration: Calibration | Absence

    def to_json(self) -> dict[str, Any]:
        """The period as JSON, rounded."""
        return {
            "period": self.period,
            "decided": self.decided,
            "with_outcome": self.known,
            "calibration": _calibration(self.calibration),
        }


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a model's decisions.

    Attributes:
        target: what the model predicts, by its manifest.
        other: decisions with outcomes of other events only.
        restricted: decisions with an outcome, whose use is restricted.
        erased: decisions with an outcome that went meanwhile.
        whole: all periods together; its name is empty. Its figures leave small ones out where
            those could be worked out otherwise.
        periods: oldest first.
        marks: what is known of the decision at each index of the log; not for showing.
    """

    target: str
    other: int
    restricted: int
    erased: int
    whole: PeriodFollowed
    periods: tuple[PeriodFollowed, ...]
    marks: bytes = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """All of it but the marks, as JSON."""
        whole = self.whole.to_json()
        del whole["period"]
        return {
            "target": self.target,
            "other_events": self.other,
            "restricted": self.restricted,
            "erased": self.erased,
            **whole,
            "periods": [each.to_json() for each in self.periods],
        }


@dataclass(slots=True)
class _Cases:
    """The cases of one period: predicted chances, and beside them whether it happened."""

    chances: array[float] = field(default_factory=lambda: array("d"))
    happened: bytearray = field(default_factory=bytearray)

    def pairs(self) -> list[tuple[float, bool]]:
        return [(c, bool(h)) for c, h in zip(self.chances, self.happened, strict=True)]


def follow(
    runtime: Runtime,
    reading: Reading,
    version: ModelVersion,
    size: int,
    by: Period,
    periods: Sequence[Figures],
) -> Followed | None:
    """Return what became of the decisions below `size` that are counted in these periods.

    Returns:
        None where no outcome of any of the model's decisions is on record.

    Raises:
        VerificationError: a record is not what was logged: raise the alarm.
        LedgerError: an access could not be logged.
    """
    sheet = _Sheet(runtime, reading, version, size, by, {each.period for each in periods})
    for batch in batched(_decisions(runtime, size), _AT_ONCE, strict=False):
        sheet.add(set(batch))
    return sheet.result(periods) if sheet.found else None


def _decisions(runtime: Runtime, size: int) -> Iterator[str]:
    """The decisions of which an outcome is logged, some more than once."""
    for raw in islice(runtime.logs["decisions"].entries(), size):
        if _MARK in raw:
            body = parse_entry(raw).body
            if isinstance(body, OutcomeObserved):
                yield body.decision


class _Sheet:
    """What is gathered while the log is walked."""

    def __init__(
        self,
        runtime: Runtime,
        reading: Reading,
        version: ModelVersion,
        size: int,
        by: Period,
        periods: Collection[str],
    ) -> None:
        stated = version.manifest.get("output")
        output = stated if isinstance(stated, Mapping) else {}
        self._runtime = runtime
        self._reading = reading
        self._version = version
        self._by = by
        self._space = str(output.get("space", ""))
        self._target = str(output.get("target", ""))
        self._seen = bytearray(size)
        self._marks = bytearray(size)
        self._cases = {period: _Cases() for period in periods}
        self._other = self._restricted = self._erased = 0
        self.found = False

    def add(self, ids: Collection[str]) -> None:
        """Open what is known of some decisions, of which there may have been some before."""
        places = self._runtime.logs["decisions"].locate(ids)
        new = [each for each, at in places.items() if at < len(self._seen) and not self._seen[at]]
        for each in new:
            self._seen[places[each]] = 1
        rows = [r for r in self._runtime.decisions.rows(new) if r.model == self._version.digest]
        rows = [each for each in rows if self._by.of(month_of(each.decided_at)) in self._cases]
        if not rows:
            return
        self.found = True
        closed = self._reading.restricted([each.id for each in rows])
        self._restricted += len(closed)
        open_ones = [each for each in rows if each.id not in closed]
        if open_ones:
            self._reading.note(sorted(each.id for each in open_ones), FIELDS)
        for row in open_ones:
            self._count(row)

    def _count(self, row: DecisionRow) -> None:
        try:
            last = self._last(self._runtime.outcomes.of(row.id))
        except ErasedError:
            self._erased += 1
            return
        if last is None:
            self._other += 1
            return
        happened = last.outcome.occurred
        self._marks[row.seq] = HAPPENED if happened else NOT_HAPPENED
        chance = chance_of(row.margin, self._space)
        if chance is not None:
            cases = self._cases[self._by.of(month_of(row.decided_at))]
            cases.chances.append(chance)
            cases.happened.append(happened)

    def _last(self, observed: Sequence[Observed]) -> Observed | None:
        """The outcome that counts: of what the model predicts, in force, and seen last."""
        fit = [
            each
            for each in observed
            if not each.superseded and each.outcome.event in {Event.TARGET, self._target}
        ]
        return max(fit, key=lambda each: (each.outcome.observed_on, each.seq), default=None)

    def result(self, periods: Sequence[Figures]) -> Followed:
        """What was gathered, in figures."""
        by_period = {name: cases.pairs() for name, cases in self._cases.items()}
        whole = [pair for each in _together(list(by_period.values())) for pair in each]
        decided, known = sum(each.decided for each in periods), sum(map(len, by_period.values()))
        return Followed(
            target=self._target,
            other=self._other,
            restricted=self._restricted,
            erased=self._erased,
            whole=self._period("", decided, whole, known),
            periods=tuple(
                self._period(each.period, each.decided, by_period[each.period]) for each in periods
            ),
            marks=bytes(self._marks),
        )

    def _period(
        self, name: str, decided: int, cases: Cases, known: int | None = None
    ) -> PeriodFollowed:
        found: Calibration | Absence | None = calibrate(cases)
        if self._space not in {LOG_ODDS, PROBABILITY}:
            found = Absence.NOT_A_PROBABILITY
        count = len(cases) if known is None else known
        return PeriodFollowed(name, decided, count, found or Absence.TOO_FEW)


def _together(periods: Sequence[Cases]) -> list[Cases]:
    """The periods that make up the whole.

    Those with too few for a figure are among them if they are two and have enough together:
    else what they are could be worked out from the whole and the others.
    """
    shown = [each for each in periods if len(each) >= FEWEST]
    small = [each for each in periods if 0 < len(each) < FEWEST]
    hide_each_other = len(small) > 1 and sum(map(len, small)) >= FEWEST
    return [*shown, *small] if hide_each_other else shown


def _calibration(found: Calibration | Absence) -> dict[str, Any]:
    if isinstance(found, Absence):
        return {"absent": found.value}
    members = _rounded(found, found.__dataclass_fields__)
    return members | {"bins": [_rounded(each, each.__dataclass_fields__) for each in found.bins]}


def _rounded(value: object, names: Collection[str]) -> dict[str, Any]:
    members = {name: getattr(value, name) for name in names}
    return {
        name: round(each, DIGITS) if isinstance(each, float) else each
        for name, each in members.items()
    }
