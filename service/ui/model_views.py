"""What the pages of models and policies say, as values; templates print them."""

from dataclasses import dataclass

from markupsafe import Markup

from reports.documents import LineageStage
from service.ui.views import Fact, Moment, Tag


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a model or policy, in a list; `state` is a model's alone."""

    href: str
    name: str
    digest: str
    state: Tag | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """Every model version and every policy version."""

    models: tuple[VersionRow, ...]
    policies: tuple[VersionRow, ...]


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a model version; `reason` is empty where nobody gave one."""

    what: Tag
    when: Moment
    who: str
    reason: str
    entry: str


@dataclass(frozen=True, slots=True)
class StageForm:
    """Something that the visitor may do about the stage: where it is posted to, and its words.

    `status` is the stage that a proposal is for, or empty.
    """

    id: str
    action: str
    label: str
    hint: str
    status: str = ""
    weighty: bool = False


@dataclass(frozen=True, slots=True)
class LineagePart:
    """The way from data to decisions; `graph` is its address as JSON.

    `picture` is markup, empty if it cannot be drawn.
    """

    graph: str
    picture: Markup
    stages: tuple[LineageStage, ...]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model version: what it is, where it stands, what may be done, what happened."""

    name: str
    home: str
    state: Tag
    lead: str
    waits: str
    facts: tuple[Fact, ...]
    forms: tuple[StageForm, ...]
    history: tuple[EventRow, ...]
    lineage: LineagePart
    problem: str = ""
