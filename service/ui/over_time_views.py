"""What the page of a model over time says, as values (see `service.ui.views`)."""

from dataclasses import dataclass

from service.ui.views import Fact, Moment, Tag


@dataclass(frozen=True, slots=True)
class Range:
    """A value with its interval on a common scale, in thousandths of the drawing's width."""

    low: int
    high: int
    value: int


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measure as a bar from zero, and what chance exceeds, in thousandths of the width."""

    value: int
    chance: int


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One period: how many, which share passed, and how the scores moved.

    `chosen` is the one whose features and reasons stand below; a drawing is None where there
    is no figure, and the text beside it says why.
    """

    name: str
    href: str
    chosen: bool
    decided: str
    approval: str
    approval_range: Range | None
    drift: str
    drift_gauge: Gauge | None
    drift_tag: Tag


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature in the chosen period, beside the reference period."""

    label: str
    importance: str
    importance_range: Range | None
    count: str
    before: str
    drift: str
    drift_tag: Tag


@dataclass(frozen=True, slots=True)
class ReasonShare:
    """One reason in the chosen period: the share of refusals that have it."""

    text: str
    code: str
    share: str
    share_range: Range


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen period; `no_features` and `no_reasons` say why a table is empty."""

    name: str
    features: tuple[FeatureRow, ...]
    no_features: str
    reasons: tuple[ReasonShare, ...]
    no_reasons: str
    refusals: str


@dataclass(frozen=True, slots=True)
class BinRow:
    """Decisions of about one predicted chance: the mean of it, what came true, and both drawn.

    `expected` is where the prediction stands in the drawing, in thousandths of its width.
    """

    predicted: str
    count: str
    share: str
    share_range: Range
    expected: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """What became of the decisions, beside what was predicted; `why` says why no row is there."""

    facts: tuple[Fact, ...]
    rows: tuple[BinRow, ...]
    why: str


@dataclass(frozen=True, slots=True)
class OverTimePage:
    """A model version over time; `computed` is None before the first run of the command.

    `home` leads to all models, `href` to this one. `reliability` is None where no outcome is on
    record.
    """

    home: str
    href: str
    model: str
    digest: str
    command: str
    computed: Moment | None
    facts: tuple[Fact, ...]
    reference: str
    space: str
    min_cases: str
    periods: tuple[PeriodRow, ...]
    chosen: Chosen | None
    reliability: Reliability | None = None
