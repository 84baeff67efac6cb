"""The ZIP itself: files with their digests, none of them whole in memory but for small ones."""

import hashlib
import zipfile
from types import TracebackType
from typing import IO, Any, Final, Self

__all__ = ["Archive"]

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # ZIP's first moment: when a file was packed says nothing
_CHUNK: Final = 1 << 20


class Archive:
    """A ZIP that is being written; `listed` says of each file its path, bytes and SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self.listed: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def add(self, name: str, content: bytes) -> None:
        """Pack a file, and list it."""
        self._list(name, len(content), hashlib.sha256(content).hexdigest())
        self.pack(name, content)

    def pack(self, name: str, content: bytes) -> None:
        """Pack a file that the list cannot have: the list itself, and what comes after it."""
        self._zip.writestr(_entry(name), content)

    def add_file(self, name: str, source: IO[bytes]) -> None:
        """Pack what is left to read of a file of any size, and list it."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(_entry(name), "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        self._list(name, size, digest.hexdigest())

    def _list(self, name: str, size: int, digest: str) -> None:
        self.listed.append({"path": name, "bytes": size, "sha256": digest})


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
