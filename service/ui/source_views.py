"""What the pages about sources say, as values (see `service.ui.views`)."""

from dataclasses import dataclass

from service.ui.views import Choice, Fact, Moment, Tag


@dataclass(frozen=True, slots=True)
class StripPiece:
    """A piece of a strip of counters, in thousandths of its width; `state` is how it is drawn."""

    x: int
    width: int
    state: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The counters of one source from left to right; `first` and `last` stand at its ends."""

    pieces: tuple[StripPiece, ...]
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One source of decisions with all its lanes; `strip` is that of the lane named in `lane`."""

    name: str
    href: str
    received: str
    lanes: str
    missing: Tag
    late: str
    heard: Moment | None
    silent: str
    lane: str
    strip: Strip | None


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane: its counters, and what is missing of them."""

    name: str
    counters: str
    missing: Tag
    repeated: str
    heard: Moment | None
    strip: Strip | None


@dataclass(frozen=True, slots=True)
class GapRow:
    """One missing range, why, and since when it is to be seen."""

    source: str
    counters: str
    size: str
    state: Tag
    since: Moment | None
    stated: Moment | None


@dataclass(frozen=True, slots=True)
class LateRow:
    """Counters that were missing and arrived after all; `decided` is empty where not known."""

    source: str
    counters: str
    since: Moment
    arrived: Moment
    delay: str
    decided: Moment | None


@dataclass(frozen=True, slots=True)
class TotalRow:
    """A stated total, and how it compares now."""

    source: str
    span: str
    stated: str
    held: str
    verdict: Tag
    detail: str
    at: Moment


@dataclass(frozen=True, slots=True)
class ExplainForm:
    """What may be explained, and how; `problem` is what went wrong with the last try, or empty."""

    action: str
    gaps: tuple[Choice, ...]
    reasons: tuple[Choice, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourcesPage:
    """Every source of decisions, and whether what it made is here."""

    facts: tuple[Fact, ...]
    families: tuple[FamilyRow, ...]
    totals: tuple[TotalRow, ...]


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One source with its lanes: what is missing, what came late, what was stated."""

    name: str
    home: str
    facts: tuple[Fact, ...]
    lanes: tuple[LaneRow, ...]
    more_lanes: str
    gaps: tuple[GapRow, ...]
    beyond: tuple[GapRow, ...]
    next: str
    late: tuple[LateRow, ...]
    totals: tuple[TotalRow, ...]
    explain: ExplainForm | None
