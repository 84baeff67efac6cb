"""Decisions: recording them, reading them back, and what is attached to them later.

Recording one: check it, keep its key and index row in the vault, append its entry to
the log, answer with a receipt. The id is the idempotency key: the same content again
is answered with a receipt for the same entry, other content is a conflict.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, cast

from ledger.canonical import JsonValue
from ledger.commitments import SECTIONS, Opening, open_section, verify_opening
from ledger.entries import Body, Entry, ExplanationIssued, NoticeIssued, parse_entry
from ledger.errors import (
    DuplicateSubmission,
    ErasedError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
)
from ledger.operate.decision import Decision, first_difference, section_members
from ledger.operate.decision_check import check_decision, features_of
from ledger.operate.decision_search import DecisionQuery, DecisionRow, Facets, Page, rows_of, search
from ledger.operate.decision_view import (
    DecisionView,
    Recorded,
    check_payload,
    decision_entry,
)
from ledger.operate.erased_records import check_standing
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter, Place, Written
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records
from ledger.operate.registry import SUSPENDED, ModelVersion, PolicyVersion, Registry
from ledger.operate.sequencer import Clock
from ledger.operate.vault import IndexRow, Vault, microseconds
from ledger.operate.written_decision import WrittenDecision
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.proof import Receipt, checkpoint_of

__all__ = [
    "Decision",
    "DecisionQuery",
    "DecisionRow",
    "DecisionView",
    "Decisions",
    "Facets",
    "Page",
    "Recorded",
]


_Version = TypeVar("_Version", ModelVersion, PolicyVersion)
_Outcome = TypeVar("_Outcome")


class Decisions:
    """The decisions of one log."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        registry: Registry,
        clock: Clock,
        random: Random,
    ) -> None:
        self._log = log
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random)

    def new_id(self) -> str:
        """A fresh id for a decision that came without one."""
        return self._records.new_id()

    def record(self, batch: Sequence[Decision]) -> tuple[Recorded, ...]:
        """Record all of these decisions; nothing is written if one of them is refused.

        Raises:
            MalformedError: a decision does not fit its model or policy; `member` says where.
            NotFoundError: a model or policy is not registered.
            RefusedError: a model is suspended, or the log refuses to be written.
            DuplicateSubmission: an id was used before with other content.
            PushbackError: a database does not answer; submit the same again later.
        """
        fit = [_or_raise(each) for each in self._check(batch)]
        if not fit:
            return ()
        new = self._new_records(fit)
        found = self._judged(fit, self._records.write(new, whole=True))
        held_back = [at for at, each in enumerate(found) if each is None]
        for each in found:
            _or_raise(each)
        if held_back:  # with those that are there already, and are the same
            written = self._records.write([new[at] for at in held_back])
            rest = self._judged([fit[at] for at in held_back], written)
            for at, each in zip(held_back, rest, strict=True):
                found[at] = each
        return tuple(cast("Recorded", _or_raise(each)) for each in found)

    def record_each(self, batch: Sequence[Decision]) -> tuple[Recorded | LedgerError, ...]:
        """Record those decisions that can be; for each of the others, why not.

        Raises:
            PushbackError, RefusedError: as :meth:`record`, when nothing can be written.
        """
        checked = self._check(batch)
        fit = [each for each in checked if isinstance(each, Decision)]
        if not fit:
            return cast("tuple[LedgerError, ...]", checked)
        judged = iter(self._judged(fit, self._records.write(self._new_records(fit))))
        return tuple(
            each if isinstance(each, LedgerError) else cast("Recorded", next(judged))
            for each in checked
        )

    def read(self, record_id: str) -> DecisionView:
        """A decision, with its proof and its payload checked against the log.

        Raises:
            NotFoundError: there is none with this id.
            ErasedError: its payload or key was destroyed.
            VerificationError: what is stored is not what was logged: raise the alarm.
        """
        return self._open(record_id)[0]

    def openings(
        self, record_id: str, disclose: Collection[str] | None = None
    ) -> tuple[Opening, ...]:
        """The openings of a decision's sections, for somebody who checks them.

        Args:
            record_id: the record's id.
            disclose: which fields to show, as `input.income`; None shows all. The others
                are there as digests.

        Raises:
            MalformedError: a field to disclose is not there.
            NotFoundError, ErasedError, VerificationError: as :meth:`read`.
        """
        view, key = self._open(record_id)
        openings = []
        for section in SECTIONS:
            members = section_members(view.payload, section)
            prefix = f"{section}."
            shown = (
                None
                if disclose is None
                else [name[len(prefix) :] for name in disclose if name.startswith(prefix)]
            )
            openings.append(open_section(key, section, members, shown))
        return tuple(openings)

    def find(self, query: DecisionQuery) -> Page:
        """Decisions by subject, model, policy, outcome and time; newest first.

        Raises:
            MalformedError: the query's cursor is not one of ours.
        """
        self._records.settle()
        try:
            model = self._registry.model(query.model).digest if query.model else None
            policy = self._registry.policy(query.policy).digest if query.policy else None
        except NotFoundError:
            return Page((), None, 0, Facets((), (), ()))
        return search(self._vault, replace(query, model=model, policy=policy))

    def rows(self, record_ids: Collection[str]) -> Iterator[DecisionRow]:
        """What lists show of those of these decisions that there are, in no order."""
        self._records.settle()
        return rows_of(self._vault, record_ids)

    def history(self, record_id: str) -> tuple[Entry, ...]:
        """The decision's entry and every entry about it, in order.

        Raises:
            NotFoundError: there is no decision with this id.
        """
        about = map(parse_entry, self._log.referring(record_id))
        return (self._entry(record_id), *about)

    def attach_explanation(
        self,
        record_id: str,
        explanation: Mapping[str, JsonValue],
        template: str,
        catalogue: str,
    ) -> Entry:
        """Seal an explanation beside the decision and log that it was issued.

        Args:
            record_id: the decision explained.
            explanation: what was said, as JSON; it opens and is erased with the decision.
            template: SHA-256 in hex of what it was written with.
            catalogue: SHA-256 in hex of the messages it was written from.

        Raises:
            NotFoundError, ErasedError: there is no such decision (any more).
        """

        def body(commitment: bytes) -> Body:
            return ExplanationIssued(record_id, commitment, template, catalogue)

        return self._attach(record_id, "explanation", explanation, body)

    def attach_notice(
        self, record_id: str, notice: Mapping[str, JsonValue], template: str, catalogue: str
    ) -> Entry:
        """Seal a notice beside the decision and log that it was issued; as attach_explanation."""

        def body(commitment: bytes) -> Body:
            return NoticeIssued(record_id, commitment, template, catalogue)

        return self._attach(record_id, "notice", notice, body)

    def explanation(self, record_id: str) -> dict[str, JsonValue] | None:
        """The first explanation issued for a decision, checked against the log, or None.

        Raises:
            NotFoundError: there is no decision with this id.
            ErasedError: the explanation was destroyed.
            VerificationError: what is stored is not what was logged.
        """
        issued = self._issued(record_id)
        return None if issued is None else issued[1]

    def explanation_evidence(self, record_id: str) -> tuple[Receipt, Opening] | None:
        """What shows that the first explanation was issued as it stands; None if none was.

        Raises:
            NotFoundError, ErasedError, VerificationError: as :meth:`explanation`.
        """
        issued = self._issued(record_id)
        return None if issued is None else (self._log.receipt(issued[0].id), issued[2])

    def _issued(self, record_id: str) -> tuple[Entry, dict[str, JsonValue], Opening] | None:
        check_standing(self._log, record_id)
        issued = [e for e in self.history(record_id) if isinstance(e.body, ExplanationIssued)]
        if not issued:
            return None
        entry = issued[0]  # what was told first stands; the others are it in other languages
        content, key = self._records.open(entry.id)
        opening = open_section(key, "explanation", content)
        verify_opening(opening, cast("ExplanationIssued", entry.body).explanation)
        return entry, content, opening

    def _check(self, batch: Sequence[Decision]) -> tuple[Decision | LedgerError, ...]:
        """Each decision with digests for its model and policy, or why it is refused."""
        models = {ref: self._found(self._registry.model, ref) for ref in {d.model for d in batch}}
        policies = {
            ref: self._found(self._registry.policy, ref) for ref in {d.policy for d in batch}
        }
        features = {
            ref: features_of(model.manifest)
            for ref, model in models.items()
            if isinstance(model, ModelVersion)
        }
        return tuple(
            _checked(each, models[each.model], policies[each.policy], features.get(each.model))
            for each in batch
        )

    @staticmethod
    def _found(find: Callable[[str], _Version], reference: str) -> _Version | LedgerError:
        try:
            return find(reference)
        except NotFoundError as error:
            return error

    def _new_records(self, decisions: Sequence[Decision]) -> list[NewRecord]:
        now = self._clock()
        return [self._new_record(decision, now) for decision in decisions]

    def _new_record(self, decision: Decision, now: datetime) -> NewRecord:
        if decision.subject is not None:
            holder = self._vault.subject_tag(decision.subject)
        else:
            policy = self._registry.policy(decision.policy).manifest
            holder = self._vault.period_tag(str(policy.get("retention_class", "")), now)
        index = IndexRow(
            record_id=decision.id,
            tag=holder if decision.subject is not None else None,
            outcome=decision.outcome,
            model=decision.model,
            policy=decision.policy,
            margin=decision.margin,
            decided_us=microseconds(decision.decided_at),
            pending=not decision.attributed,
        )

        written = WrittenDecision.of(decision)
        return NewRecord(decision.id, holder, written.payload(), written.body, index)

    def _judged(
        self, decisions: Sequence[Decision], written: Written
    ) -> list[Recorded | LedgerError | None]:
        """What became of each: None if it was held back, because of others that are there."""
        root = checkpoint_of(written.note)
        return [
            self._recorded(decision, place, written.note, root)
            for decision, place in zip(decisions, written.places, strict=True)
        ]

    def _recorded(
        self, decision: Decision, place: Place, note: str, checkpoint: Checkpoint
    ) -> Recorded | LedgerError | None:
        if place.raw is not None:
            receipt = Receipt(place.raw, place.seq, place.proof, note)
            # A receipt is evidence: never hand out one that does not verify.
            receipt.verify_inclusion(checkpoint)
            return Recorded(decision.id, place.seq, "recorded", receipt)
        if place.seq < 0:
            return None
        return self._repeated(decision)

    def _repeated(self, decision: Decision) -> Recorded | LedgerError:
        """A decision whose id is in the log: the same again, or another under its id."""
        try:
            original = self._open(decision.id)[0]
            member = first_difference(original.payload.to_json(), decision.to_json())
        except NotFoundError as error:
            if isinstance(error, ErasedError):
                return error
            return DuplicateSubmission("decision: the id is another entry's", member="id")
        except LedgerError as error:
            return error
        if member is None:
            return Recorded(decision.id, original.seq, "duplicate", original.receipt)
        return DuplicateSubmission("decision: the id was used with other content", member=member)

    def _entry(self, record_id: str) -> Entry:
        return decision_entry(self._log.entry(record_id))

    def _open(self, record_id: str) -> tuple[DecisionView, bytes]:
        receipt = self._log.receipt(record_id)
        check_standing(self._log, record_id)
        entry = decision_entry(receipt.entry)
        document, key = self._records.open(record_id)
        payload = Decision.from_json(document)
        check_payload(payload, entry, key)
        view = DecisionView(
            id=record_id,
            seq=entry.seq,
            at=entry.at,
            entry=entry,
            raw=receipt.entry,
            payload=payload,
            receipt=receipt,
        )
        return view, key

    def _attach(
        self,
        record_id: str,
        section: str,
        content: Mapping[str, JsonValue],
        body: Callable[[bytes], Body],
    ) -> Entry:
        self._entry(record_id)
        check_standing(self._log, record_id)
        count = sum(1 for _ in self._log.referring(record_id))
        return self._records.attach(record_id, section, content, body, count=count)


def _or_raise(outcome: _Outcome | LedgerError) -> _Outcome:
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


def _checked(
    decision: Decision,
    model: ModelVersion | LedgerError,
    policy: PolicyVersion | LedgerError,
    features: Mapping[str, Mapping[str, JsonValue]] | None,
) -> Decision | LedgerError:
    for found in (model, policy):
        if isinstance(found, LedgerError):
            return found
    model, policy = cast("ModelVersion", model), cast("PolicyVersion", policy)
    if model.status == SUSPENDED:
        return RefusedError("decision: the model version is suspended", member="model")
    try:
        check_decision(decision, model.manifest, policy.manifest, features)
    except MalformedError as error:
        return error
    return decision.under(model.digest, policy.digest)
