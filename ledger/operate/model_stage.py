"""The stages of a model version's life: which may follow which, and which take two people.

The table is `docs/formats.md` §2. Pure: who is asking and what the log says is worked out
elsewhere (`approvals`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ledger.errors import MalformedError, WrongStage

MAX_REASON_CHARACTERS: Final = 500  # a sentence or two; a validation report is kept elsewhere


class Stage(StrEnum):
    """Where a model version is in its life."""

    REGISTERED = "registered"
    APPROVED = "approved"
    PROMOTED = "promoted"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Act(StrEnum):
    """What somebody did about a stage: the codes of `model_version_act`."""

    APPROVAL_PROPOSED = "approval_proposed"
    APPROVED = "approved"
    PROMOTED = "promoted"
    PROPOSAL_REFUSED = "proposal_refused"
    RETIRED = "retired"
    RETIREMENT_PROPOSED = "retirement_proposed"
    SUSPENDED = "suspended"


# What was stopped is approved again before it is promoted again: somebody else has to look at
# what it was stopped for. Nothing leads out of retirement.
FOLLOWING: Final[Mapping[Stage, frozenset[Stage]]] = MappingProxyType(
    {
        Stage.REGISTERED: frozenset({Stage.APPROVED, Stage.SUSPENDED, Stage.RETIRED}),
        Stage.APPROVED: frozenset({Stage.PROMOTED, Stage.SUSPENDED, Stage.RETIRED}),
        Stage.PROMOTED: frozenset({Stage.SUSPENDED, Stage.RETIRED}),
        Stage.SUSPENDED: frozenset({Stage.APPROVED, Stage.RETIRED}),
        Stage.RETIRED: frozenset(),
    }
)
"""Which stages may follow each."""

PROPOSALS: Final[Mapping[Act, Stage]] = MappingProxyType(
    {Act.APPROVAL_PROPOSED: Stage.APPROVED, Act.RETIREMENT_PROPOSED: Stage.RETIRED}
)
"""The stages that one person proposes and another agrees to, by the act of proposing."""


@dataclass(frozen=True, slots=True)
class StageEvent:
    """One thing that happened to a model version, as the log has it.

    Attributes:
        id: the entry that says so.
        seq: its index.
        at: when the log accepted it.
        act: an :class:`Act`, `registered`, or a stage that was logged without an act.
        stage: the stage that begins with it; None if none does.
        actor: the credential that did it; None if nobody says, or it cannot be opened any more.
        role: the role in which it was done, as a code; empty if `actor` is None.
        reason: why, in the actor's words; empty if `actor` is None.
        proposal: the entry of the proposal that was agreed to or refused, if there was one.
    """

    id: str
    seq: int
    at: datetime
    act: str
    stage: Stage | None
    actor: str | None = None
    role: str = ""
    reason: str = ""
    proposal: str | None = None


def check_step(now: Stage, wanted: Stage) -> None:
    """Return if `wanted` may follow `now`.

    Raises:
        WrongStage: it may not.
    """
    if wanted not in FOLLOWING[now]:
        after = ", ".join(sorted(FOLLOWING[now])) or "nothing"
        raise WrongStage(f"model: it is {now}, and what may follow is: {after}")


def proposal_of(stage: str) -> Act:
    """The act that proposes a stage.

    Raises:
        MalformedError: nobody proposes it: it takes one person, or is none.
    """
    for act, aim in PROPOSALS.items():
        if stage == aim:
            return act
    raise MalformedError("model: propose that it is approved or retired", member="status")


def checked_reason(reason: str) -> str:
    """The reason, without blanks around it.

    Raises:
        MalformedError: there is none, or it is too long or not one printable line.
    """
    text = reason.strip()
    if not 1 <= len(text) <= MAX_REASON_CHARACTERS or not text.isprintable():
        raise MalformedError(
            f"model: not 1 to {MAX_REASON_CHARACTERS} printable characters", member="reason"
        )
    return text
