"""Checks a COSE receipt (RFC 9942): that its log signed an entry, or grew out of a checkpoint.

The receipt names the log and its key; the key itself comes from the reader's policy. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import ConsistencyProof, CoseReceipt, InclusionProof, LogHeader
from ledger.tlog.note import ED25519, VerifierKey
from ledger.tlog.policy import Policy
from ledger.verify.reader import UnreadableError
from ledger.verify.verifier import VerifiedReceipt, logged_entry

__all__ = [
    "NOT_IN_COSE",
    "VerifiedGrowth",
    "growth_lines",
    "is_growth",
    "verify_cose",
    "verify_cose_growth",
]

NOT_IN_COSE: Final = (
    "witnesses and the log's ML-DSA-44 signature: a COSE receipt carries neither",
)


@dataclass(frozen=True, slots=True)
class VerifiedGrowth:
    """Two heads of one log, the newer of which grew out of the older."""

    older: Checkpoint
    newer: Checkpoint


def is_growth(data: bytes) -> bool:
    """Say whether these bytes are a receipt of consistency, and not of an entry.

    Raises:
        MalformedError: they are no COSE receipt.
    """
    return isinstance(CoseReceipt.decode(data).proof, ConsistencyProof)


def verify_cose(data: bytes, policy: Policy) -> VerifiedReceipt:
    """The entry that a COSE receipt proves to be in a log.

    Raises:
        MalformedError: the bytes are no such receipt, or it does not carry its entry.
        UnreadableError: the policy wants witnesses, whose cosignatures COSE does not carry.
        SignatureError: no key of the policy signed the root that the proof leads to.
        InclusionError: the proof does not fit its sizes.
        VerificationError: the entry is not one that belongs there.
    """
    receipt = CoseReceipt.decode(data)
    if receipt.entry is None or not isinstance(receipt.proof, InclusionProof):
        raise MalformedError("COSE receipt: it does not carry the entry that it proves")
    checkpoint = receipt.verify_entry(receipt.entry, _key(receipt, policy))
    entry = logged_entry(receipt.entry, receipt.proof.index)
    return VerifiedReceipt(entry, receipt.entry, checkpoint)


def verify_cose_growth(data: bytes, older: str, policy: Policy) -> VerifiedGrowth:
    """The heads of a COSE receipt of consistency, which begins at a checkpoint kept elsewhere.

    Raises:
        MalformedError: the bytes are no such receipt, or it begins at another size.
        UnreadableError: the policy wants witnesses, whose cosignatures COSE does not carry.
        SignatureError: the policy does not accept the older checkpoint, or no key of it signed
            the root that the proof leads to.
        InconsistencyError: no history explains both.
    """
    receipt = CoseReceipt.decode(data)
    before = policy.check(older)
    key = _key(receipt, policy)
    if key.name != before.origin:
        raise MalformedError("COSE receipt: it is of another log than the checkpoint")
    return VerifiedGrowth(before, receipt.verify_growth(before, key))


def growth_lines(grown: VerifiedGrowth) -> Iterator[str]:
    """What a receipt of consistency proved, as lines of plain text."""
    yield f"Log         {grown.newer.origin}"
    for name, head in (("Older", grown.older), ("Newer", grown.newer)):
        yield f"{name}       size {head.size:,}, root {head.root_hash.hex()}"
    yield ""
    yield "Checked"
    yield "  - the signatures of both heads, against the policy"
    yield "  - that the older tree is the beginning of the newer one"
    yield "Not checked"
    for line in (*NOT_IN_COSE, "the entries themselves"):
        yield f"  - {line}"
    yield ""
    yield "RESULT: fine. The log grew; nothing of what was signed before was rewritten."


def _key(receipt: CoseReceipt, policy: Policy) -> VerifierKey:
    header = LogHeader.parse(receipt.protected)
    if policy.needs_witnesses:
        raise UnreadableError(
            "this policy asks for witnesses, and a COSE receipt carries no cosignatures: ask for"
            " the .tlog-proof"
        )
    for log in policy.logs:
        if (log.key.kind, log.key.name, log.key.key_id) == (ED25519, header.origin, header.key_id):
            return log.key
    raise SignatureError("COSE receipt: not signed by a log of this policy")
