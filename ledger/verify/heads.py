"""Compares every signed checkpoint of a log with the tree of its entries.

Checkpoints come by rising size while the entries are read, so each is compared at
the moment the tree has its size, and none is kept. Keys that the entries put in force
are believed once a checkpoint over those entries is: `docs/formats.md` §10, Keys.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import Opened, open_note
from ledger.tlog.note import SignedNote, VerifierKey
from ledger.tlog.policy import Policy
from ledger.verify.findings import Code, Findings
from ledger.verify.key_history import KeyHistory
from ledger.verify.reader import LogReader, StoredCheckpoint
from ledger.verify.tree_walk import TreeWalk


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint to compare.

    Attributes:
        size: the size it is filed under.
        note: the signed note.
        where: where it is from, in words.
        newest: True for the newest stored one.
        kept: True for one that was kept elsewhere.
        dated: True for one that lies among the timestamps.
    """

    size: int
    note: str
    where: str
    newest: bool = False
    kept: bool = False
    dated: bool = False


@dataclass(frozen=True, slots=True)
class _Signed:
    """A checkpoint and those known keys whose signatures under it were verified."""

    checkpoint: Checkpoint
    opened: Opened
    keys: frozenset[VerifierKey]


@dataclass(slots=True)
class _Waiting:
    """Checkpoints signed by keys that only the entries name: for a later one to decide."""

    where: str = ""
    size: int = 0
    count: int = 0


def kept_elsewhere(note: str, policy: Policy) -> Checkpoint:
    """The checkpoint of a note that somebody kept.

    If no key of the policy's logs signed it, it may be older than a rotation of the log's
    keys: whether the log leads from one to the other is for :class:`Heads` to say.

    Raises:
        MalformedError: not a signed checkpoint.
        SignatureError: the policy does not accept it.
    """
    if names_its_key(note, policy):
        return policy.check(note)
    return Checkpoint.parse(SignedNote.parse(note).text)


def names_its_key(note: str, policy: Policy) -> bool:
    """Whether a note has a line of a log's key in the policy, right or wrong.

    Raises:
        MalformedError: not a signed note.
    """
    lines = {(each.name, each.key_id) for each in SignedNote.parse(note).signatures}
    return any((log.key.name, log.key.key_id) in lines for log in policy.logs)


class Heads:
    """The checkpoints of one log while it is being read.

    Attributes:
        keys: which keys the entries say may sign.
        newest: the newest stored checkpoint, if the policy accepts it.
        newest_note: the same, as it was signed.
        compared: how many signed roots were compared with the entries.
        located: True if the stored tiles lead to the newest signed root.
        unverified: how many checkpoints before the newest are signed by keys that neither
            the policy nor an entry names, so that only their roots were compared.
        strange: why a checkpoint that was kept elsewhere counts for nothing; "" if none does.
    """

    def __init__(
        self,
        reader: LogReader,
        policy: Policy,
        known: Iterable[Head],
        findings: Findings,
        stamped: Iterable[Head] = (),  # by rising size: there may be more than fit in memory
    ) -> None:
        self._origin = reader.origin
        self._policy = policy
        self._findings = findings
        self.keys = KeyHistory(reader.origin, policy, findings)
        stored, known = _stored(reader), sorted(known, key=_size)
        self._heads = heapq.merge(stored, known, stamped, key=_size)
        self._next = next(self._heads, None)
        self._fits = 0  # the size of the largest checkpoint so far that fits
        self._differ: list[int] = []  # since then: the first and the last size that does not
        self._promised = 0  # the largest size that was signed
        self._waiting = _Waiting()
        self._older = False  # a stored checkpoint was seen that is not the newest
        self.newest: Checkpoint | None = None
        self.newest_note: str | None = None
        self.compared = 0
        self.located = False
        self.unverified = 0
        self.strange = ""

    @property
    def due(self) -> int | None:
        """The size of the checkpoint that is compared next, or None if there is none left."""
        return None if self._next is None else self._next.size

    def compare(self, walk: TreeWalk) -> None:
        """Compare the checkpoints up to the size that the tree has now."""
        while self._next is not None and self._next.size <= walk.size:
            self._head(self._next, walk)
            self._next = next(self._heads, None)

    def finish(self, reader: LogReader, walk: TreeWalk) -> None:
        """Look at the checkpoints beyond the last entry, and sum up."""
        while self._next is not None:
            self._head(self._next, walk)
            self._next = next(self._heads, None)
        if self._differ:
            self._root_differs()
        self._undecided()
        if self._promised > walk.size:
            detail = f"missing; a signed checkpoint says that there are {self._promised} entries"
            self._findings.add(Code.ENTRY_MISSING, walk.size, detail, self._promised - 1)
        if self.newest is None:
            detail = "it stores no newest checkpoint that the policy accepts"
            self._findings.add(Code.CHECKPOINT_MISSING, None, detail)
            return
        signed = self.newest.size
        if signed != reader.size:
            detail = f"it says it has {reader.size} entries, its newest checkpoint {signed}"
            self._findings.add(Code.HEAD_DIFFERS, None, detail)
        if signed < walk.size:
            detail = "no stored checkpoint covers it"
            self._findings.add(Code.ENTRY_UNSIGNED, signed, detail, walk.size - 1)

    def _head(self, head: Head, walk: TreeWalk) -> None:
        try:
            signed = self._opened(head)
            self._judge(head, signed, walk)
        except (MalformedError, SignatureError) as error:
            detail = f"{head.where} of size {head.size} is refused: {error}"
            if head.kept and not names_its_key(head.note, self._policy):
                self.strange = detail  # a wrong file is no finding about the log
            else:
                self._findings.add(Code.CHECKPOINT_REFUSED, None, detail)
        self._older = self._older or not (head.newest or head.kept or head.dated)

    def _opened(self, head: Head) -> _Signed:
        """The checkpoint, and the log's keys that signed it; others may have as well.

        Raises:
            MalformedError: not a checkpoint of this log and size.
            SignatureError: the signature of a known key fails.
        """
        known = self.keys.candidates
        if head.newest or head.kept:
            # Checkpoints before the newest may never have been published, so no witness
            # need have seen them: the log's own signature is what counts.
            known |= {each.key for each in self._policy.witnesses}
        note = SignedNote.parse(head.note)
        names = {(each.name, each.key_id) for each in note.signatures}
        there = [key for key in known if (key.name, key.key_id) in names]
        opened = open_note(head.note, there) if there else Opened(note.text, ())
        checkpoint = Checkpoint.parse(opened.text)
        if checkpoint.origin != self._origin:
            raise MalformedError("it is of another log")
        if checkpoint.size != head.size:
            raise MalformedError(f"it says {checkpoint.size} entries")
        keys = frozenset(each.key for each in opened.signatures) & self.keys.candidates
        return _Signed(checkpoint, opened, frozenset(k for k in keys if k.name == self._origin))

    def _judge(self, head: Head, signed: _Signed, walk: TreeWalk) -> None:
        """Believe a checkpoint, leave it to a later one, or report it.

        Raises:
            SignatureError: not all keys signed that have to, or the quorum is not reached.
        """
        checkpoint, keys = signed.checkpoint, self.keys
        derived = walk.derived if checkpoint.size == walk.size else None
        fits = derived is not None and derived.root() == checkpoint.root_hash
        rotation = keys.retired(signed.keys, checkpoint.size, fits=fits)
        if rotation is not None:
            detail = (
                f"{head.where} of size {checkpoint.size} is signed by keys alone that entry"
                f" {rotation.index} retired" + ("" if fits else ", and fits these entries not")
            )
            self._findings.add(Code.KEY_RETIRED, None, detail)
            return
        if fits and keys.in_force and signed.keys and keys.lacks(signed.keys):
            raise SignatureError(f"not all keys signed that entry {keys.since} puts in force")
        if head.newest or head.kept:
            self._policy.check_quorum(signed.opened)
        if keys.believes(signed.keys):
            self._believe(head, checkpoint, walk, fits=fits)
        elif derived is not None and keys.says(signed.keys):
            self._wait(head)
        elif fits and not keys.in_force and not (signed.keys or head.newest or head.kept):
            self.unverified += 1
        else:
            raise SignatureError("no key that the policy leads to signed it")
        if derived is not None:
            self.compared += 1
            self._compare_root(checkpoint, fits=fits)
        if fits:
            first = self._older and not (head.kept or head.dated)
            keys.covered(checkpoint.size, signed.keys, first=first)

    def _believe(self, head: Head, checkpoint: Checkpoint, walk: TreeWalk, *, fits: bool) -> None:
        self._promised = max(self._promised, checkpoint.size)
        if head.newest:
            self.newest, self.newest_note = checkpoint, head.note
            stated = walk.stated if checkpoint.size == walk.size else None
            self.located = stated is not None and stated.root() == checkpoint.root_hash
        if fits:
            # This tree holds the entries that name the keys of those before.
            self.keys.believe()
            self._waiting = _Waiting()

    def _wait(self, head: Head) -> None:
        waiting = self._waiting
        if not waiting.count:
            waiting.where, waiting.size = head.where, head.size
        waiting.count += 1

    def _undecided(self) -> None:
        """Refuse the checkpoints that no later one led to."""
        waiting = self._waiting
        if not waiting.count:
            return
        more = f" (and {waiting.count - 1:,} more after it)" if waiting.count > 1 else ""
        detail = (
            f"{waiting.where} of size {waiting.size}{more} is refused: no key that the"
            " policy leads to signed it"
        )
        self._findings.add(Code.CHECKPOINT_REFUSED, None, detail)

    def _compare_root(self, checkpoint: Checkpoint, *, fits: bool) -> None:
        if not fits:
            if checkpoint.size == self._fits:
                # Two roots were signed for one size, and this tree's was the other.
                self._forked(checkpoint.size, checkpoint.size)
            else:
                self._differ = [*self._differ[:1], checkpoint.size]
            return
        if self._differ:
            # An older root is not this tree's, a newer one is: no history has both.
            self._forked(self._differ[0], checkpoint.size)
        self._fits, self._differ = checkpoint.size, []

    def _forked(self, differs: int, fits: int) -> None:
        self._findings.add(
            Code.CHECKPOINT_FORKED,
            None,
            f"a signed checkpoint of size {differs} has a root that these entries never had, "
            f"though the checkpoint of size {fits} fits: two histories were signed",
        )

    def _root_differs(self) -> None:
        first = self._differ[0]
        detail = f"the signed checkpoint of size {first} has another root than these bytes give"
        if self._fits:
            detail += f", that of size {self._fits} still fits: the first difference is in between"
        self._findings.add(Code.ROOT_DIFFERS, self._fits, detail, first - 1)


def _size(head: Head) -> int:
    return head.size


def _stored(reader: LogReader) -> Iterator[Head]:
    before: StoredCheckpoint | None = None
    for stored in reader.checkpoints():
        if before is not None:
            yield Head(before.size, before.note, "the stored checkpoint")
        before = stored
    if before is not None:
        yield Head(before.size, before.note, "the newest stored checkpoint", newest=True)
