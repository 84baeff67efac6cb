"""How scores and contributions moved within the period of a report, against one of its months."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from reports.errors import DocumentError

__all__ = ["ItemMoved", "Movement", "ScoresMoved"]


@dataclass(frozen=True, slots=True)
class ScoresMoved:
    """The scores of one month: their population stability index, and what chance exceeds.

    `chance` is what samples of these sizes from one distribution exceed in one case of twenty.
    """

    first: date
    decisions: int
    index: Decimal
    chance: Decimal


@dataclass(frozen=True, slots=True)
class ItemMoved:
    """The contributions of one item in the last month that has enough decisions; as above."""

    label: str
    decisions: int
    index: Decimal
    chance: Decimal


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved.

    Attributes:
        fewest: decisions that a month needs to be compared.
        left_out: how many months of the period have fewer.
        reference: first day of the month that others are compared with; None: none has enough.
        reference_decisions: how many it has.
        scores: every later month with enough, in order.
        last: first day of the month that `items` are of; None if there is no later one.
        items: the furthest above chance first.
    """

    fewest: int
    left_out: int
    reference: date | None = None
    reference_decisions: int = 0
    scores: tuple[ScoresMoved, ...] = ()
    last: date | None = None
    items: tuple[ItemMoved, ...] = ()

    def __post_init__(self) -> None:
        """Hold that nothing is compared with nothing, and no month with itself."""
        months = [each.first for each in self.scores]
        if (months or self.items) and self.reference is None:
            raise DocumentError("is compared with no month", member="reference")
        if self.reference in months or months != sorted(set(months)):
            raise DocumentError("not other months, in order", member="scores")
        if self.items and self.last is None:
            raise DocumentError("items of no month", member="last")
