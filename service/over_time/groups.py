"""Groups from a file kept apart: matched with outcomes, counted, and never stored.

The file is read once, some thousand rows at a time; of the rows only counts are left. Outcomes
come from the index, so that no record is opened; each look is on the access log before it.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError
from ledger.operate.decisions import DecisionRow
from ledger.operate.registry import ModelVersion
from service.over_time.counting import month_of, policy_of
from service.over_time.fairness import (
    NOT_STATED,
    Errors,
    GroupErrors,
    GroupShares,
    compared,
    errors_compared,
)
from service.over_time.figures import OverTime
from service.over_time.following import HAPPENED
from service.reading import Reading
from service.runtime import Runtime

if TYPE_CHECKING:
    from explain.policy import Policy

__all__ = ["Grouped", "grouped"]

ROWS: Final = 4_096  # read, noted and looked up at once
MAX_ROWS: Final = 5_000_000  # of a file; more is not a list of decisions of one model
MAX_TRAITS: Final = 20  # columns
MAX_GROUPS: Final = 50  # of one trait: an age in years is no group
MAX_CHARACTERS: Final = 64  # of a trait's or a group's name

_FIELDS: Final = ("decided_at", "outcome")

Counts = dict[tuple[str, str], dict[str, tuple[int, int]]]
"""By trait and period: of each group how many passed, and how many were decided."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Approval by group.

    Attributes:
        source: where the file comes from, in words.
        rows: how many it has.
        unknown: how many of them name no decision of the model that is counted in a period.
        restricted: how many name one whose use is restricted.
        shares: by trait and period.
        errors: likewise, of the decisions of which an outcome is known.
    """

    source: str
    rows: int
    unknown: int
    restricted: int
    shares: tuple[GroupShares, ...]
    errors: tuple[GroupErrors, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; it is printed and not kept."""
        return {
            "source": self.source,
            "rows": self.rows,
            "unknown": self.unknown,
            "restricted": self.restricted,
            "shares": [each.to_json() for each in self.shares],
            "errors": [each.to_json() for each in self.errors],
        }


def grouped(
    runtime: Runtime,
    reading: Reading,
    version: ModelVersion,
    found: OverTime,
    path: Path,
    source: str,
) -> Grouped:
    """The shares of decisions that passed, by the groups of a file and the periods of `found`.

    Args:
        runtime: the ledger.
        reading: notes each look on the access log.
        version: the model version that `found` is of.
        found: the figures of the same run; decisions that came later are unknown.
        path: CSV with a header: the decision's id, then a column of groups for each trait.
        source: where the file comes from, in words.

    Raises:
        MalformedError: the file is not in that form, or names a decision twice; the line is named.
        LedgerError: an access could not be logged.
        OSError: it cannot be read.
    """
    sheet = _Sheet(runtime, reading, version, found)
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        try:
            traits = _traits(next(lines, []))
            numbered = enumerate(lines, 2)
            while batch := list(islice(numbered, ROWS)):
                sheet.add(traits, [(at, line) for at, line in batch if line])
        except (csv.Error, UnicodeDecodeError) as error:
            raise MalformedError("groups: not a CSV file in UTF-8") from error
    return sheet.result(source)


class _Sheet:
    """What is counted while the file is read."""

    def __init__(
        self, runtime: Runtime, reading: Reading, version: ModelVersion, found: OverTime
    ) -> None:
        self._runtime = runtime
        self._reading = reading
        self._version = version
        self._found = found
        self._totals = {each.period: (each.passed, each.decided) for each in found.periods}
        self._seen = bytearray(found.size)  # a byte for each entry of the log that was counted
        self._policies: dict[str, Policy | None] = {}
        self._cells: dict[tuple[str, str], Counter[tuple[str, bool]]] = defaultdict(Counter)
        self._errors: dict[tuple[str, str], Counter[tuple[str, bool, bool]]] = defaultdict(Counter)
        self._groups: dict[str, set[str]] = defaultdict(set)
        output = version.manifest.get("output")
        lower = isinstance(output, Mapping) and output.get("favourable") == "lower"
        self._favours_target = not lower
        self._rows = self._unknown = self._restricted = 0

    def add(self, traits: Sequence[str], batch: Sequence[tuple[int, Sequence[str]]]) -> None:
        """Count some rows, each with the number of its line."""
        self._rows += len(batch)
        if self._rows > MAX_ROWS:
            raise MalformedError(f"groups: more than {MAX_ROWS:,} rows")
        for at, line in batch:
            _check_row(at, line, len(traits))
        rows = {line[0]: line for _, line in batch}
        places = self._runtime.logs["decisions"].locate(rows)
        known = {each: at for each, at in places.items() if at < self._found.size}
        if len(rows) < len(batch) or any(self._seen[at] for at in known.values()):
            raise MalformedError(f"groups: a decision stands twice, in or before {_lines(batch)}")
        for at in known.values():
            self._seen[at] = 1
        closed = self._reading.restricted(sorted(known))
        open_ones = sorted(known.keys() - closed.keys())
        self._restricted += len(closed)
        if open_ones:
            self._reading.note(open_ones, _FIELDS)
        counted = 0
        for row in self._runtime.decisions.rows(open_ones):
            counted += self._count(row, traits, rows[row.id])
        self._unknown += len(batch) - len(closed) - counted

    def _count(self, row: DecisionRow, traits: Sequence[str], line: Sequence[str]) -> bool:
        period = self._found.by.of(month_of(row.decided_at))
        if row.model != self._version.digest or period not in self._totals:
            return False
        policy = self._policy(row.policy)
        marks = self._found.followed.marks if self._found.followed else bytes(row.seq + 1)
        good = (marks[row.seq] == HAPPENED) == self._favours_target
        for trait, group in zip(traits, line[1:], strict=True):
            name = group or NOT_STATED
            self._groups[trait].add(name)
            if len(self._groups[trait]) > MAX_GROUPS:
                raise MalformedError(f"groups: a trait has more than {MAX_GROUPS} groups")
            passed = policy is not None and row.outcome == policy.passed
            self._cells[trait, period][name, passed] += 1
            if marks[row.seq] and group and policy is not None:
                self._errors[trait, period][group, good, passed] += 1
        return True

    def _policy(self, digest: str) -> "Policy | None":
        if digest not in self._policies:
            self._policies[digest] = policy_of(self._runtime, digest, self._version)
        return self._policies[digest]

    def result(self, source: str) -> Grouped:
        """What was counted, with everybody who is in no row as `not stated`."""
        shares = []
        for (trait, period), cells in sorted(self._cells.items()):
            counts = _counts(cells)
            passed, decided = self._totals[period]
            stated = [each for name, each in counts.items() if name != NOT_STATED]
            counts[NOT_STATED] = (
                max(0, passed - sum(each[0] for each in stated)),
                max(0, decided - sum(each[1] for each in stated)),
            )
            shares.append(compared(trait, period, counts))
        errors = tuple(
            errors_compared(trait, period, _error_counts(cells))
            for (trait, period), cells in sorted(self._errors.items())
        )
        return Grouped(source, self._rows, self._unknown, self._restricted, tuple(shares), errors)


def _error_counts(cells: Mapping[tuple[str, bool, bool], int]) -> dict[str, Errors]:
    return {
        name: Errors(
            good_passed=cells.get((name, True, True), 0),
            good_refused=cells.get((name, True, False), 0),
            bad_passed=cells.get((name, False, True), 0),
            bad_refused=cells.get((name, False, False), 0),
        )
        for name, _, _ in cells
    }


def _counts(cells: Mapping[tuple[str, bool], int]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for (name, passed), count in cells.items():
        before = found.get(name, (0, 0))
        found[name] = (before[0] + count * passed, before[1] + count)
    return found


def _traits(header: Sequence[str]) -> Sequence[str]:
    traits = header[1:]
    fit = all(1 <= len(each) <= MAX_CHARACTERS and each.isprintable() for each in traits)
    if not 1 <= len(traits) <= MAX_TRAITS or len(set(traits)) < len(traits) or not fit:
        raise MalformedError(
            f"groups: the header is not an id and 1 to {MAX_TRAITS} different traits of at most"
            f" {MAX_CHARACTERS} characters"
        )
    return traits


def _check_row(at: int, line: Sequence[str], traits: int) -> None:
    if len(line) != traits + 1 or not UUID7_PATTERN.fullmatch(line[0]):
        raise MalformedError(f"groups: line {at} is not an id and {traits} groups")
    if any(len(each) > MAX_CHARACTERS or not each.isprintable() for each in line[1:]):
        raise MalformedError(
            f"groups: line {at} has a group of more than {MAX_CHARACTERS} printable characters"
        )


def _lines(batch: Sequence[tuple[int, object]]) -> str:
    return f"lines {batch[0][0]} to {batch[-1][0]}"
