"""The one writer of a log: gives entries their place, commits and signs them.

The order of a batch, and where each promise begins to hold:

1. place: index, time, hash of the entry before;
2. one transaction: entries, tiles and payloads are written, *read back* and hashed
   again; only a root that follows from the bytes read back is signed; the head moves
   by compare-and-swap; COMMIT — from here on the batch is in the log;
3. the checkpoint lock is swapped — from here on nobody can be shown less;
4. the caller gets its answer.

A crash between 2 and 3 is repaired by the start-up rule, which every batch that finds
the head moved applies as well: recovery runs the code of the normal path.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self

from ledger.entries import (
    MAX_ENTRY_BYTES,
    Body,
    Entry,
    LogCreated,
    LogKeyRotated,
    UnplacedEntry,
    parse_entry,
)
from ledger.errors import (
    CheckpointConflict,
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RootMismatchError,
    StoppedError,
)
from ledger.operate.checkpoint_lock import CheckpointLock
from ledger.operate.key_ring import FixedKeys, SigningKeys
from ledger.operate.log_clock import MAX_BEHIND, behind
from ledger.operate.published_log import PublishedLog, references
from ledger.operate.right_edge import RightEdge
from ledger.operate.startup_rule import Standing, agree
from ledger.storage.database import RETRY_AFTER_SECONDS
from ledger.storage.log_store import (
    HASH_BYTES,
    Batch,
    LogDatabase,
    NewEntry,
    StoredEntry,
    Written,
)
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import EMPTY_ROOT, leaf_hash, tree_root
from ledger.tlog.note import NoteSigner, SignedNote, sign_note
from ledger.tlog.tile import TILE_HEIGHT, Tile, tile_nodes

Clock = Callable[[], datetime]
"""The time now, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that has no place yet.

    Attributes:
        id: the entry's id.
        entry: its bytes but for its place.
        references: the ids and digests that it is about (`published_log.references`).
        sealed: its sealed payload, if that is kept beside the log.
        hands_over: whether it says that the log changes its keys.
    """

    id: str
    entry: UnplacedEntry
    references: tuple[str, ...] = ()
    sealed: bytes | None = None
    hands_over: bool = False

    @classmethod
    def of(cls, entry_id: str, body: Body, sealed: bytes | None = None) -> Self:
        """The draft of an entry that says this."""
        return cls(
            entry_id,
            UnplacedEntry.of(entry_id, body),
            references(body),
            sealed,
            isinstance(body, LogKeyRotated),
        )


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry in its place: the very bytes that were logged, and their leaf hash."""

    id: str
    seq: int
    raw: bytes
    leaf: bytes

    @property
    def entry(self) -> Entry:
        """What the bytes say."""
        return parse_entry(self.raw)


class Sequencer(PublishedLog):
    """The writer of one log, and its public face.

    Exactly one batch of one log is written at a time, across threads and processes.
    """

    def __init__(
        self,
        store: LogDatabase,
        lock: CheckpointLock,
        origin: str,
        signers: Sequence[NoteSigner] | SigningKeys,
        clock: Clock,
        *,
        cosigned: CheckpointLock | None = None,
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the log up where it stands; nothing is written but the lock's advance.

        `cosigned` holds the newest checkpoint that witnesses cosigned; it is only read.
        `may_write` is called at each turn, once the lock is held, and raises StoppedError
        while nothing may be written (`fork_marks.ForkMarks.check`).

        Raises:
            LedgerError: the start-up rule forbids it (`startup_rule.agree` says why).
        """
        super().__init__(store, lock, origin, cosigned)
        self._keys = _keys(signers)
        self._clock = clock
        self._may_write = may_write
        self._turn = threading.RLock()
        self._depth = 0
        self._fatal: str | None = None
        with lock.held():
            self._standing = agree(store, lock, origin, self._keys.known())
        self._keys.signers(self._standing.note)  # refuses to go on with older keys

    @classmethod
    def create(
        cls,
        store: LogDatabase,
        lock: CheckpointLock,
        origin: str,
        signers: Sequence[NoteSigner] | SigningKeys,
        clock: Clock,
        *,
        entry_id: str,
        software: str,
    ) -> "Sequencer":
        """A new log: its lock, then its first entry. The only place that makes a lock.

        If creating was cut short before the first entry, it is taken up again.

        Raises:
            ConflictError: the log or its lock exists.
        """
        first = _keys(signers).signers(None)
        with lock.held():
            if store.head(origin) is not None:
                raise ConflictError("log: it exists already")
            empty = sign_note(Checkpoint(origin, 0, EMPTY_ROOT).format(), first)
            try:
                locked = Checkpoint.parse(SignedNote.parse(lock.read()).text)
            except NotFoundError:
                lock.create(empty)
            else:
                if locked.size or locked.origin != origin:
                    raise ConflictError("checkpoint lock: it remembers another log")
        sequencer = cls(store, lock, origin, signers, clock)
        vkeys = tuple(signer.verifier_key.vkey() for signer in first)
        body = LogCreated(origin=origin, vkeys=vkeys, software=software)
        sequencer.append([Draft.of(entry_id, body)])
        return sequencer

    def check_running(self) -> None:
        """Return if the log can be read and, as far as is known, written.

        Raises:
            StoppedError: an earlier failure was fatal: the log has to be taken up anew.
            ClockWrong: the clock cannot be believed, which ends by itself.
            LedgerError: it cannot be read: the database does not answer, say.
        """
        if self._fatal is not None:
            raise StoppedError(self._fatal)
        self._may_write()
        self._moment(self._standing)
        self.checkpoint()  # of the lock alone
        self._store.head(self.origin)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the log for a unit of work that ends in :meth:`append`.

        While it is held nobody else, in any process, writes to this log.

        Raises:
            StoppedError: the lock cannot be taken, the start-up rule forbids to go on, or an
                earlier failure was fatal.
            PushbackError: the database does not answer.
        """
        with self._turn, contextlib.ExitStack() as stack:
            if self._fatal is not None:
                raise StoppedError(self._fatal)
            outermost = self._depth == 0
            if outermost:
                stack.enter_context(self._lock.held())
                self._may_write()
                stack.enter_context(self._store.alone(self.origin))
            self._depth += 1
            stack.callback(self._leave)
            if outermost:
                self._catch_up()
            yield

    def append(self, drafts: Sequence[Draft]) -> tuple[Appended, ...]:
        """The drafts as entries of the log, in this order: durable, signed, proven.

        All of them or none. After a PushbackError they may or may not be in the log;
        the ids tell (`locate`).

        Raises:
            MalformedError: no drafts.
            ConflictError: an id is in the log already.
            PushbackError: the database does not answer, another process wrote meanwhile, or a
                disk is full.
            ClockWrong: see `log_clock`; nothing was written, and the next call looks again.
            StoppedError: fatal: the lock could not be swapped, or a signature was wrong. Every
                later call is refused until the log is taken up anew.
        """
        if not drafts:
            raise MalformedError("append: nothing to append")
        with self.turn():
            standing = self._standing
            signers = self._keys.signers(
                standing.note, handover=any(draft.hands_over for draft in drafts)
            )
            at = self._moment(standing)
            appended = _placed(standing, drafts, at)
            edge, tiles = standing.edge.extend([each.leaf for each in appended])
            batch = Batch(
                origin=self.origin,
                expected=standing.head,
                entries=tuple(map(_new_entry, drafts, appended)),
                tiles=tiles,
            )
            try:
                head = self._store.integrate(batch, partial(self._sign, batch, edge, signers))
            except CheckpointConflict as error:
                raise PushbackError(
                    "log: another process wrote first", retry_after=RETRY_AFTER_SECONDS
                ) from error
            except StoppedError as error:  # a signer that signs wrongly: nothing was committed
                raise self._stop(str(error)) from error
            # Committed. An answer may only leave once the lock remembers it too.
            self._swap(standing.note, head.note)
            last = appended[-1]
            self._standing = Standing(head.note, edge, last.leaf, at)
            return appended

    def _leave(self) -> None:
        self._depth -= 1

    def _catch_up(self) -> None:
        """Find the standing anew if another process wrote or a commit went unanswered."""
        if self._store.head(self.origin) == self._standing.head:
            return
        try:
            keys = self._keys.known()
            self._standing = agree(self._store, self._lock, self.origin, keys)
        except PushbackError:
            raise
        except LedgerError as error:
            # Whatever is wrong, it is nothing that the caller sent or asked for.
            raise StoppedError(str(error)) from error

    def _moment(self, standing: Standing) -> datetime:
        at = self._clock()
        if standing.last_at is None or at >= standing.last_at:
            return at
        if standing.last_at - at > MAX_BEHIND:
            raise behind(at, standing.last_at)
        return standing.last_at  # entries never go back in time, so they wait for the clock

    def _sign(
        self, batch: Batch, edge: RightEdge, signers: Sequence[NoteSigner], written: Written
    ) -> str:
        """The note for what the store holds now, if that is what was meant to be there."""
        hashed = tuple(leaf_hash(each.entry) for each in written.entries)
        if hashed != tuple(new.stored.leaf_hash for new in batch.entries):
            raise RootMismatchError("log: the entries read back are not those written")
        if written.tiles != batch.tiles:
            raise RootMismatchError("log: the tiles read back are not those written")
        known = {(tile.level, tile.index): tile.hashes for tile in written.tiles}

        def read(tile: Tile) -> bytes:
            hashes = known.get((tile.level, tile.index))
            if hashes is None and tile.index == batch.size >> TILE_HEIGHT * (tile.level + 1):
                hashes = edge.unfinished[tile.level]  # of a level that did not grow
            return self._read_tile(tile) if hashes is None else hashes[: tile.width * HASH_BYTES]

        nodes = tile_nodes(read, batch.size)
        root = tree_root(batch.size, nodes)
        self._remember_nodes(batch.size, nodes)  # the proofs of this batch need the same ones
        return sign_note(Checkpoint(self.origin, batch.size, root).format(), signers)

    def _swap(self, old: str, new: str) -> None:
        try:
            self._lock.swap(old, new)
        except PushbackError:
            raise  # the next turn finds the head ahead of the lock, as a restart would
        except LedgerError as error:
            raise self._stop("log: the checkpoint lock could not be swapped") from error

    def _stop(self, reason: str) -> StoppedError:
        """Remember that nothing may be signed any more, until the log is taken up anew."""
        self._fatal = reason
        return StoppedError(reason)


def _placed(standing: Standing, drafts: Sequence[Draft], at: datetime) -> tuple[Appended, ...]:
    prev = standing.last_leaf
    appended = []
    for seq, draft in enumerate(drafts, standing.edge.size):
        raw = draft.entry.placed(seq, at, prev)
        if len(raw) > MAX_ENTRY_BYTES:
            raise MalformedError(f"entry: more than {MAX_ENTRY_BYTES:,} bytes")
        prev = leaf_hash(raw)
        appended.append(Appended(draft.id, seq, raw, prev))
    return tuple(appended)


def _keys(signers: Sequence[NoteSigner] | SigningKeys) -> SigningKeys:
    return FixedKeys(signers) if isinstance(signers, Sequence) else signers


def _new_entry(draft: Draft, appended: Appended) -> NewEntry:
    stored = StoredEntry(appended.seq, appended.id, appended.raw, appended.leaf)
    return NewEntry(stored, draft.references, draft.sealed)
