"""What is counted of the decisions of one month: numbers that can be added up, and nothing else.

Pure. A tally holds no id, no input and no value of a person, but a tally of very few decisions
says much about them: see `figures.MIN_CASES`, and docs/personal-data.md.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from reports.distributions import cell

__all__ = ["CONTRIBUTION_STEPS", "SCORE_STEPS", "Spread", "Tally"]

SCORE_STEPS: Final = 32  # cells in a doubling: a cell is 2 % of a score wide
CONTRIBUTION_STEPS: Final = 4  # there are as many grids as features, so these are coarser


@dataclass(slots=True)
class Spread:
    """One feature's contributions, in units of 10^-6: of their sizes the sums, and where they lie.

    Attributes:
        count: how many.
        total: sum of their absolute values.
        squares: sum of their squares.
        cells: how many lie in each cell of the grid, by sign and size.
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    cells: Counter[int] = field(default_factory=Counter)

    def add(self, amount: int) -> None:
        """Count one contribution."""
        self.count += 1
        self.total += abs(amount)
        self.squares += amount * amount
        self.cells[cell(amount, CONTRIBUTION_STEPS)] += 1

    def join(self, other: Self) -> None:
        """Count what another has counted."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.cells += other.cells

    def to_json(self) -> dict[str, Any]:
        """The spread as JSON."""
        return {
            "count": self.count,
            "total": self.total,
            "squares": self.squares,
            "cells": _written(self.cells),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote; KeyError, TypeError or ValueError of anything else."""
        cells = _cells(value["cells"])
        return cls(int(value["count"]), int(value["total"]), int(value["squares"]), cells)


@dataclass(slots=True)
class Tally:
    """The decisions of one month by one model version.

    Attributes:
        decided: how many.
        passed: how many had the outcome that their policy calls passed.
        failed: likewise.
        scores: how many margins lie in each cell of the grid.
        explained: how many failed ones have contributions, and so reasons.
        reasons: how many of those have each code among their principal reasons.
        features: the contributions of each feature, of those that have any.
    """

    decided: int = 0
    passed: int = 0
    failed: int = 0
    scores: Counter[int] = field(default_factory=Counter)
    explained: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    features: dict[str, Spread] = field(default_factory=dict)

    def contribute(self, feature: str, amount: int) -> None:
        """Count one feature's contribution to one decision."""
        self.features.setdefault(feature, Spread()).add(amount)

    def join(self, other: Self) -> None:
        """Count what another tally has counted."""
        self.decided += other.decided
        self.passed += other.passed
        self.failed += other.failed
        self.scores += other.scores
        self.explained += other.explained
        self.reasons += other.reasons
        for name, spread in other.features.items():
            self.features.setdefault(name, Spread()).join(spread)

    def to_json(self) -> dict[str, Any]:
        """The tally as JSON."""
        return {
            "decided": self.decided,
            "passed": self.passed,
            "failed": self.failed,
            "scores": _written(self.scores),
            "explained": self.explained,
            "reasons": dict(sorted(self.reasons.items())),
            "features": {name: each.to_json() for name, each in sorted(self.features.items())},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote; KeyError, TypeError or ValueError of anything else."""
        return cls(
            decided=int(value["decided"]),
            passed=int(value["passed"]),
            failed=int(value["failed"]),
            scores=_cells(value["scores"]),
            explained=int(value["explained"]),
            reasons=Counter({str(code): int(count) for code, count in value["reasons"].items()}),
            features={
                str(name): Spread.from_json(each) for name, each in value["features"].items()
            },
        )


def _written(cells: Mapping[int, int]) -> dict[str, int]:
    return {str(at): count for at, count in sorted(cells.items())}


def _cells(value: Mapping[str, Any]) -> Counter[int]:
    return Counter({int(at): int(count) for at, count in value.items()})
