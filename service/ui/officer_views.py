"""What the pages of erasures and legal holds say, as values; templates print them."""

from dataclasses import dataclass

from service.ui.views import Choice, Fact, Moment, Tag


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """A request to erase, in a list."""

    href: str
    short_id: str
    asked: Moment
    stage: Tag
    scope: str
    ground: str
    counts: str


@dataclass(frozen=True, slots=True)
class ErasuresPage:
    """Every request, newest first, and the form for another; no grounds: no form."""

    rows: tuple[ErasureRow, ...]
    grounds: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ErasurePage:
    """One request: where it stands, what stays because of which hold, and what can be done.

    `approve` and `refuse` are addresses to post to, empty when there is nothing to decide or
    the visitor is not who decides; `certificate` is there once it is done.
    """

    id: str
    short_id: str
    stage: Tag
    lead: str
    facts: tuple[Fact, ...]
    kept: tuple[Fact, ...]
    approve: str
    waits: str
    refuse: str
    reasons: tuple[Choice, ...]
    certificate: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A legal hold, in a list; `release` is where to post to, or empty, `act` what that does.

    `restriction` is the ground of a restriction of use; `inform` is where to post that the person
    was told that it is to be lifted.
    """

    id: str
    short_id: str
    state: Tag
    review: Moment
    scope: str
    matter: str
    ground: str
    owner: str
    release: str
    act: str
    note: str
    restriction: str = ""
    inform: str = ""


@dataclass(frozen=True, slots=True)
class HoldsPage:
    """Every hold, newest first, and the form for another."""

    rows: tuple[HoldRow, ...]
    may_set: bool
    earliest: str
    latest: str
