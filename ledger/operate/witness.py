"""A witness: cosigns a log's checkpoint if it grew out of the last one it cosigned.

The server's side of c2sp.org/tlog-witness without the HTTP around it. Whoever trusts a
witness need not trust the log's operator not to show two histories. A witness needs
neither a database nor any entry: it keeps one small file for each log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    RootMismatchError,
    SizeConflict,
)
from ledger.operate.keys import LogKeys
from ledger.operate.witness_state import WitnessState
from ledger.private_files import write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import EMPTY_ROOT, verify_consistency
from ledger.tlog.note import (
    NoteSignature,
    SignedNote,
    VerifierKey,
    check_name,
)
from ledger.tlog.policy import Group, Log, Policy
from ledger.tlog.policy import Witness as PolicyWitness
from ledger.tlog.witness_request import AddCheckpoint

__all__ = ["Clock", "Seen", "Witness", "found_witness", "read_policy"]

Clock = Callable[[], datetime]
"""The time now, aware, in UTC."""

MAX_POLICY_BYTES: Final = 4_000_000  # `witness.txt` is read whole; each character has up to 4
_POLICY_FILE: Final = "witness.txt"
_KEYS: Final = "keys"


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a log stood when it was last cosigned.

    Attributes:
        origin: the log.
        checkpoint: the newest cosigned one, None if it never was cosigned.
        at: when it was cosigned, in seconds since the epoch.
        fork: two signed checkpoints that no history explains, or None.
    """

    origin: str
    checkpoint: Checkpoint | None
    at: int | None
    fork: str | None


@dataclass(frozen=True, slots=True)
class _Record:
    """A log's record as it was read, its own cosignatures verified."""

    note: str | None
    checkpoint: Checkpoint
    at: int


class Witness:
    """One witness, taken up. Safe to share between threads; processes take turns."""

    def __init__(
        self, keys: LogKeys, logs: Sequence[Log], state: WitnessState, clock: Clock
    ) -> None:
        """A witness of these logs, each known by one or more keys under its origin."""
        self._keys = keys
        self._own = tuple(signer.verifier_key for signer in keys.cosigners(1))
        trusted: dict[str, list[VerifierKey]] = {}
        for log in logs:
            trusted.setdefault(log.key.name, []).append(log.key)
        self._trusted: Mapping[str, Sequence[VerifierKey]] = trusted
        self._state = state
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, clock: Clock, passphrase: bytes | None = None) -> Self:
        """Take up the witness that `found_witness` made.

        Raises:
            NotFoundError: there is none.
            MalformedError: `witness.txt` is not a trust policy.
            RefusedError: its keys are not those that `witness.txt` names, or do not open.
        """
        policy = read_policy(directory)
        if not policy.witnesses:
            raise RefusedError("witness: witness.txt names no witness")
        name = policy.witnesses[0].key.name
        witness = cls(
            LogKeys.load(directory / _KEYS, name, passphrase),
            policy.logs,
            WitnessState(directory),
            clock,
        )
        if {each.key for each in policy.witnesses} != set(witness.verifier_keys):
            raise RefusedError("witness: its keys are not those that witness.txt names")
        return witness

    @property
    def name(self) -> str:
        """The name in its cosignatures."""
        return self._keys.origin

    @property
    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """Its public keys: Ed25519 (0x04), then ML-DSA-44 (0x06)."""
        return self._own

    def add_checkpoint(self, body: bytes) -> str:
        """Cosign the checkpoint of a request; return the signature lines.

        The record is durable before this returns. A log that is known and signed two heads
        of one size is remembered as a fork, whatever the answer is.

        Raises:
            MalformedError: not such a request, or the old size exceeds the checkpoint's.
            NotFoundError: the log is not known.
            SignatureError: no trusted key signed, or a trusted key's signature fails.
            SizeConflict: the latest cosigned checkpoint has another size than the old one.
            VerificationError: nothing shows that the log grew out of the latest one.
            RefusedError: the witness itself cannot go on: its record or its clock is wrong.
        """
        request = AddCheckpoint.parse(body)
        checkpoint = _checkpoint(request.note.text)
        trusted = self._trusted.get(checkpoint.origin)
        if trusted is None:
            raise NotFoundError("witness: this log is not known here")
        signatures = _verified(request.note, trusted)
        if request.old_size > checkpoint.size:
            raise MalformedError("add-checkpoint: the old size exceeds the checkpoint's")
        with self._state.held(checkpoint.origin):
            record = self._record(checkpoint.origin)
            self._remember_fork(record, checkpoint, SignedNote(request.note.text, signatures))
            if record.checkpoint.size != request.old_size:
                size = record.checkpoint.size
                raise SizeConflict("witness: the latest checkpoint has another size", size=size)
            verify_consistency(
                request.old_size,
                checkpoint.size,
                record.checkpoint.root_hash,
                checkpoint.root_hash,
                request.proof,
            )
            return self._cosign(record, request.note.text, signatures)

    def checkpoint(self, origin: str) -> str:
        """The newest cosigned checkpoint of a log, with the log's signatures and ours.

        Raises:
            NotFoundError: the log is not known, or never was cosigned.
        """
        note = self._state.latest(origin) if origin in self._trusted else None
        if note is None:
            raise NotFoundError("witness: nothing of this log was cosigned here")
        return note

    def seen(self) -> tuple[Seen, ...]:
        """Where each log stands, in the order of `witness.txt`.

        Raises:
            RefusedError: a record is not one that this witness wrote.
        """
        found = []
        for origin in self._trusted:
            record, fork = self._record(origin), self._state.fork(origin)
            never = record.note is None
            checkpoint, at = (None, None) if never else (record.checkpoint, record.at)
            found.append(Seen(origin, checkpoint, at, fork))
        return tuple(found)

    def _record(self, origin: str) -> _Record:
        note = self._state.latest(origin)
        if note is None:
            return _Record(None, Checkpoint(origin, 0, EMPTY_ROOT), 0)
        try:
            opened = open_note(note, self._own)
            checkpoint = Checkpoint.parse(opened.text)
        except LedgerError as error:
            raise RefusedError("witness: its record is not one that it wrote") from error
        if checkpoint.origin != origin:
            raise RefusedError("witness: its record is another log's")
        return _Record(note, checkpoint, max(each.timestamp or 0 for each in opened.signatures))

    def _remember_fork(self, record: _Record, checkpoint: Checkpoint, note: SignedNote) -> None:
        latest = record.checkpoint
        differ = latest.size == checkpoint.size and latest.root_hash != checkpoint.root_hash
        if record.note is not None and differ:
            self._state.keep_fork(latest.origin, record.note, note.format())

    def _cosign(self, record: _Record, text: str, signatures: tuple[NoteSignature, ...]) -> str:
        now = int(self._clock().timestamp())
        if now <= 0 or now < record.at:
            # "As of now this is the largest tree" would contradict what was said before.
            raise RefusedError("witness: the clock went backwards; nothing is cosigned")
        own = []
        for signer in self._keys.cosigners(now):
            key = signer.verifier_key
            own.append(NoteSignature(key.name, key.key_id, signer.sign(text)))
        note = SignedNote(text, (*signatures, *own)).format()
        self._state.keep(record.checkpoint.origin, record.note, note)
        return "".join(each.line() for each in own)


def found_witness(
    directory: Path, name: str, logs: Sequence[Log], url: str, passphrase: bytes | None = None
) -> Policy:
    """Make a witness: keys, and `witness.txt` with the logs and the witness's own lines.

    Returns the policy in that file, which accepts a checkpoint that this witness cosigned.

    Raises:
        ConflictError: there is one already; nothing was changed.
        MalformedError: the name or the address cannot stand in a policy, or there is no log.
    """
    if not logs:
        raise MalformedError("witness: the policy names no log")
    if (directory / _POLICY_FILE).exists():
        raise ConflictError("witness: there is one already")
    check_name(name)  # before anything is written
    # Founding that was cut short before `witness.txt` is taken up with the keys it made.
    make = LogKeys.load if (directory / _KEYS).exists() else LogKeys.generate
    keys = make(directory / _KEYS, name, passphrase)
    parts = ("ed25519", "ml-dsa-44")
    listed = tuple(
        PolicyWitness(f"{name}-{part}", signer.verifier_key, url)
        for part, signer in zip(parts, keys.cosigners(1), strict=True)
    )
    group = Group(name, 1, tuple(each.name for each in listed))
    policy = Policy(tuple(Log(log.key) for log in logs), listed, (group,), name)
    write_new(directory / _POLICY_FILE, policy.format().encode())
    return policy


def read_policy(directory: Path) -> Policy:
    """The logs that a witness trusts, and its own lines.

    Raises:
        NotFoundError: there is no witness.
        MalformedError: not a trust policy.
    """
    try:
        with (directory / _POLICY_FILE).open("rb") as file:
            text = file.read(MAX_POLICY_BYTES).decode()
    except FileNotFoundError:
        raise NotFoundError(
            "there is no witness here; make one with: decision-ledger witness init"
        ) from None
    except UnicodeDecodeError as error:
        raise MalformedError("witness: witness.txt is not UTF-8") from error
    return Policy.parse(text)


def _verified(note: SignedNote, keys: Sequence[VerifierKey]) -> tuple[NoteSignature, ...]:
    """The signatures of trusted keys, one of each key, all verified."""
    open_note(note.format(), keys)
    known = {(key.name, key.key_id) for key in keys}
    found = {
        (each.name, each.key_id): each
        for each in note.signatures
        if (each.name, each.key_id) in known
    }
    return tuple(found.values())


def _checkpoint(text: str) -> Checkpoint:
    """The checkpoint of a note's text.

    Raises:
        MalformedError: not a checkpoint of three lines.
        RootMismatchError: it is in form, but no empty tree has this root.
    """
    try:
        return Checkpoint.parse(text)
    except MalformedError:
        lines = text.split("\n")
        if lines[1:2] != ["0"]:
            raise
        Checkpoint.parse("\n".join((lines[0], "1", *lines[2:])))  # was the size the only fault?
        raise RootMismatchError("checkpoint: an empty tree with another tree's root") from None
