"""Corrections: what was recorded of a person is wrong, and is set right beside the record.

GDPR Art. 16. The decision stays as it was logged; a correction is an entry of its own that
commits to the new values, sealed under the person's own holder, so that it is erased with the
decision. The last correction of a field is the one in force. Whoever corrects data that a
decision rests on leaves a task behind: decide again. It is closed by a person, with the new
decision or with the reason why the old one stands; the log has that as a step of a review.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, cast

from sqlalchemy import select, update

from ledger.canonical import JsonValue
from ledger.entries import Body, Correction, Entry, Review, parse_id
from ledger.errors import ConflictError, MalformedError, NotFoundError, WrongStage
from ledger.operate.attachments import Attached, Attachments
from ledger.operate.decision import Decision
from ledger.operate.decision_check import check_decision
from ledger.operate.decision_view import DecisionView
from ledger.operate.decisions import Decisions
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import Records
from ledger.operate.registry import Registry
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Permission, Principal
from ledger.storage.database import reading, writing
from ledger.storage.models import decision_index

__all__ = ["Corrected", "Corrections", "Follow"]

MAX_CHANGES: Final = 512  # fields of one correction; as many as a section has
MAX_REASON_CHARACTERS: Final = 500  # why; a sentence or two
MAX_TASKS: Final = 1_000  # shown at once; more is a project, not a list
AGAIN: Final = 1  # of `decision_index.again`: to be decided again
_PARTS: Final = ("input", "context")  # what are facts, and not results
_PREFIXES: Final = ("input.", "context.")
_FIXED: Final = frozenset({"context.decided_at"})  # when it was decided is the log's business too


class Follow(StrEnum):
    """How a correction was followed up: the state of the review entry that says so."""

    DECIDED_AGAIN = "decided_again"
    STANDS = "decision_stands"


@dataclass(frozen=True, slots=True)
class Corrected:
    """One correction of a decision, opened and checked.

    Attributes:
        id: its entry's id.
        at: when the log accepted it.
        changes: the corrected values by name, as `input.income`.
        why: what shows that they are right.
        role: of whoever corrected.
        follow: how it was followed up; None: the task is open.
        decision: the new decision, if it was decided again.
    """

    id: str
    at: datetime
    changes: Mapping[str, JsonValue]
    why: str
    role: str
    follow: Follow | None = None
    decision: str | None = None


class Corrections:
    """The corrections of one log's decisions."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        registry: Registry,
        decisions: Decisions,
        attachments: Attachments,
        clock: Clock,
        random: Random,
    ) -> None:
        self._log = log
        self._vault = vault
        self._registry = registry
        self._decisions = decisions
        self._attachments = attachments
        self._records = Records(log, writer, vault, clock, random)

    def correct(
        self, principal: Principal, decision_id: str, changes: Mapping[str, JsonValue], why: str
    ) -> Entry:
        """Log that these fields have these values, and leave the task to decide again.

        Args:
            principal: who corrects.
            decision_id: the decision that rests on the wrong data.
            changes: the right values, by `input.` or `context.` and the field's name; a field
                of the context may be new (Art. 16: incomplete data is completed).
            why: what shows that they are right.

        Raises:
            PermissionRefused: the caller may not correct.
            MalformedError: nothing changes, or a value does not fit the model; `member` names it.
            NotFoundError, ErasedError: there is no such decision (any more).
            ConflictError: somebody else corrected it at the same moment; nothing was written.
        """
        principal.require(Permission.CORRECTIONS_MAKE)
        _check_reason(why)
        view = self._decisions.read(decision_id)
        now = self.current(view)
        corrected = _changed(now, changes)
        model = self._registry.model(view.payload.model).manifest
        check_decision(corrected, model, self._registry.policy(view.payload.policy).manifest)
        content: dict[str, JsonValue] = {**changes, "why": why, "role": principal.role.value}
        self._mark(decision_id, AGAIN)  # first: a crash leaves a mark too many, and none missing
        return self._attach(
            decision_id, "correction", content, lambda c: Correction(decision_id, c)
        )

    def of(self, decision_id: str) -> tuple[Corrected, ...]:
        """The corrections of a decision, oldest first.

        Raises:
            NotFoundError, ErasedError: there is no such decision (any more).
            VerificationError: what is stored is not what was logged.
        """
        attached = self._attachments.of(decision_id)
        follows = {
            str(each.opening.disclosed().get("correction")): each
            for each in attached
            if isinstance(each.entry.body, Review) and each.entry.body.state in set(Follow)
        }
        return tuple(
            _corrected(each, follows.get(each.entry.id))
            for each in attached
            if isinstance(each.entry.body, Correction)
        )

    def current(self, view: DecisionView) -> Decision:
        """The decision's data as it is now: with every correction in its place."""
        payload = view.payload
        for each in self.of(view.id):
            payload = _changed(payload, each.changes, check=False)
        return payload

    def close(
        self,
        principal: Principal,
        decision_id: str,
        correction_id: str,
        *,
        why: str,
        decision: str | None = None,
    ) -> Entry:
        """Close the task of a correction: with the new decision, or because the old one stands.

        Raises:
            PermissionRefused: the caller may not correct.
            MalformedError: no reason; or the new decision is not a later one about the person.
            NotFoundError, ErasedError: there is no such decision or correction (any more).
            WrongStage: it is closed already.
            ConflictError: as :meth:`correct`.
        """
        principal.require(Permission.CORRECTIONS_MAKE)
        _check_reason(why)
        found = next((each for each in self.of(decision_id) if each.id == correction_id), None)
        if found is None:
            raise NotFoundError("correction: there is none with this id")
        if found.follow is not None:
            raise WrongStage("correction: it was followed up already")
        if decision is not None:
            self._check_new(decision_id, found, decision)
        state = Follow.STANDS if decision is None else Follow.DECIDED_AGAIN
        detail: dict[str, JsonValue] = {
            "correction": correction_id,
            "decision": decision,
            "why": why,
            "role": principal.role.value,
        }
        entry = self._attach(
            decision_id, "detail", detail, lambda c: Review(decision_id, state.value, c)
        )
        self.tidy(decision_id)
        return entry

    def tasks(self) -> tuple[str, ...]:
        """The decisions that are to be decided again, oldest first; at most `MAX_TASKS`."""
        query = (
            select(decision_index.c.record_id)
            .where(decision_index.c.again == AGAIN)
            .order_by(decision_index.c.record_id)
            .limit(MAX_TASKS)
        )
        with reading(self._vault.engine) as connection:
            return tuple(connection.scalars(query))

    def tidy(self, decision_id: str) -> bool:
        """Take the mark away if no correction waits; say whether one does."""
        waits = any(each.follow is None for each in self.of(decision_id))
        if not waits:
            self._mark(decision_id, None)
        return waits

    def _check_new(self, decision_id: str, correction: Corrected, new: str) -> None:
        view = self._decisions.read(parse_id(new))
        same = self._vault.key_and_holder(new)[1] == self._vault.key_and_holder(decision_id)[1]
        if new == decision_id or not same or view.at < correction.at:
            raise MalformedError(
                "correction: not a decision about the same person, made since", member="decision"
            )

    def _attach(
        self,
        decision_id: str,
        section: str,
        content: Mapping[str, JsonValue],
        body: Callable[[bytes], Body],
    ) -> Entry:
        count = len(self._log.referring(decision_id))
        entry = self._records.attach(decision_id, section, content, body, count=count)
        # Of two that come at once, the second is given what the first attached.
        if self._records.open(entry.id)[0] != content:
            raise ConflictError("correction: somebody else was first: read it again")
        return entry

    def _mark(self, decision_id: str, again: int | None) -> None:
        with writing(self._vault.engine) as connection:
            theirs = decision_index.c.record_id == decision_id
            connection.execute(update(decision_index).where(theirs).values(again=again))


def _check_reason(why: str) -> None:
    if not 1 <= len(why.strip()) <= MAX_REASON_CHARACTERS or not why.isprintable():
        raise MalformedError(
            f"correction: not 1 to {MAX_REASON_CHARACTERS} printable characters", member="why"
        )


def _changed(
    decision: Decision, changes: Mapping[str, JsonValue], *, check: bool = True
) -> Decision:
    """The decision with these fields in their places."""
    if not 1 <= len(changes) <= MAX_CHANGES:
        raise MalformedError(f"correction: not 1 to {MAX_CHANGES} fields", member="changes")
    parts = {part: dict(getattr(decision, part)) for part in _PARTS}
    for name, value in changes.items():
        part, _, inner = name.partition(".")
        known = part == "context" or (part == "input" and inner in parts["input"])
        if not inner or not known or name in _FIXED:
            raise MalformedError("correction: not a field that can be corrected", member=name)
        if check and inner in parts[part] and parts[part][inner] == value:
            raise MalformedError("correction: it has this value already", member=name)
        parts[part][inner] = value
    return replace(decision, input=parts["input"], context=parts["context"])


def _corrected(each: Attached, follow: Attached | None) -> Corrected:
    told = each.opening.disclosed()
    closed = follow.opening.disclosed() if follow else {}
    return Corrected(
        id=each.entry.id,
        at=each.entry.at,
        changes={name: value for name, value in told.items() if name.startswith(_PREFIXES)},
        why=str(told.get("why", "")),
        role=str(told.get("role", "")),
        follow=Follow(cast("Review", follow.entry.body).state) if follow else None,
        decision=cast("str | None", closed.get("decision")),
    )
