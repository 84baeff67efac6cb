"""Decisions: recording them, reading them back, and what is attached to them later.

Recording one: check it, keep its key and index row in the vault, append its entry to
the log, answer with a receipt. The id is the idempotency key: the same content again
is answered with a receipt for the same entry, other content is a conflict.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import SECTIONS, Opening, commit, open_section, verify_opening
from ledger.entries import (
    UUID7_RANDOM_BYTES,
    Body,
    Entry,
    ExplanationIssued,
    NoticeIssued,
    parse_entry,
    uuid7,
)
from ledger.entries import Decision as DecisionEntry
from ledger.errors import (
    ConflictError,
    DuplicateSubmission,
    LedgerError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.decision import Decision, first_difference, section_members
from ledger.operate.decision_check import check_decision
from ledger.operate.decision_search import DecisionQuery, DecisionRow, Facets, Page, search
from ledger.operate.key_wrapper import Random
from ledger.operate.registry import SUSPENDED, Registry
from ledger.operate.sequencer import Clock, Draft, Sequencer
from ledger.operate.sweep import settle, sweep
from ledger.operate.vault import DrawnKeys, IndexRow, KeyRequest, Vault, microseconds
from ledger.sealing import MAX_PAYLOAD_BYTES, NONCE_BYTES, seal, unseal
from ledger.tlog.proof import Receipt

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


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision that is in the log: now, or since it was first submitted.

    Attributes:
        id: the record's id.
        seq: the entry's index.
        status: "recorded", or "duplicate" if it was in the log before.
        receipt: the proof, which stands alone.
    """

    id: str
    seq: int
    status: Literal["recorded", "duplicate"]
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision as it was logged, opened and checked.

    Attributes:
        id: the record's id.
        seq: the entry's index.
        at: when the log accepted it.
        entry: the entry.
        raw: its bytes.
        payload: what was decided; `model` and `policy` are digests.
        receipt: the proof that the entry is in the log, verified.
    """

    id: str
    seq: int
    at: datetime
    entry: Entry
    raw: bytes
    payload: Decision
    receipt: Receipt


class Decisions:
    """The decisions of one log."""

    def __init__(
        self, log: Sequencer, vault: Vault, registry: Registry, clock: Clock, random: Random
    ) -> None:
        """Take up the log; what a crash left in the vault is swept away."""
        self._log = log
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._random = random
        self._landed: Mapping[str, int] = {}  # in the log, but not yet settled in the vault
        sweep(log, vault)

    def new_id(self) -> str:
        """A fresh id for a decision that came without one."""
        unix_ms = microseconds(self._clock()) // 1000
        return uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))

    def record(self, batch: Sequence[Decision]) -> tuple[Recorded, ...]:
        """Record all of these decisions; nothing is written if one of them is refused.

        Raises:
            MalformedError: a decision does not fit its model or policy; `member` says where.
            NotFoundError: a model or policy is not registered.
            RefusedError: a model is suspended, or the log refuses to be written.
            DuplicateSubmission: an id was used before with other content.
            PushbackError: a database does not answer; submit the same again later.
        """
        results = self._record(batch, all_or_none=True)
        for result in results:
            if isinstance(result, LedgerError):
                raise result
        return cast("tuple[Recorded, ...]", results)

    def record_each(self, batch: Sequence[Decision]) -> tuple[Recorded | LedgerError, ...]:
        """Record those decisions that can be; for each of the others, why not.

        Raises:
            PushbackError, RefusedError: as :meth:`record`, when nothing can be written.
        """
        return self._record(batch, all_or_none=False)

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
        settle(self._log, self._vault)
        try:
            model = self._registry.model(query.model).digest if query.model else None
            policy = self._registry.policy(query.policy).digest if query.policy else None
        except NotFoundError:
            return Page((), None, 0, Facets((), (), ()))
        return search(self._vault, replace(query, model=model, policy=policy))

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
        """The last explanation issued for a decision, checked against the log, or None.

        Raises:
            NotFoundError: there is no decision with this id.
            ErasedError: the explanation was destroyed.
            VerificationError: what is stored is not what was logged.
        """
        issued = [e for e in self.history(record_id) if isinstance(e.body, ExplanationIssued)]
        if not issued:
            return None
        entry = issued[-1]
        key = self._vault.key(entry.id)
        content = self._unseal(key, entry.id)
        logged = cast("ExplanationIssued", entry.body).explanation
        verify_opening(open_section(key, "explanation", content), logged)
        return content

    def _record(
        self, batch: Sequence[Decision], *, all_or_none: bool
    ) -> tuple[Recorded | LedgerError, ...]:
        checked = [self._check(decision) for decision in batch]
        if all_or_none and any(isinstance(each, LedgerError) for each in checked):
            return tuple(each for each in checked if isinstance(each, LedgerError))
        with self._log.turn():
            ids = {each.id for each in checked if isinstance(each, Decision)}
            known = self._log.locate(ids)
            first: dict[str, Decision] = {}
            outcomes: list[LedgerError | Literal["recorded", "duplicate"]] = [
                each if isinstance(each, LedgerError) else self._sort(each, known, first)
                for each in checked
            ]
            refused = [each for each in outcomes if isinstance(each, LedgerError)]
            if all_or_none and refused:
                return tuple(refused)
            places = {**known, **self._write(tuple(first.values()))}
        return tuple(
            outcome
            if isinstance(outcome, LedgerError)
            else self._recorded(decision.id, places[decision.id], outcome)
            for decision, outcome in zip(batch, outcomes, strict=True)
        )

    def _check(self, decision: Decision) -> Decision | LedgerError:
        """The decision with digests for its model and policy, or why it is refused."""
        try:
            model = self._registry.model(decision.model)
            policy = self._registry.policy(decision.policy)
            if model.status == SUSPENDED:
                raise RefusedError("decision: the model version is suspended", member="model")
            check_decision(decision, model.manifest, policy.manifest)
        except LedgerError as error:
            return error
        return replace(decision, model=model.digest, policy=policy.digest)

    def _sort(
        self, decision: Decision, known: Mapping[str, int], first: dict[str, Decision]
    ) -> Literal["recorded", "duplicate"] | LedgerError:
        """Whether a decision is new, was there before, or claims the id of another one."""
        try:
            if decision.id in known:
                original = self._open(decision.id)[0].payload
            elif decision.id in first:
                original = first[decision.id]
            else:
                first[decision.id] = decision
                return "recorded"
            member = first_difference(original.to_json(), decision.to_json())
        except LedgerError as error:
            return error
        if member is None:
            return "duplicate"
        return DuplicateSubmission("decision: the id was used with other content", member=member)

    def _write(self, new: Sequence[Decision]) -> Mapping[str, int]:
        """Vault, then log. The caller holds the turn; returns each record's index."""
        if not new:
            return {}
        now = self._clock()
        holders = [self._holder(decision, now) for decision in new]
        drawn = self._vault.draw_keys(
            [KeyRequest(d.id, holder) for d, holder in zip(new, holders, strict=True)]
        )
        drafts = [
            self._draft(decision, record.key)
            for decision, record in zip(new, drawn.records, strict=True)
        ]
        index = [
            _index_row(decision, holder if decision.subject is not None else None)
            for decision, holder in zip(new, holders, strict=True)
        ]
        return self._append(drafts, drawn, index)

    def _append(
        self, drafts: Sequence[Draft], drawn: DrawnKeys, index: Sequence[IndexRow] = ()
    ) -> Mapping[str, int]:
        try:
            self._keep(drawn, index)
        except ConflictError:
            # We hold the turn and the log has none of these: an earlier attempt failed
            # between its two commits.
            self._vault.discard(self._log.origin, [record.record_id for record in drawn.records])
            self._keep(drawn, index)
        appended = self._log.append(drafts)
        self._landed = {each.entry.id: each.entry.seq for each in appended}
        return self._landed

    def _keep(self, drawn: DrawnKeys, index: Sequence[IndexRow]) -> None:
        self._vault.keep(self._log.origin, drawn, index=index, settled=self._landed)

    def _holder(self, decision: Decision, now: datetime) -> bytes:
        if decision.subject is not None:
            return self._vault.subject_tag(decision.subject)
        policy = self._registry.policy(decision.policy).manifest
        return self._vault.period_tag(str(policy.get("retention_class", "")), now)

    def _draft(self, decision: Decision, key: bytes) -> Draft:
        payload = canonical.encode(decision.to_json())
        sealed = seal(key, self._log.origin, decision.id, payload, self._random(NONCE_BYTES))
        commitments = {
            section: commit(key, section, section_members(decision, section))
            for section in SECTIONS
        }
        body = DecisionEntry(
            model=decision.model, policy=decision.policy, source=decision.source, **commitments
        )
        return Draft(decision.id, body, sealed)

    def _recorded(
        self, record_id: str, seq: int, status: Literal["recorded", "duplicate"]
    ) -> Recorded:
        return Recorded(record_id, seq, status, self._log.receipt_at(seq))

    def _entry(self, record_id: str) -> Entry:
        entry = parse_entry(self._log.entry(record_id))
        if not isinstance(entry.body, DecisionEntry):
            raise NotFoundError("decision: the entry with this id is not a decision")
        return entry

    def _open(self, record_id: str) -> tuple[DecisionView, bytes]:
        receipt = self._log.receipt(record_id)
        entry = parse_entry(receipt.entry)
        if not isinstance(entry.body, DecisionEntry):
            raise NotFoundError("decision: the entry with this id is not a decision")
        key = self._vault.key(record_id)
        payload = Decision.from_json(self._unseal(key, record_id))
        _check_against(payload, entry, key)
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

    def _unseal(self, key: bytes, record_id: str) -> dict[str, JsonValue]:
        sealed = self._log.sealed(record_id)
        payload = unseal(key, self._log.origin, record_id, sealed)
        return cast("dict[str, JsonValue]", canonical.decode(payload, max_bytes=MAX_PAYLOAD_BYTES))

    def _attach(
        self,
        record_id: str,
        section: str,
        content: Mapping[str, JsonValue],
        body: Callable[[bytes], Body],
    ) -> Entry:
        self._entry(record_id)
        holder = self._vault.key_and_holder(record_id)[1]
        entry_id = self.new_id()
        with self._log.turn():
            drawn = self._vault.draw_keys([KeyRequest(entry_id, holder)])
            key = drawn.records[0].key
            payload = canonical.encode(dict(content))
            sealed = seal(key, self._log.origin, entry_id, payload, self._random(NONCE_BYTES))
            self._append([Draft(entry_id, body(commit(key, section, content)), sealed)], drawn)
        return parse_entry(self._log.entry(entry_id))


def _index_row(decision: Decision, tag: bytes | None) -> IndexRow:
    return IndexRow(
        record_id=decision.id,
        tag=tag,
        outcome=decision.outcome,
        model=decision.model,
        policy=decision.policy,
        margin=decision.margin,
        decided_us=microseconds(decision.decided_at),
    )


def _check_against(payload: Decision, entry: Entry, key: bytes) -> None:
    """Return if the payload is the one that the entry committed to.

    Raises:
        VerificationError: it is not; `member` names the section.
    """
    body = cast("DecisionEntry", entry.body)
    stated = (payload.id, payload.model, payload.policy, payload.source)
    if stated != (entry.id, body.model, body.policy, body.source):
        raise VerificationError("decision: the payload belongs to another entry")
    for section in SECTIONS:
        opening = open_section(key, section, section_members(payload, section))
        verify_opening(opening, getattr(body, section))
