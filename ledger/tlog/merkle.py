"""The Merkle tree of RFC 6962 §2.1 with SHA-256: hashes, proofs, and their verification.

Hand it hashes and it hands back hashes: what an entry is, where nodes are stored and who
signed a root is left to others. Proofs are verified as RFC 9162 §2.1.3.2 (inclusion) and
§2.1.4.2 (consistency) say; size 0 is handled outside those algorithms.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self, TypeAlias

from ledger.errors import InclusionError, InconsistencyError, MalformedError, RootMismatchError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "MAX_SIZE",
    "Frontier",
    "NodeReader",
    "consistency_proof",
    "consistency_root",
    "inclusion_proof",
    "inclusion_proofs",
    "inclusion_root",
    "leaf_hash",
    "node_hash",
    "tree_root",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
MAX_SIZE: Final = 2**63 - 1  # entries; what a signed 64-bit column and every peer can hold

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree over leaves [index·2^level, (index+1)·2^level)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return H(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return H(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(size: int, nodes: NodeReader) -> bytes:
    """Return the root hash of the tree of `size` leaves, read from its complete subtrees.

    Raises:
        MalformedError: `size` is negative.
    """
    _check_size(size)
    if size == 0:
        return EMPTY_ROOT
    return _range_root(0, size, nodes)


def inclusion_proof(index: int, size: int, nodes: NodeReader) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1).

    Raises:
        MalformedError: no such leaf in such a tree.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise MalformedError("inclusion proof: the index is not in the tree")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, nodes))
            end = middle
        else:
            path.append(_range_root(start, middle, nodes))
            start = middle
    return tuple(reversed(path))


def inclusion_proofs(
    start: int, end: int, size: int, nodes: NodeReader
) -> tuple[tuple[bytes, ...], ...]:
    """Return the audit paths of the leaves [start, end), as :func:`inclusion_proof` would.

    What several paths have in common is worked out once.

    Raises:
        MalformedError: no such leaves in such a tree.
    """
    _check_size(size)
    if not 0 <= start <= end <= size:
        raise MalformedError("inclusion proof: the index is not in the tree")
    found: list[tuple[bytes, ...]] = []
    # Subtrees yet to be walked, the leftmost on top, each with the path from its root up.
    waiting: list[tuple[int, int, tuple[bytes, ...]]] = [(0, size, ())] if start < end else []
    while waiting:
        low, high, path = waiting.pop()
        if high - low == 1:
            found.append(path)
            continue
        middle = low + _split(high - low)
        if end > middle:
            waiting.append((middle, high, (_range_root(low, middle, nodes), *path)))
        if start < middle:
            waiting.append((low, middle, (_range_root(middle, high, nodes), *path)))
    return tuple(found)


def consistency_proof(old_size: int, new_size: int, nodes: NodeReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old_size` leaves is a prefix (RFC 6962 §2.1.2).

    Empty where the old tree is empty or the same.

    Raises:
        MalformedError: `old_size` is larger than `new_size`.
    """
    _check_size(new_size)
    if not 0 <= old_size <= new_size:
        raise MalformedError("consistency proof: the old tree is larger than the new one")
    if old_size in (0, new_size):
        return ()
    path: list[bytes] = []
    start, end, whole = 0, new_size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_range_root(middle, end, nodes))
            end = middle
        else:
            path.append(_range_root(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, end, nodes))
    return tuple(reversed(path))


def inclusion_root(index: int, size: int, leaf: bytes, proof: tuple[bytes, ...]) -> bytes:
    """Return the root that `proof` leads to from `leaf` at `index` (RFC 9162 §2.1.3.2).

    Whose root it is, and that it is the log's, is left to whoever signed one.

    Raises:
        InclusionError: the index is not in the tree, or the proof is too long or too short.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise InclusionError("inclusion proof: the index is not in the tree")
    if not _all_hashes((leaf, *proof)):
        raise InclusionError("inclusion proof: a hash is not 32 bytes")
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise InclusionError("inclusion proof: too long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position != 0:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise InclusionError("inclusion proof: too short")
    return computed


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: tuple[bytes, ...], root: bytes
) -> None:
    """Return if `proof` leads from `leaf` at `index` to `root` (RFC 9162 §2.1.3.2).

    Raises:
        InclusionError: the index is not in the tree, or the proof is too long or too short.
        RootMismatchError: the proof leads to another root.
    """
    if not _all_hashes((root,)):
        raise InclusionError("inclusion proof: a hash is not 32 bytes")
    if inclusion_root(index, size, leaf, proof) != root:
        raise RootMismatchError("inclusion proof: leads to another root hash")


def consistency_root(
    old_size: int, new_size: int, old_root: bytes, proof: tuple[bytes, ...]
) -> bytes:
    """Return the new root that `proof` leads to from a smaller tree that is not empty.

    RFC 9162 §2.1.4.2. That it is the log's is left to whoever signed one.

    Raises:
        InconsistencyError: sizes, the old root and the proof do not fit together.
    """
    if not 0 < old_size < new_size <= MAX_SIZE:
        raise InconsistencyError("consistency proof: not from a smaller tree to a larger one")
    if not _all_hashes((old_root, *proof)):
        raise InconsistencyError("consistency proof: a hash is not 32 bytes", proof=proof)
    if not proof:
        raise InconsistencyError("consistency proof: empty")
    old, new = _climb(old_size, new_size, old_root, proof)
    if old != old_root:
        raise InconsistencyError("consistency proof: leads to another old root", proof=proof)
    return new


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: tuple[bytes, ...]
) -> None:
    """Return if the tree of `old_root` is a prefix of the tree of `new_root`.

    RFC 9162 §2.1.4.2; an empty old tree takes an empty proof and the empty root, equal
    sizes take an empty proof and equal roots.

    Raises:
        InconsistencyError: sizes, roots and proof do not fit together.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise InconsistencyError("consistency proof: the old tree is larger than the new one")
    if old_size in (0, new_size):  # nothing is hashed: the roots are only compared
        _verify_trivial(old_size, new_size, old_root, new_root, proof)
        return
    if not _all_hashes((new_root,)):
        raise InconsistencyError("consistency proof: a hash is not 32 bytes", proof=proof)
    if consistency_root(old_size, new_size, old_root, proof) != new_root:
        raise InconsistencyError("consistency proof: leads to another new root", proof=proof)


@dataclass(frozen=True, slots=True)
class Frontier:
    """The complete subtrees of a growing tree, largest first: enough to append and to root.

    `hashes` has one hash for each bit set in `size`.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse a number of hashes that the size does not have."""
        if not 0 <= self.size <= MAX_SIZE or len(self.hashes) != self.size.bit_count():
            raise MalformedError("frontier: hashes and size do not fit")

    @classmethod
    def empty(cls) -> Self:
        """Return the frontier of the empty tree."""
        return cls(0, ())

    @classmethod
    def of(cls, size: int, nodes: NodeReader) -> Self:
        """Return the frontier of the tree of `size` leaves."""
        _check_size(size)
        hashes, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(nodes(level, start >> level))
                start += 1 << level
        return cls(size, tuple(hashes))

    def append(self, leaf: bytes) -> "Frontier":
        """Return the frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, hashes: Iterable[bytes], level: int = 0) -> "Frontier":
        """Return the frontier after more complete subtrees of 2^`level` leaves, in order.

        Raises:
            MalformedError: subtrees of that size cannot follow.
        """
        size, stack = self.size, list(self.hashes)
        if size & ((1 << level) - 1):
            raise MalformedError("frontier: a subtree of this size does not stand here")
        for each in hashes:
            computed, carry = each, size >> level
            while carry & 1:  # equal subtrees merge, as a carry does in binary addition
                computed = node_hash(stack.pop(), computed)
                carry >>= 1
            stack.append(computed)
            size += 1 << level
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """Return the root hash."""
        if not self.hashes:
            return EMPTY_ROOT
        computed = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            computed = node_hash(left, computed)
        return computed


def _verify_trivial(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: tuple[bytes, ...]
) -> None:
    if proof:
        raise InconsistencyError("consistency proof: should be empty", proof=proof)
    if old_size == new_size and old_root != new_root:
        raise InconsistencyError("two different roots of the same size")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise InconsistencyError("the root of an empty tree is not the empty root")


def _climb(
    old_size: int, new_size: int, old_root: bytes, proof: tuple[bytes, ...]
) -> tuple[bytes, bytes]:
    """Return the old and the new root that a consistency proof leads to."""
    if old_size & (old_size - 1) == 0:  # a power of two is a node of the new tree itself
        old, rest = old_root, proof
    else:
        old, rest = proof[0], proof[1:]
    new = old
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    for sibling in rest:
        if last == 0:
            raise InconsistencyError("consistency proof: too long", proof=proof)
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position != 0:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise InconsistencyError("consistency proof: too short", proof=proof)
    return old, new


def _range_root(start: int, end: int, nodes: NodeReader) -> bytes:
    """Return the root over leaves [start, end): a subtree that the tree's splits produce.

    `start` is a multiple of the smallest power of two that is not below `end - start`,
    so complete subtrees line up with the levels that `nodes` serves.
    """
    width = end - start
    if width & (width - 1) == 0:  # the usual case, and the one that look-ups wait for
        level = width.bit_length() - 1
        return nodes(level, start >> level)
    pieces = []
    while start < end:
        level = (end - start).bit_length() - 1
        pieces.append(nodes(level, start >> level))
        start += 1 << level
    computed = pieces[-1]
    for left in reversed(pieces[:-1]):
        computed = node_hash(left, computed)
    return computed


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise MalformedError("the tree's size is out of range")


def _all_hashes(hashes: tuple[bytes, ...]) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)
