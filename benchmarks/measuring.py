"""Ratios of two figures that are taken in turns, so that a noisy machine disturbs both.

Seconds hold for one machine on one day and are never a goal; a ratio travels better.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Figure = Callable[[], float]
"""Does some work and returns how long it took in seconds, or a percentile of that."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that the ratio should keep."""

    limit: float
    at_least: bool

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One ratio: of each run, and the goal for their median."""

    name: str
    goal: Goal
    runs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        return self.goal.met(self.ratio)


def at_least(limit: float) -> Goal:
    return Goal(limit, at_least=True)


def at_most(limit: float) -> Goal:
    return Goal(limit, at_least=False)


def time_ratios(ours: Figure, theirs: Figure, runs: int) -> tuple[float, ...]:
    """Return ours / theirs of each run; the two take turns at going first."""
    ratios = []
    for run in range(runs):
        if run % 2:
            second, first = theirs(), ours()
        else:
            first, second = ours(), theirs()
        ratios.append(first / second)
    return tuple(ratios)


def rate_ratios(ours: Figure, theirs: Figure, runs: int) -> tuple[float, ...]:
    """Return how much faster ours does the same work: theirs / ours of each run."""
    return tuple(1 / ratio for ratio in time_ratios(ours, theirs, runs))


def timed(work: Callable[[], object], times: int = 1) -> Figure:
    """Return the figure of doing `work` this many times."""

    def figure() -> float:
        began = time.perf_counter()
        for _ in range(times):
            work()
        return time.perf_counter() - began

    return figure


def percentile(share: float, works: Callable[[], Iterable[Callable[[], object]]]) -> Figure:
    """Return the figure that this share of the works stays under."""

    def figure() -> float:
        return share_of([timed(work)() for work in works()], share)

    return figure


def share_of(seconds: Sequence[float], share: float) -> float:
    """Return the smallest of the figures that this share of them does not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
