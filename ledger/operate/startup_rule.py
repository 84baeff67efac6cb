"""May this log be continued? The start-up rule.

L is the checkpoint in the lock, D the database's head. The log may be continued if D
is L, or if D is larger and provably grew out of L (a crash between the commit and
the swap): then L is advanced. Anything else, a restored backup above all, means that
signing on would show somebody a second history.
"""

from dataclasses import dataclass
from datetime import datetime

from ledger.entries import parse_entry
from ledger.errors import (
    InconsistencyError,
    NotFoundError,
    RefusedError,
    RootMismatchError,
    VerificationError,
)
from ledger.operate.checkpoint_lock import CheckpointLock
from ledger.operate.right_edge import RightEdge
from ledger.storage.log_store import HASH_BYTES, Head, LogStore
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import (
    NodeReader,
    consistency_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
)
from ledger.tlog.note import VerifierKey
from ledger.tlog.tile import Tile, tile_nodes


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a log stands: what the next entry continues.

    Attributes:
        note: the newest signed checkpoint, in the lock and (but for an empty log) in
            the database.
        edge: the unfinished tiles.
        last_leaf: leaf hash of the last entry; None while there is none.
        last_at: when the log accepted it.
    """

    note: str
    edge: RightEdge
    last_leaf: bytes | None
    last_at: datetime | None

    @property
    def head(self) -> Head | None:
        """The head that the database must have; None for a log without entries."""
        return Head(self.edge.size, self.note) if self.edge.size else None


def agree(
    store: LogStore, lock: CheckpointLock, origin: str, keys: tuple[VerifierKey, ...]
) -> Standing:
    """Where the log stands, with the lock advanced to the database's head.

    An empty log stands at the empty checkpoint that creating it put into the lock.

    Raises:
        NotFoundError: there is no lock.
        RefusedError: the database is behind the lock, or has no such log.
        InconsistencyError: no history leads from the lock's checkpoint to the database's.
        RootMismatchError: the stored tiles or last entry do not give the signed root.
        SignatureError, MalformedError: a checkpoint is not one that this log signed.
    """
    locked_note = lock.read()
    locked = _open(locked_note, origin, keys)
    head = store.head(origin)
    if head is None:
        if locked.size:
            raise RefusedError("start-up: the lock knows a log that the database does not have")
        return Standing(locked_note, RightEdge(), None, None)
    stored = _open(head.note, origin, keys)
    if stored.size != head.size:
        raise RefusedError("start-up: the database's head is not its checkpoint")
    if stored.size < locked.size:
        raise RefusedError(
            f"start-up: the database ends at {stored.size}, but {locked.size} entries were signed:"
            " this looks like a restored backup. Look for a newer copy; docs/operating.md,"
            " Backups, says what to do when there is none"
        )
    nodes = _stored_nodes(store, origin, stored.size)
    if tree_root(stored.size, nodes) != stored.root_hash:
        raise RootMismatchError("start-up: the stored tiles do not give the signed root")
    _check_growth(locked, locked_note, stored, head.note, nodes)
    standing = _standing(store, origin, head, nodes)
    if head.note != locked_note:
        lock.swap(locked_note, head.note)
    return standing


def _open(note: str, origin: str, keys: tuple[VerifierKey, ...]) -> Checkpoint:
    checkpoint = Checkpoint.parse(open_note(note, keys).text)
    if checkpoint.origin != origin:
        raise RefusedError("start-up: the checkpoint is another log's")
    return checkpoint


def _tile_hashes(store: LogStore, origin: str, level: int, index: int) -> bytes:
    try:
        return store.tile(origin, level, index)
    except NotFoundError:
        raise RootMismatchError("start-up: a tile is missing") from None


def _stored_nodes(store: LogStore, origin: str, size: int) -> NodeReader:
    def read(tile: Tile) -> bytes:
        hashes = _tile_hashes(store, origin, tile.level, tile.index)
        if len(hashes) < tile.width * HASH_BYTES:
            raise RootMismatchError("start-up: a tile is cut short")
        return hashes[: tile.width * HASH_BYTES]

    return tile_nodes(read, size)


def _check_growth(
    locked: Checkpoint, locked_note: str, stored: Checkpoint, stored_note: str, nodes: NodeReader
) -> None:
    if locked.size == 0:
        return  # everything grew out of nothing
    proof = consistency_proof(locked.size, stored.size, nodes)
    try:
        verify_consistency(locked.size, stored.size, locked.root_hash, stored.root_hash, proof)
    except VerificationError as error:
        raise InconsistencyError(
            "start-up: the database holds another history than the one that was signed",
            older=locked_note,
            newer=stored_note,
            proof=proof,
        ) from error


def _standing(store: LogStore, origin: str, head: Head, nodes: NodeReader) -> Standing:
    def read(level: int, index: int) -> bytes:
        return _tile_hashes(store, origin, level, index)

    last = store.entries(origin, head.size - 1, 1)
    leaf = leaf_hash(last[0].entry) if last else None
    if leaf != nodes(0, head.size - 1):
        raise RootMismatchError("start-up: the last entry is not the one that was signed")
    return Standing(
        note=head.note,
        edge=RightEdge.load(head.size, read),
        last_leaf=leaf,
        last_at=parse_entry(last[0].entry).at,
    )
