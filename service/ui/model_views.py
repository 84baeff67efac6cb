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
    """One model version: what it is, where it stands, what may be done, what happened.

    Its dictionary is at `features`. `late` says that it decided when it was retired.
    """

    name: str
    home: str
    state: Tag
    lead: str
    waits: str
    facts: tuple[Fact, ...]
    features: str
    forms: tuple[StageForm, ...]
    history: tuple[EventRow, ...]
    lineage: LineagePart
    late: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """A language that labels are written in, and the page in it."""

    tag: str
    href: str
    here: bool


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature, in words; empty where the manifest says nothing."""

    label: str
    language: str
    name: str
    kind: str
    values: str
    group: str
    changes: str
    missing: str
    protected: Tag
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class DictionaryPage:
    """The features of a model version; `language` is empty if no label is in it."""

    name: str
    home: str
    model: str
    language: str
    languages: tuple[LanguageLink, ...]
    rows: tuple[FeatureRow, ...]
    untranslated: str


@dataclass(frozen=True, slots=True)
class VersionLink:
    """Another version, and where it is compared with this one."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One member that is not the same; `before` and `after` are empty where there is nothing."""

    tag: Tag
    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from the version `against`; `more` is how many changes are not shown."""

    against: str
    rows: tuple[ChangeRow, ...]
    total: str
    more: str


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """One policy version, and how it differs from another one."""

    name: str
    home: str
    facts: tuple[Fact, ...]
    manifest: str
    others: tuple[VersionLink, ...]
    compared: Comparison | None
