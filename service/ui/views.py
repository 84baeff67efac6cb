"""What each page says, as values: a template prints them and decides nothing.

Every text here is already in words, rounded and localised; every coordinate is in the units of
the drawing that it belongs to. Nothing is markup: templates escape all of it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How a tag, a bar or a notice is coloured; a word and an icon always say the same."""

    ADVERSE = "adverse"
    CAUTION = "caution"
    FAVOURABLE = "favourable"
    PLAIN = "plain"


class Icon(StrEnum):
    """The drawings in `templates/icons.html`, by name."""

    CROSS = "cross"
    DASH = "dash"
    HOURGLASS = "hourglass"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class Tag:
    """A word with an icon and a tone, such as an outcome."""

    word: str
    tone: Tone = Tone.PLAIN
    icon: Icon = Icon.DASH


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time in words, and in ISO 8601 for machines."""

    text: str
    iso: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a menu."""

    value: str
    label: str
    selected: bool = False


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking and what for: the name and role of the key, and the purpose they stated."""

    name: str
    role: str
    purpose: str
    sees_erasures: bool = False
    answers_people: bool = False
    reviews_accesses: bool = False
    sees_disclosures: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a description list; `code` is set in a fixed-width face after the text."""

    label: str
    text: str
    code: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The sign-in form; `problem` is what went wrong with the last try, or empty."""

    purposes: tuple[Choice, ...]
    target: str
    case: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that needs a person's attention, and where to look."""

    title: str
    text: str
    tone: Tone
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A horizontal piece of a bar, in thousandths of the bar's full width."""

    x: int
    width: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A month's decisions: a bar of segments and the counts per outcome as text."""

    month: str
    href: str
    segments: tuple[Segment, ...]
    counts: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Months:
    """Decisions per month by outcome; `outcomes` heads the count columns of the rows."""

    outcomes: tuple[Tag, ...]
    rows: tuple[MonthRow, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of decisions: what its counter says about predictions that never arrived."""

    name: str
    href: str
    received: str
    lanes: str
    gaps: Tag
    missing: str


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model version in use; `page` is its own page, `href` the list of its decisions."""

    name: str
    page: str
    digest: str
    status: str
    decisions: str
    href: str
    last: Moment | None


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The state of the ledger at a glance."""

    verdict: str
    detail: str
    tone: Tone
    facts: tuple[Fact, ...]
    notices: tuple[Notice, ...]
    months: Months | None
    sources: tuple[SourceRow, ...]
    models: tuple[ModelRow, ...]


@dataclass(frozen=True, slots=True)
class SparkBar:
    """One contribution of a spark: units of a 72 by 18 drawing."""

    x: int
    y: int
    height: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision on one line. `points` and `distance` are empty where no score is recorded."""

    href: str
    id: str
    short_id: str
    decided: Moment
    model: str
    outcome: Tag
    points: str
    distance: str
    spark: tuple[SparkBar, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Facet:
    """A filter value with how many decisions carry it; `href` turns it on, or off if current."""

    label: str
    count: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force; `without` is the address of the same list without it."""

    label: str
    without: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden form field."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """Decisions that match a filter, newest first.

    A search for a person is posted, and `carried` holds what its forms post again, so that the
    reference stays out of every address: `newer` and `older` are then cursors, `csv` and `json`
    formats. Otherwise `carried` holds the filters beside the dates, and those four are links.
    """

    count: str
    rows: tuple[DecisionRow, ...]
    since: str
    until: str
    outcomes: tuple[Facet, ...]
    models: tuple[Facet, ...]
    chips: tuple[Chip, ...]
    clear: str
    newer: str
    older: str
    csv: str
    json: str
    empty: str
    range: str
    searched: str = ""
    carried: tuple[Hidden, ...] = ()


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """One feature's contribution, from where the last one ended.

    `x` and `width` are thousandths of the drawing's width; `gain` says which way the bar points.
    """

    label: str
    value: str
    points: str
    x: int
    width: int
    gain: bool


@dataclass(frozen=True, slots=True)
class Waterfall:
    """From the reference to the result; positions are thousandths of the drawing's width."""

    start_label: str
    start: str
    start_x: int
    result_label: str
    result: str
    result_x: int
    limit: str
    limit_x: int
    rows: tuple[WaterfallRow, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class WhyPanel:
    """The explanation in words, with its figures; `standing` says whether it was given.

    The words are in `language`, whatever the page's own is. `late` says when its contributions
    were worked out, if that was after the decision.
    """

    standing: str
    summary: str
    paragraphs: tuple[str, ...]
    waterfall: Waterfall | None
    counterfactuals: tuple[str, ...]
    counterfactual_note: str
    limits: tuple[str, ...]
    gates: tuple[Tag, ...]
    late: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input used; `recorded` is its JSON exactly as it was committed."""

    label: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to this decision, as the log has it."""

    title: str
    moment: Moment
    text: str
    latest: bool = False


@dataclass(frozen=True, slots=True)
class CommittedField:
    """One committed value with the salt that opens its digest; `value` is canonical JSON."""

    section: str
    name: str
    value: str
    salt: str


@dataclass(frozen=True, slots=True)
class ProofPanel:
    """What the browser needs to check the receipt itself, and the same for a person to read.

    `committed` are the values this page shows, opened; empty after erasure.
    """

    receipt: str
    verifier_key: str
    leaf: str
    entry: str
    facts: tuple[Fact, ...]
    checkpoint: str
    path: tuple[str, ...]
    command: str
    committed: tuple[CommittedField, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """Everything known about one decision.

    `letter` is the address of the letter once it was issued, and `letters` those in further
    languages; `issue` is where to post to issue it, in one of `languages`, for those who may;
    `hold` is the legal hold that keeps it, if one does; `corrected` are the values that stand
    beside recorded ones since.
    """

    id: str
    short_id: str
    headline: str
    subline: str
    outcome: Tag
    scores: tuple[Fact, ...]
    why: WhyPanel | None
    why_missing: str
    inputs: tuple[InputRow, ...]
    timeline: tuple[Event, ...]
    provenance: tuple[Fact, ...]
    proof: ProofPanel
    letter: str = ""
    letters: tuple[Choice, ...] = ()
    issue: str = ""
    languages: tuple[Choice, ...] = ()
    hold: str = ""
    restricted: bool = False
    corrected: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class ErasedPage:
    """What is left of a decision whose payload was erased: its entry, and the proof of that."""

    id: str
    short_id: str
    text: str
    timeline: tuple[Event, ...]
    proof: ProofPanel | None


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """An error in words: what happened and what to do now; `request` finds it in our log."""

    status: int
    title: str
    text: str
    advice: str
    request: str = ""
