"""Cosignatures for a log's newest checkpoint, from the witnesses of a trust policy.

The client's side of c2sp.org/tlog-witness. Every witness is asked at once, and one that
is down, slow or wrong does not stop the others. A witness that has seen *more* of this
log than the log itself has, or other entries, does stop everything: then either this
ledger was rolled back, or somebody signs a second history with its keys.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ledger.errors import (
    ForkSuspected,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    SignatureError,
)
from ledger.operate.checkpoint_lock import MAX_NOTE_BYTES, CheckpointLock
from ledger.operate.published_log import PublishedLog
from ledger.operate.witness_exchange import Answer, NoAnswer, post
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note, verify_signature
from ledger.tlog.note import MAX_SIGNATURES, NoteSignature, SignedNote, VerifierKey
from ledger.tlog.policy import Log, Policy
from ledger.tlog.witness_request import SIZE_TYPE, AddCheckpoint, parse_size_answer

__all__ = ["Gathered", "Post", "Said", "gather", "keep"]

Post = Callable[[str, bytes], Answer]
"""(address, body) -> answer; raises NoAnswer."""

MAX_ROUNDS: Final = 4  # requests to one witness: it may be behind, and others ask it as well
MAX_AT_ONCE: Final = 16  # witnesses asked at the same time

_REFUSALS: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "it could not read the request",
    HTTPStatus.FORBIDDEN: "it trusts none of the log's keys",
    HTTPStatus.NOT_FOUND: "it does not know this log",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What one witness said: its verified cosignatures, or in `trouble` why there are none."""

    url: str
    cosignatures: tuple[NoteSignature, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The checkpoint that was shown to the witnesses, and what came of it.

    Attributes:
        checkpoint: the log's newest when the witnesses were asked.
        note: as the log signed it, with the cosignatures after that.
        said: what each witness said, in the order of the policy.
        accepted: whether `note` has a cosignature, and the policy's quorum accepts it.
    """

    checkpoint: Checkpoint
    note: str
    said: tuple[Said, ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class _Door:
    """One witness: an address, and the keys that the policy knows it by."""

    url: str
    keys: tuple[VerifierKey, ...]


def gather(
    log: PublishedLog, keys: Sequence[VerifierKey], policy: Policy, *, ask: Post = post
) -> Gathered:
    """Show the log's newest checkpoint to each witness of `policy` that has an address.

    Args:
        log: the log; its store gives the consistency proofs.
        keys: the log's own verifier keys.
        policy: witnesses and quorum; its log lines play no part.
        ask: how a witness is asked.

    Raises:
        ForkSuspected: a witness, or a checkpoint that witnesses cosigned before, knows
            more of the log than the log itself, or other entries. Stop the service.
        VerificationError: the stored tiles do not give the signed root.
        NotFoundError: the policy gives no witness's address.
    """
    doors = _doors(policy)
    if not doors:
        raise NotFoundError("cosign: the policy gives no witness with an address")
    own = SignedNote.parse(log.own_checkpoint())
    checkpoint = Checkpoint.parse(open_note(own.format(), keys).text)
    before = _cosigned_before(log, keys)
    asking = _Asking(log, own, checkpoint, ask)
    with ThreadPoolExecutor(max_workers=MAX_AT_ONCE) as pool:
        futures = [pool.submit(asking.witness, door, _start(before, door)) for door in doors]
    said = tuple(future.result() for future in futures)
    kept = before.signatures if before is not None and before.text == own.text else ()
    note = _with_cosignatures(own, kept, said, policy)
    accepted = note != own.format() and _accepts(policy, keys, note)
    return Gathered(checkpoint, note, said, accepted)


def keep(gathered: Gathered, cosigned: CheckpointLock) -> None:
    """Put a cosigned checkpoint where `PublishedLog` finds it, unless a larger one is there.

    Raises:
        RefusedError: it cannot be written, or is too long.
    """
    if len(gathered.note.encode()) > MAX_NOTE_BYTES:
        raise RefusedError("cosign: more cosignatures than a checkpoint may have")
    with cosigned.held():
        try:
            stored = cosigned.read()
        except NotFoundError:
            cosigned.create(gathered.note)
            return
        if _size(stored) <= gathered.checkpoint.size:
            cosigned.swap(stored, gathered.note)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One checkpoint, shown to one witness after another."""

    log: PublishedLog
    own: SignedNote
    checkpoint: Checkpoint
    ask: Post

    def witness(self, door: _Door, old_size: int) -> Said:
        """What the witness said; its troubles are words, suspicion of a fork is raised."""
        for _ in range(MAX_ROUNDS):
            heard = self._round(door, old_size)
            if isinstance(heard, Said):
                return heard
            old_size = heard
        return Said(door.url, trouble="it kept changing its mind about the size")

    def _round(self, door: _Door, old_size: int) -> Said | int:
        """What the witness said to a proof from `old_size`, or the size to start from instead."""
        proof = self.log.growth(old_size, self.checkpoint)
        body = AddCheckpoint(old_size, proof, self.own).format()
        try:
            answer = self.ask(f"{door.url.rstrip('/')}/add-checkpoint", body)
            if answer.status == HTTPStatus.OK:
                return Said(door.url, self._cosignatures(answer.body, door.keys))
            if answer.status != HTTPStatus.CONFLICT or answer.media_type != SIZE_TYPE:
                return Said(door.url, trouble=self._trouble(door, old_size, answer.status))
            size = parse_size_answer(answer.body)
            if size > self.checkpoint.size:
                return Said(door.url, trouble=self._ahead(door, size))
        except (NoAnswer, MalformedError, SignatureError) as error:
            return Said(door.url, trouble=str(error))
        return size

    def _ahead(self, door: _Door, size: int) -> str:
        now = self.log.size()
        if size <= now:
            return "it has cosigned a newer checkpoint meanwhile"
        raise ForkSuspected(
            f"FORK SUSPECTED: the witness at {door.url} has cosigned {size} entries of"
            f" {self.checkpoint.origin}, but this ledger has {now}."
            " It was rolled back, or somebody else signs with its keys: stop the service",
            size=size,
            origin=self.checkpoint.origin,
        )

    def _trouble(self, door: _Door, old_size: int, status: int) -> str:
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:  # our proof is checked before it is sent
            raise ForkSuspected(
                f"FORK SUSPECTED: the witness at {door.url} has cosigned {old_size} entries of"
                f" {self.checkpoint.origin} that are not the first {old_size} of this ledger:"
                " stop the service",
                size=old_size,
                origin=self.checkpoint.origin,
            )
        return _REFUSALS.get(status, f"it answered with status {status}")

    def _cosignatures(self, body: bytes, keys: Sequence[VerifierKey]) -> tuple[NoteSignature, ...]:
        """The cosignatures of these keys in an answer, verified; others are ignored."""
        try:
            together = SignedNote.parse(self.own.format() + body.decode())
        except UnicodeDecodeError as error:
            raise MalformedError("its answer is not lines of signatures") from error
        known = {(key.name, key.key_id): key for key in keys}
        found: dict[VerifierKey, NoteSignature] = {}
        for each in together.signatures[len(self.own.signatures) :]:
            key = known.get((each.name, each.key_id))
            if key is not None:
                # A cosignature without its time says nothing of the newest tree.
                if not verify_signature(key, self.own.text, each.signature):
                    raise SignatureError("its cosignature has no time")
                found[key] = each
        if not found:
            raise SignatureError("it sent no cosignature of a key in the policy")
        return tuple(found.values())


def _doors(policy: Policy) -> tuple[_Door, ...]:
    keys: dict[str, list[VerifierKey]] = {}
    for witness in policy.witnesses:
        if witness.url:
            keys.setdefault(witness.url, []).append(witness.key)
    return tuple(_Door(url, tuple(each)) for url, each in keys.items())


def _cosigned_before(log: PublishedLog, keys: Sequence[VerifierKey]) -> SignedNote | None:
    """The checkpoint that was cosigned last, if one is kept and this log signed it.

    Raises:
        ForkSuspected: it is larger than the log.
    """
    text = log.cosigned_checkpoint()
    if text is None:
        return None
    try:
        checkpoint = Checkpoint.parse(open_note(text, keys).text)
    except LedgerError:
        return None  # not ours or damaged: it is replaced
    if checkpoint.size > log.size():
        raise ForkSuspected(
            f"FORK SUSPECTED: {checkpoint.size} entries of {checkpoint.origin} were cosigned,"
            f" but this ledger has {log.size()}. It was rolled back: stop the service",
            size=checkpoint.size,
            origin=checkpoint.origin,
            notes=(text, log.own_checkpoint()),
        )
    return SignedNote.parse(text)


def _start(before: SignedNote | None, door: _Door) -> int:
    """The size that a witness has probably seen; it corrects us if it has not."""
    ids = {key.key_id for key in door.keys}
    if before is None or not any(each.key_id in ids for each in before.signatures):
        return 0
    return Checkpoint.parse(before.text).size


def _with_cosignatures(
    own: SignedNote, kept: Sequence[NoteSignature], said: Sequence[Said], policy: Policy
) -> str:
    """The note as it was signed, then one cosignature of each witness key: the newest."""
    new = [each for one in said for each in one.cosignatures]
    found: list[NoteSignature] = []
    for witness in policy.witnesses:
        key = witness.key
        mine = [s for s in (*new, *kept) if (s.name, s.key_id) == (key.name, key.key_id)]
        found += [s for s in mine[:1] if s in new or _verifies(key, own.text, s)]
    signatures = (*own.signatures, *found)
    if len(signatures) > MAX_SIGNATURES:
        raise RefusedError("cosign: more cosignatures than a checkpoint may have")
    return SignedNote(own.text, signatures).format()


def _verifies(key: VerifierKey, text: str, signature: NoteSignature) -> bool:
    try:
        verify_signature(key, text, signature.signature)
    except SignatureError:
        return False
    return True


def _accepts(policy: Policy, keys: Sequence[VerifierKey], note: str) -> bool:
    """Whether the policy's quorum is reached, whichever logs it lists."""
    ours = Policy(tuple(map(Log, keys)), policy.witnesses, policy.groups, policy.quorum)
    try:
        ours.check(note)
    except SignatureError:
        return False
    return True


def _size(note: str) -> int:
    """The size of a kept checkpoint, -1 if it cannot be read."""
    try:
        return Checkpoint.parse(SignedNote.parse(note).text).size
    except MalformedError:
        return -1
