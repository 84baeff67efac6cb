"""The ledger's answer to a batch: read strictly, and checked against what was sent.

Nothing in an answer is believed: each receipt must prove that the entry is in the log
under a head that the policy accepts, and the entry must be of the decision that was sent.
What the entry commits to cannot be checked here, because only the ledger has the record's
key. Pure.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ledger.client.outbox import Item
from ledger.client.spooled import Refusal
from ledger.entries import Decision, parse_entry
from ledger.errors import InconsistencyError, LedgerError, MalformedError, VerificationError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import leaf_hash, verify_inclusion
from ledger.tlog.note import MAX_NOTE_BYTES, SignedNote, decode_base64
from ledger.tlog.proof import MAX_PROOF_HASHES, Receipt

__all__ = [
    "Accepts",
    "BatchAnswer",
    "Placed",
    "Seen",
    "UnsupportedAnswer",
    "checked_head",
    "checked_results",
    "parse_answer",
    "parse_problem",
]

MAX_TEXT: Final = 500  # characters of one text of a problem: a sentence or two
_PROBLEM_TEXTS: Final = ("type", "title", "detail", "member")


class UnsupportedAnswer(LedgerError):
    """The ledger does not answer in this form: it is older than this client."""


class Accepts(Protocol):
    """Who tells whether a head is to be accepted: a policy, or whoever follows one."""

    def check(self, note: str) -> Checkpoint:
        """The checkpoint of a note that is accepted.

        Raises:
            LedgerError: it is not, or it could not be told.
        """


@dataclass(frozen=True, slots=True)
class Placed:
    """A decision that the ledger says it has: where, and what is to prove it."""

    id: str
    status: str
    index: int
    entry: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of each decision of a batch, and the signed head that covers them."""

    results: tuple[Placed | Mapping[str, Any], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A head of the log that was accepted before, as it was signed."""

    checkpoint: Checkpoint
    note: str


def parse_answer(body: bytes, count: int) -> BatchAnswer:
    """The answer to a batch of `count` decisions, not checked yet.

    Raises:
        UnsupportedAnswer: it is one, but holds no receipts.
        MalformedError: it is none.
    """
    document = _object(body)
    results = document.get("results")
    if not isinstance(results, list) or len(results) != count:
        raise MalformedError("answer: not one result for each decision")
    note = document.get("checkpoint")
    placed = any(isinstance(each, dict) and each.get("status") != "refused" for each in results)
    if placed and not isinstance(note, str):
        raise UnsupportedAnswer("the ledger sends no receipts for a batch")
    if isinstance(note, str) and len(note) > MAX_NOTE_BYTES:
        raise MalformedError("answer: the checkpoint is too long")
    return BatchAnswer(tuple(map(_result, results)), note if isinstance(note, str) else "")


def parse_problem(body: bytes) -> dict[str, Any]:
    """The problem (RFC 9457) in an answer, cut to what may be kept; empty if there is none."""
    try:
        return _problem(_object(body))
    except MalformedError:
        return {}


def checked_head(note: str, policy: Accepts | None, seen: Seen | None) -> Checkpoint:
    """The head of a note that may follow the one that was seen before.

    Without a policy nobody's signature is checked.

    Raises:
        MalformedError, SignatureError: the policy does not accept it.
        InconsistencyError: it is of another history, or of a shorter one.
    """
    if policy is None:
        checkpoint = Checkpoint.parse(SignedNote.parse(note).text)
    else:
        checkpoint = policy.check(note)
    if seen is None:
        return checkpoint
    before = seen.checkpoint
    if checkpoint.origin != before.origin:
        raise VerificationError("the ledger answers for another log than before")
    if checkpoint.size < before.size:
        raise InconsistencyError(
            "the ledger shows fewer entries than before", older=seen.note, newer=note
        )
    if checkpoint.size == before.size and checkpoint.root_hash != before.root_hash:
        raise InconsistencyError(
            "the ledger shows other entries than before", older=seen.note, newer=note
        )
    return checkpoint


def checked_results(
    sent: Sequence[Item], answer: BatchAnswer, source: str, checkpoint: Checkpoint
) -> Iterator[Receipt | Refusal]:
    """What became of each decision, in order: its verified receipt, or why it was refused.

    `checkpoint` is the accepted head of the answer's note.

    Raises:
        VerificationError: a receipt proves nothing, or something else.
    """
    for item, result in zip(sent, answer.results, strict=True):
        if not isinstance(result, Placed):
            yield Refusal(item.decision, result)
            continue
        verify_inclusion(
            result.index, checkpoint.size, leaf_hash(result.entry), result.proof,
            checkpoint.root_hash,
        )  # fmt: skip
        _check_entry(item, result, source)
        yield Receipt(result.entry, result.index, result.proof, answer.note)


def _check_entry(item: Item, placed: Placed, source: str) -> None:
    try:
        entry = parse_entry(placed.entry)
    except MalformedError as error:
        raise VerificationError(f"what was logged is not an entry: {error}") from error
    body, sent = entry.body, item.decision
    if entry.seq != placed.index:
        raise VerificationError("the entry says that it stands elsewhere in the log")
    if not isinstance(body, Decision) or {entry.id, placed.id} != {sent.id}:
        raise VerificationError("the receipt is of another entry than the decision's")
    if (body.source.id, body.source.seq) != (source, sent.seq):
        raise VerificationError("the entry has another source or counter than was sent")


def _result(value: object) -> Placed | dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError("answer: a result is not an object")
    status = value.get("status")
    if status == "refused":
        problem = value.get("problem")
        return _problem(problem if isinstance(problem, dict) else {})
    if status not in ("recorded", "duplicate"):
        raise MalformedError("answer: a result without a known status")
    if "entry" not in value or "proof" not in value:
        raise UnsupportedAnswer("the ledger sends no receipts for a batch")
    identifier, index, entry, proof = (value.get(n) for n in ("id", "seq", "entry", "proof"))
    if not isinstance(identifier, str) or type(index) is not int or not isinstance(entry, str):
        raise MalformedError("answer: a result is not well formed")
    if not isinstance(proof, list) or len(proof) > MAX_PROOF_HASHES:
        raise MalformedError("answer: a proof is not a short list")
    hashes = tuple(decode_base64(each) if isinstance(each, str) else b"" for each in proof)
    return Placed(identifier, status, index, decode_base64(entry), hashes)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)  # its shape is checked member by member, its size before
    except (ValueError, RecursionError) as error:
        raise MalformedError("answer: not a JSON text") from error
    if not isinstance(document, dict):
        raise MalformedError("answer: not an object")
    return document


def _problem(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that may be kept, without control characters; never what was sent."""
    told: dict[str, Any] = {}
    for name in _PROBLEM_TEXTS:
        value = document.get(name)
        if isinstance(value, str):
            told[name] = "".join(each for each in value[:MAX_TEXT] if each.isprintable())
    status = document.get("status")
    if type(status) is int and 0 <= status < 1_000:  # noqa: PLR2004  # HTTP's three digits
        told["status"] = status
    return told
