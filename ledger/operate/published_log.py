"""What a log shows to everybody: checkpoint, tiles, entry bundles, entries, receipts.

Reads only, from committed state; safe to use from many threads beside the writer.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from ledger.entries import Body, parse_entry
from ledger.entries import Decision as DecisionBody
from ledger.errors import (
    ErasedError,
    MalformedError,
    NotFoundError,
    StoppedError,
    VerificationError,
)
from ledger.operate.checkpoint_lock import CheckpointLock
from ledger.storage.log_store import HASH_BYTES, MAX_READ_ENTRIES, Head, LogDatabase
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import (
    NodeReader,
    consistency_proof,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.tlog.note import SignedNote
from ledger.tlog.proof import Receipt, checkpoint_of
from ledger.tlog.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    EntryBundle,
    Tile,
    encode_bundle,
    tile_nodes,
)

MAX_CACHED_TILES: Final = 256  # full tiles, 8 kB each
MAX_PROVED: Final = 1024  # entries that need no second proof: every model's, at each batch


class PublishedLog:
    """The public face of one log."""

    def __init__(
        self,
        store: LogDatabase,
        lock: CheckpointLock,
        origin: str,
        cosigned: CheckpointLock | None = None,
    ) -> None:
        """The log of `origin`.

        `lock` holds the newest checkpoint that may be shown, `cosigned` the newest one that
        witnesses cosigned. Both are only read here.
        """
        self._store = store
        self._lock = lock
        self._origin = origin
        self._shown: Head | None = None
        self._cosigned = cosigned
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._nodes: tuple[int, NodeReader] | None = None
        self._proved: OrderedDict[int, bytes] = OrderedDict()  # leaf hashes, by index

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def checkpoint(self) -> str:
        """The newest signed checkpoint, with its cosignatures if witnesses gave any.

        Raises:
            NotFoundError: the log does not exist.
        """
        own = self._head().note
        cosigned = self.cosigned_checkpoint()
        # Cosignatures are lines after the note as the log signed it.
        return cosigned if cosigned is not None and cosigned.startswith(own) else own

    def alone(self, purpose: str) -> AbstractContextManager[None]:
        """Keep out whoever does the same beside this log, in this and other processes.

        Raises:
            PushbackError: somebody else holds it, for too long.
        """
        return self._store.alone(f"{self._origin} {purpose}")

    def published(self) -> Head:
        """The newest checkpoint as the log signed it, with its size.

        Raises:
            StoppedError: there is no checkpoint lock.
        """
        return self._head()

    def own_checkpoint(self) -> str:
        """The newest checkpoint as the log signed it, without cosignatures.

        Raises:
            NotFoundError: the log does not exist.
        """
        return self._head().note

    def cosigned_checkpoint(self) -> str | None:
        """The newest checkpoint that witnesses cosigned, None if none is kept.

        It may be of a smaller size than the newest one.
        """
        if self._cosigned is None:
            return None
        try:
            return self._cosigned.read()
        except NotFoundError:
            return None

    def growth(self, old_size: int, checkpoint: Checkpoint) -> tuple[bytes, ...]:
        """The proof that `checkpoint` grew out of the log's first `old_size` entries.

        Raises:
            MalformedError: the old size exceeds the checkpoint's.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        nodes = self._node_reader(self.size())
        proof = consistency_proof(old_size, checkpoint.size, nodes)
        old_root = tree_root(old_size, nodes)
        verify_consistency(old_size, checkpoint.size, old_root, checkpoint.root_hash, proof)
        return proof

    def size(self) -> int:
        """How many entries the newest checkpoint covers."""
        return self._head().size

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, exactly as wide as asked.

        Raises:
            NotFoundError: the log is not that large.
        """
        if tile.index * TILE_WIDTH + tile.width > self.size() >> TILE_HEIGHT * tile.level:
            raise NotFoundError("tile: the log is not that large")
        return self._read_tile(tile)

    def bundle(self, bundle: EntryBundle) -> bytes:
        """The entries of a bundle, encoded as c2sp.org/tlog-tiles says.

        Raises:
            NotFoundError: the log is not that large.
        """
        start = bundle.index * TILE_WIDTH
        if start + bundle.width > self.size():
            raise NotFoundError("entry bundle: the log is not that large")
        stored = self._store.entries(self._origin, start, bundle.width)
        return encode_bundle([each.entry for each in stored])

    def entry(self, entry_id: str) -> bytes:
        """The bytes of the entry with this id, proved as by :meth:`receipt`."""
        return self.receipt(entry_id).entry

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """The bytes of every entry from index `start` to the newest checkpoint, in order."""
        size = self.size()
        while start < size:
            stored = self._store.entries(self._origin, start, min(MAX_READ_ENTRIES, size - start))
            yield from (each.entry for each in stored)
            start += len(stored)

    def locate(self, ids: Collection[str]) -> Mapping[str, int]:
        """The index of each of these entries that is in the log."""
        return self._store.locate(self._origin, ids)

    def referring(self, reference: str, start: int = 0) -> tuple[bytes, ...]:
        """The bytes of the entries that are about this id or digest, in order, each proved.

        Only those from index `start` on.

        Raises:
            VerificationError: what is stored is not what was logged: raise the alarm.
        """
        stored = self._store.referring(self._origin, reference, start)
        found = {each.seq: each.entry for each in stored}
        with self._cache_lock:
            fresh = [at for at, raw in found.items() if self._proved.get(at) != leaf_hash(raw)]
        if fresh:
            found = self._prove(found, fresh)
        if any(reference not in references(parse_entry(raw).body) for raw in found.values()):
            raise VerificationError("log: an entry is filed under what it is not about")
        return tuple(found.values())

    def sealed(self, record_id: str) -> bytes:
        """The sealed payload that was stored with an entry.

        Raises:
            ErasedError: there is none (any more).
        """
        sealed = self._store.sealed(record_id)
        if sealed is None:
            raise ErasedError("log: the payload of this record is gone")
        return sealed

    def receipt(self, entry_id: str) -> Receipt:
        """The proof that the entry is in the log, against the checkpoint of :meth:`receipts`.

        Raises:
            NotFoundError: it is not in the log.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        return self._of(entry_id, self.receipt_at(self._locate(entry_id)))

    def proofs(self, start: int, end: int, size: int) -> tuple[tuple[bytes, ...], ...]:
        """The proofs of the entries [start, end) in the tree of `size`, not verified."""
        return inclusion_proofs(start, end, size, self._node_reader(size))

    def receipt_at(self, index: int) -> Receipt:
        """The proof for the entry at an index; as :meth:`receipt`."""
        return self.receipts([index])[index]

    def receipts(self, indexes: Collection[int], *, cosigned: bool = True) -> Mapping[int, Receipt]:
        """The proofs for the entries at these indexes, all against one checkpoint.

        That is the newest *cosigned* one if it covers them all, since it convinces more
        readers, and the newest one otherwise, or if `cosigned` is False.

        Raises:
            NotFoundError: the log is not that large.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        newest = self._head()
        if any(index >= newest.size for index in indexes):
            raise NotFoundError("log: no entry that is published has this index")
        head = self._cosigned_head(newest, max(indexes, default=0)) if cosigned else None
        return self._proofs(indexes, head or newest, newest.size)

    def bare_receipt(self, entry_id: str) -> Receipt:
        """The proof against the newest checkpoint as the log signed it, cosigned or not.

        Raises:
            NotFoundError: no entry that is published has this id.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        index, newest = self._locate(entry_id), self._head()
        if index >= newest.size:
            raise NotFoundError("log: no entry that is published has this id")
        receipt = self._proofs([index], newest, newest.size)[index]
        return self._of(entry_id, receipt)

    def _proofs(self, indexes: Collection[int], head: Head, size: int) -> Mapping[int, Receipt]:
        """The proofs against `head`, from the tiles of the tree of `size`."""
        root = checkpoint_of(head.note).root_hash
        nodes = self._node_reader(size)
        receipts = {}
        for index, entry in self._entries_at(sorted(indexes)):
            proof = inclusion_proof(index, head.size, nodes)
            # A receipt is evidence: never hand out one that does not verify.
            verify_inclusion(index, head.size, leaf_hash(entry), proof, root)
            receipts[index] = Receipt(entry, index, proof, head.note)
        return receipts

    def receipt_under(self, index: int, note: str) -> Receipt:
        """The proof for the entry at an index, against an older checkpoint that was kept.

        Raises:
            NotFoundError: the checkpoint does not cover the entry, or the log not the checkpoint.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        checkpoint = Checkpoint.parse(SignedNote.parse(note).text)
        newest = self._head()
        if not index < checkpoint.size <= newest.size or checkpoint.origin != self._origin:
            raise NotFoundError("log: that checkpoint does not cover this entry of it")
        ((_, entry),) = self._entries_at([index])
        proof = inclusion_proof(index, checkpoint.size, self._node_reader(newest.size))
        leaf = leaf_hash(entry)
        verify_inclusion(index, checkpoint.size, leaf, proof, checkpoint.root_hash)
        return Receipt(entry, index, proof, note)

    def _of(self, entry_id: str, receipt: Receipt) -> Receipt:
        if parse_entry(receipt.entry).id != entry_id:
            raise VerificationError("log: the entry is filed under another id")
        return receipt

    def _prove(self, found: dict[int, bytes], fresh: Collection[int]) -> dict[int, bytes]:
        """What was found, with proved bytes at the fresh indexes, as far as it is published."""
        size = self.size()
        receipts = self.receipts([at for at in fresh if at < size])
        with self._cache_lock:
            for at, receipt in receipts.items():
                self._proved[at] = leaf_hash(receipt.entry)
            while len(self._proved) > MAX_PROVED:
                self._proved.popitem(last=False)
        proved = found | {at: receipt.entry for at, receipt in receipts.items()}
        return {at: raw for at, raw in proved.items() if at < size or at not in fresh}

    def _entries_at(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """The entries at these rising indexes, neighbours in one read."""
        for start, count in _runs(indexes):
            stored = self._store.entries(self._origin, start, count)
            if [each.seq for each in stored] != list(range(start, start + count)):
                raise NotFoundError("log: no entry has this index")
            yield from ((each.seq, each.entry) for each in stored)

    def _head(self) -> Head:
        """What may be shown: the checkpoint in the lock, never one that only the database has.

        Between the commit and the swap, and after a crash there, the database is ahead. A
        receipt against its head could be disowned by restoring a backup.
        """
        try:
            note = self._lock.read()
        except NotFoundError as error:
            raise StoppedError(str(error)) from error
        shown = self._shown
        if shown is None or shown.note != note:
            size = checkpoint_of(note).size
            self._shown = shown = Head(size, note)
        return shown

    def _cosigned_head(self, newest: Head, index: int) -> Head | None:
        """The cosigned checkpoint, if there is one of this log that covers the entry at `index`."""
        note = self.cosigned_checkpoint()
        if note is None:
            return None
        try:
            checkpoint = Checkpoint.parse(SignedNote.parse(note).text)
        except MalformedError:
            return None  # cosignatures only add: without readable ones the log's own note stands
        covers = index < checkpoint.size <= newest.size and checkpoint.origin == self._origin
        return Head(checkpoint.size, note) if covers else None

    def _locate(self, entry_id: str) -> int:
        found = self._store.locate(self._origin, [entry_id])
        if entry_id not in found:
            raise NotFoundError("log: no entry has this id")
        return found[entry_id]

    def _node_reader(self, size: int) -> NodeReader:
        with self._cache_lock:
            cached = self._nodes
        if cached is None or cached[0] != size:
            cached = (size, tile_nodes(self._read_tile, size))
            self._remember_nodes(*cached)
        return cached[1]

    def _remember_nodes(self, size: int, nodes: NodeReader) -> None:
        with self._cache_lock:
            self._nodes = (size, nodes)

    def _read_tile(self, tile: Tile) -> bytes:
        place = (tile.level, tile.index)
        with self._cache_lock:
            hashes = self._tiles.get(place)
        if hashes is None:
            hashes = self._store.tile(self._origin, *place)
            if len(hashes) == TILE_WIDTH * HASH_BYTES:  # a full tile never changes again
                with self._cache_lock:
                    self._tiles[place] = hashes
                    while len(self._tiles) > MAX_CACHED_TILES:
                        self._tiles.popitem(last=False)
        return hashes[: tile.width * HASH_BYTES]


def references(body: Body) -> tuple[str, ...]:
    """The ids and digests that an entry is about besides its own id, for `referring`.

    A decision names its model in thousands, so that is no reference; a registration
    or a change of status is about its model.
    """
    if isinstance(body, DecisionBody):
        return ()
    named = (getattr(body, member, None) for member in ("decision", "model", "policy"))
    return (*filter(None, named), *getattr(body, "records", ()))


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rising indexes as (start, count) of neighbours, at most `MAX_READ_ENTRIES` long."""
    start = count = 0
    for index in indexes:
        if count and index == start + count and count < MAX_READ_ENTRIES:
            count += 1
            continue
        if count:
            yield start, count
        start, count = index, 1
    if count:
        yield start, count
