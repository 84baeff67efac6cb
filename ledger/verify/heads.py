"""Compares every signed checkpoint of a log with the tree of its entries.

Checkpoints come by rising size while the entries are read, so each is compared at
the moment the tree has its size, and none is kept.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.policy import Policy
from ledger.verify.findings import Code, Findings
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
    """

    size: int
    note: str
    where: str
    newest: bool = False


class Heads:
    """The checkpoints of one log while it is being read.

    Attributes:
        newest: the newest stored checkpoint, if the policy accepts it.
        compared: how many signed roots were compared with the entries.
        located: True if the stored tiles lead to the newest signed root.
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
        stored, known = _stored(reader), sorted(known, key=_size)
        self._heads = heapq.merge(stored, known, stamped, key=_size)
        self._next = next(self._heads, None)
        self._fits = 0  # the size of the largest checkpoint so far that fits
        self._differ: list[int] = []  # since then: the first and the last size that does not
        self._promised = 0  # the largest size that was signed
        self.newest: Checkpoint | None = None
        self.compared = 0
        self.located = False

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
            checkpoint = self._verified(head)
        except (MalformedError, SignatureError) as error:
            detail = f"{head.where} of size {head.size} is refused: {error}"
            self._findings.add(Code.CHECKPOINT_REFUSED, None, detail)
            return
        self._promised = max(self._promised, checkpoint.size)
        if head.newest:
            self.newest = checkpoint
        if checkpoint.size != walk.size:
            return
        if walk.stated is not None and head.newest:
            self.located = walk.stated.root() == checkpoint.root_hash
        if walk.derived is not None:
            self.compared += 1
            self._compare_root(checkpoint, walk.derived.root())

    def _verified(self, head: Head) -> Checkpoint:
        if head.newest:
            checkpoint = self._policy.check(head.note)
        else:
            # Checkpoints before the newest may never have been published, so no witness
            # need have seen them: the log's own signature is what counts.
            checkpoint = Policy(self._policy.logs).check(head.note)
        if checkpoint.origin != self._origin:
            raise MalformedError("it is of another log")
        if checkpoint.size != head.size:
            raise MalformedError(f"it says {checkpoint.size} entries")
        return checkpoint

    def _compare_root(self, checkpoint: Checkpoint, root: bytes) -> None:
        if checkpoint.root_hash != root:
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
