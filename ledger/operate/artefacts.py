"""Files of model versions, kept by the SHA-256 of their bytes.

A store is not trusted: every read hashes again. Nothing here loads or runs a
file; that is `explain.artifacts`, which refuses formats that can execute.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import (
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    VerificationError,
)
from ledger.private_files import ROOM_SECONDS, no_room, private_directory, sync_directory

__all__ = ["MAX_ARTEFACT_BYTES", "ArtefactStore", "Artefacts", "checked_size", "place_of"]

MAX_ARTEFACT_BYTES: Final = 256_000_000  # one file; a booster of 10,000 trees takes some 50 MB

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class ArtefactStore(Protocol):
    """Where the files of model versions lie, by the SHA-256 of their bytes.

    What was kept is durable when :meth:`keep` returns; readers see a whole file or none, and
    bytes with another digest are never handed out. Calls may come from several threads and
    processes at once, also for one file.
    """

    def keep(self, data: bytes) -> str:
        """The digest under which the bytes are durably kept from now on.

        Raises:
            MalformedError: the file is too large.
            PushbackError: there is no room for it, or the store does not answer now.
            RefusedError: it cannot be written.
        """

    def read(self, digest: str) -> bytes:
        """The bytes with this digest.

        Raises:
            NotFoundError: there is no such file.
            VerificationError: the file is not what its name says.
            PushbackError: the store does not answer now.
        """

    def has(self, digest: str) -> bool:
        """Say whether there is a file of this name; only :meth:`read` checks what is in it.

        Raises:
            NotFoundError: it is not a digest.
            PushbackError: the store does not answer now.
        """


class Artefacts:
    """A directory of files, `sha256/ab/<digest>` below its root: an :class:`ArtefactStore`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, data: bytes) -> str:
        """As :meth:`ArtefactStore.keep`."""
        digest = hashlib.sha256(checked_size(data)).hexdigest()
        path = self._root / place_of(digest)
        try:
            _put(path, data, digest)
        except OSError as error:
            if no_room(error):
                raise PushbackError(
                    "artefact: its disk is full", retry_after=ROOM_SECONDS
                ) from error
            raise RefusedError("artefact: it cannot be written") from error
        return digest

    def read(self, digest: str) -> bytes:
        """As :meth:`ArtefactStore.read`."""
        try:
            with (self._root / place_of(digest)).open("rb") as file:
                data = file.read(MAX_ARTEFACT_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError("artefact: there is none with this digest") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise VerificationError("artefact: the file was changed")
        return data

    def has(self, digest: str) -> bool:
        """As :meth:`ArtefactStore.has`."""
        return (self._root / place_of(digest)).exists()


def _put(path: Path, data: bytes, digest: str) -> None:
    private_directory(path.parent)
    # A name that nobody else writes, for its owner only; a power cut leaves it behind.
    descriptor, beside = tempfile.mkstemp(".new", digest, path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)  # readers see the whole file or none
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def checked_size(data: bytes) -> bytes:
    """The bytes.

    Raises:
        MalformedError: there are too many of them.
    """
    if len(data) > MAX_ARTEFACT_BYTES:
        raise MalformedError(f"artefact: larger than {MAX_ARTEFACT_BYTES:,} bytes")
    return data


def place_of(digest: str) -> str:
    """Where a file of this digest lies below the root of its store.

    Raises:
        NotFoundError: it is not a digest.
    """
    if _DIGEST.fullmatch(digest) is None:  # also keeps every path inside the root
        raise NotFoundError("artefact: not a digest")
    return f"sha256/{digest[:2]}/{digest}"
