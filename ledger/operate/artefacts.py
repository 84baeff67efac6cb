"""Files of model versions, kept by the SHA-256 of their bytes.

The directory is not trusted: every read hashes again. Nothing here loads or runs a
file; that is `explain.artifacts`, which refuses formats that can execute.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from ledger.errors import (
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    VerificationError,
)
from ledger.private_files import FILE_MODE, ROOM_SECONDS, no_room, private_directory

MAX_ARTEFACT_BYTES: Final = 256_000_000  # one file; a booster of 10,000 trees takes some 50 MB

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Artefacts:
    """A directory of files, `sha256/ab/<digest>` below its root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, data: bytes) -> str:
        """The digest under which the bytes are durably kept from now on.

        Raises:
            MalformedError: the file is too large.
            PushbackError: there is no room for it now.
            RefusedError: it cannot be written.
        """
        if len(data) > MAX_ARTEFACT_BYTES:
            raise MalformedError(f"artefact: larger than {MAX_ARTEFACT_BYTES:,} bytes")
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        beside = path.with_suffix(".new")
        try:
            private_directory(path.parent)
            descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)  # readers see the whole file or none
        except OSError as error:
            if no_room(error):
                raise PushbackError(
                    "artefact: its disk is full", retry_after=ROOM_SECONDS
                ) from error
            raise RefusedError("artefact: it cannot be written") from error
        return digest

    def read(self, digest: str) -> bytes:
        """The bytes with this digest.

        Raises:
            NotFoundError: there is no such file.
            VerificationError: the file is not what its name says.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFoundError("artefact: there is none with this digest") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise VerificationError("artefact: the file was changed")
        return data

    def has(self, digest: str) -> bool:
        """Say whether there is a file of this name; only :meth:`read` checks what is in it."""
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:  # also keeps every path inside the root
            raise NotFoundError("artefact: not a digest")
        return self._root / "sha256" / digest[:2] / digest
