"""Whose heads the client accepts: a policy that may change, and keys that it leads to.

The policy is a value, a file that is read again when it changes, or a function. While a
log's old and new keys sign together, the rotation is read from the log and kept, so that
heads of the new keys alone are accepted when the old ones have ended.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from ledger.client.answers import Seen
from ledger.client.heads import log_path
from ledger.client.key_chain import MAX_FOLLOWED, KeyChain, follow
from ledger.entries import Kind
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.private_files import write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import inclusion_proof
from ledger.tlog.note import SignedNote
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH, Receipt
from ledger.tlog.tile import TILE_WIDTH, Tile, bundle_for, decode_bundle, tile_nodes

__all__ = ["PolicySource", "Trust", "UnknownKeys"]

PolicySource: TypeAlias = Policy | Path | Callable[[], Policy]

MAX_BUNDLES: Final = 64  # of 256 entries, looked through for a rotation; most often it is one
AGAIN_SECONDS: Final = 60.0  # between attempts to read a rotation from the log
_MARK: Final = f'"kind":"{Kind.LOG_KEY_ROTATED}"'.encode()

_log = logging.getLogger("ledger.client")


class UnknownKeys(LedgerError):
    """No key that is known signed the head: it could not be checked, which proves nothing."""


class Trust:
    """Accepts heads of a log. Used by one thread."""

    def __init__(self, source: PolicySource, directory: Path | None = None) -> None:
        """Trust in the policy of a source; rotations are kept in the directory, or in memory.

        Raises:
            MalformedError: the file cannot be read, or is not a policy.
        """
        self._source = source
        self._directory = directory
        self._read: tuple[int, ...] = ()
        self._failed = ""
        self._rotations: tuple[Receipt, ...] = ()
        self._loaded = False
        self._searched: dict[frozenset[tuple[str, bytes]], float] = {}
        self._kept: KeyChain | None = None
        if isinstance(source, Path):
            self._chain()

    @property
    def followed(self) -> int:
        """How many rotations are followed whose new keys the policy does not name."""
        return 0 if self._kept is None else self._kept.followed

    def check(self, note: str) -> Checkpoint:
        """The checkpoint of a note that is accepted.

        Raises:
            UnknownKeys: no key that is known signed it, or there is no policy yet.
            MalformedError, SignatureError: it is not accepted.
        """
        chain = self._chain()
        if not chain.knows(note):
            chain = self._chain(again=True)  # another process may have followed a rotation
        if not chain.knows(note):
            raise UnknownKeys("the ledger signs with keys that the policy does not name")
        return chain.check(note)

    def follow(self, note: str, before: Seen | None, read: Callable[[str], bytes]) -> None:
        """Keep the rotation that explains unknown signatures under a head, if there are any.

        Args:
            note: a head that was accepted.
            before: the head that was accepted before it.
            read: the bytes at an address of the ledger.

        Raises:
            LedgerError, OSError: there are, and it cannot be followed now.
        """
        chain = self._chain()
        strange = chain.strange(note)
        if not strange or time.monotonic() < self._searched.get(strange, 0.0):
            return
        self._searched[strange] = time.monotonic() + AGAIN_SECONDS
        chain = self._chain(again=True)
        if not chain.strange(note):
            return
        known = before is not None and not chain.strange(before.note)
        receipt = _rotation(note, before.checkpoint.size if before and known else 0, read)
        if receipt is None:
            self._searched[strange] = float("inf")  # a signature of some other kind
            return
        if len(follow(chain.policy, (*self._rotations, receipt)).receipts) == len(chain.receipts):
            raise VerificationError("keys: a rotation in the log does not follow from the policy")
        self._keep(receipt)

    def _chain(self, *, again: bool = False) -> KeyChain:
        policy = self._policy()
        if again or not self._loaded:
            self._load()
        elif self._kept is not None and self._kept.policy is policy:
            return self._kept
        self._kept = follow(policy, self._rotations)
        return self._kept

    def _policy(self) -> Policy:
        """The policy as it is now, or as it was when it could last be had.

        Raises:
            UnknownKeys: it never could.
        """
        try:
            found = self._current()
        except Exception as error:  # a caller's own function, or a file that is being written
            if self._kept is None and isinstance(self._source, Path):
                raise MalformedError(f"policy: it cannot be had ({_why(error)})") from error
            if self._failed != _why(error):
                self._failed = _why(error)
                _log.error("the policy cannot be had: %s", self._failed)
            if self._kept is None:
                raise UnknownKeys(f"the policy cannot be had ({_why(error)})") from error
            return self._kept.policy
        self._failed = ""
        return found

    def _current(self) -> Policy:
        source = self._source
        if isinstance(source, Policy):
            return source
        if isinstance(source, Path):
            stat = source.stat()
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._kept is not None and mark == self._read:
                return self._kept.policy
            found = Policy.parse(_text(source, MAX_POLICY_LENGTH))
            self._read = mark
        else:
            found = source()
            if not isinstance(found, Policy):
                raise MalformedError("policy: the function gave none")
        same = self._kept is not None and self._kept.policy == found
        return self._kept.policy if same and self._kept is not None else found

    def _load(self) -> None:
        """Read the rotations that were kept, by whichever process."""
        self._loaded = True
        if self._directory is None:
            return
        found = []
        for path in sorted(self._directory.glob("rotation-*.tlog-proof"))[-MAX_FOLLOWED:]:
            with contextlib.suppress(LedgerError, OSError, UnicodeDecodeError):
                found.append(Receipt.parse(_text(path, MAX_RECEIPT_LENGTH)))
        self._rotations = tuple(found)

    def _keep(self, receipt: Receipt) -> None:
        if self._directory is not None:
            path = self._directory / f"rotation-{receipt.index:016}.tlog-proof"
            with contextlib.suppress(FileExistsError):
                write_new(path, receipt.format().encode())
        self._rotations += (receipt,)
        self._kept = follow(self._policy(), self._rotations)
        _log.warning("entry %d of the log changed its keys, and is followed", receipt.index)


def _rotation(note: str, start: int, read: Callable[[str], bytes]) -> Receipt | None:
    """The receipt of the newest rotation from index `start` on, if there is one; not verified.

    Raises:
        LedgerError: the log's files cannot be read.
    """
    checkpoint = Checkpoint.parse(SignedNote.parse(note).text)
    prefix, size = log_path(checkpoint.origin), checkpoint.size

    def tile(each: Tile) -> bytes:
        return read(prefix + each.path())

    last = (size - 1) // TILE_WIDTH
    for number in range(last, max(start // TILE_WIDTH, last - MAX_BUNDLES + 1) - 1, -1):
        bundle = bundle_for(number, size)
        entries = decode_bundle(read(prefix + bundle.path()), bundle.width)
        for offset, entry in reversed(list(enumerate(entries))):
            if _MARK in entry:
                index = bundle.start + offset
                proof = inclusion_proof(index, size, tile_nodes(tile, size))
                return Receipt(entry, index, tuple(proof), note)
    return None


def _text(path: Path, most: int) -> str:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise MalformedError(f"{path.name}: too long")
    return data.decode()


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, LedgerError) else type(error).__name__
