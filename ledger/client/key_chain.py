"""The keys that a policy's keys lead to, through rotations of a log's keys.

A rotation is kept as the receipt of its entry, under a head that all old and all new keys
signed. It is believed as an audit believes it (`docs/formats.md` §10, Keys), from the policy
on and anew each time, so that whoever writes to the files of a spool adds no key. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ledger.entries import LogKeyRotated, parse_entry
from ledger.errors import LedgerError, MalformedError, SignatureError, VerificationError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import SignedNote, VerifierKey
from ledger.tlog.policy import Log, Policy
from ledger.tlog.proof import Receipt
from ledger.verify.findings import Findings
from ledger.verify.key_history import KeptKeys, KeyHistory, Rotation

__all__ = ["MAX_FOLLOWED", "KeyChain", "follow"]

MAX_FOLLOWED: Final = 32  # rotations: by then a client should have been given another policy

_Line = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class KeyChain:
    """A policy, and the rotations that it leads through.

    Attributes:
        policy: as it was given.
        receipts: of the rotations' entries, by rising index.
        rotations: what they say.
    """

    policy: Policy
    receipts: tuple[Receipt, ...] = ()
    rotations: tuple[Rotation, ...] = ()

    @property
    def followed(self) -> int:
        """How many rotations put keys in force of which the policy names none."""
        named = {log.key for log in self.policy.logs}
        return sum(named.isdisjoint(each.new) for each in self.rotations)

    def knows(self, note: str) -> bool:
        """Whether a note has a line of a log's key that is known, right or wrong.

        Raises:
            MalformedError: not a signed note.
        """
        return bool(_lines(note) & self._known())

    def strange(self, note: str) -> frozenset[_Line]:
        """The lines of a head in the log's own name that no known key explains.

        Raises:
            MalformedError: not a signed head.
        """
        origin = Checkpoint.parse(SignedNote.parse(note).text).origin
        return frozenset(each for each in _lines(note) - self._known() if each[0] == origin)

    def check(self, note: str) -> Checkpoint:
        """The checkpoint of a note that the policy accepts, or that its keys lead to.

        Raises:
            MalformedError: not a signed checkpoint.
            SignatureError: not accepted, or by keys alone that a rotation took out of force.
        """
        logs = {log.key.public_key: log for log in self.policy.logs}
        for rotation in self.rotations:
            logs |= {key.public_key: Log(key) for key in rotation.new if key.public_key not in logs}
        checkpoint = replace(self.policy, logs=tuple(logs.values())).check(note)
        # Every known line was verified just now, so that it is enough to see that one is there.
        for rotation in reversed(self.rotations):
            if rotation.new[0].name == checkpoint.origin and rotation.index < checkpoint.size:
                if not {_line(key) for key in rotation.new} <= _lines(note):
                    raise SignatureError(
                        f"head: not all keys signed that entry {rotation.index} puts in force"
                    )
                break
        return checkpoint

    def _known(self) -> set[_Line]:
        keys = {log.key for log in self.policy.logs}
        return {_line(key) for key in keys.union(*(each.new for each in self.rotations))}


def follow(policy: Policy, receipts: Iterable[Receipt]) -> KeyChain:
    """The chain of those rotations that can be believed one after the other, without the others."""
    chain = KeyChain(policy)
    for receipt in sorted(receipts, key=lambda each: each.index):
        if len(chain.receipts) == MAX_FOLLOWED:
            break
        longer = (*chain.receipts, receipt)
        try:
            chain = KeyChain(policy, longer, _rotations(policy, longer))
        except LedgerError:
            continue
    return chain


def _rotations(policy: Policy, receipts: Sequence[Receipt]) -> tuple[Rotation, ...]:
    """What the receipts' entries say.

    Raises:
        MalformedError: one is not of a rotation.
        VerificationError: one does not follow, or is not under a head of all its keys.
    """
    findings = Findings()
    origin = Checkpoint.parse(SignedNote.parse(receipts[0].checkpoint_note).text).origin
    history = KeyHistory(origin, policy, findings)
    for receipt in receipts:
        entry = parse_entry(receipt.entry)
        body = entry.body
        if not isinstance(body, LogKeyRotated) or entry.seq != receipt.index:
            raise MalformedError("keys: not the receipt of a rotation")
        if not history.in_force:
            history.resume(KeptKeys(tuple(map(VerifierKey.parse, body.old_vkeys))))
        history.rotated(body, receipt.index)
        opened = open_note(receipt.checkpoint_note, tuple(history.candidates))
        checkpoint = Checkpoint.parse(opened.text)
        receipt.verify_inclusion(checkpoint)
        signed = frozenset(each.key for each in opened.signatures)
        if checkpoint.origin != origin or not history.believes(signed):
            raise SignatureError("keys: nobody who is believed signed the rotation")
        policy.check_quorum(opened)
        history.covered(checkpoint.size, signed, first=True)
        if findings.sorted():
            raise VerificationError(str(findings.sorted()[0]))
        history.believe()
    return tuple(history.rotations)


def _lines(note: str) -> set[_Line]:
    return {(each.name, each.key_id) for each in SignedNote.parse(note).signatures}


def _line(key: VerifierKey) -> _Line:
    return key.name, key.key_id
