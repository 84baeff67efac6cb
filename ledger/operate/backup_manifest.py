"""What a backup says it is: its files by digest, and where the logs stood.

Written last, so that a directory without one is no backup. It is not signed: the logs in
it are, and everything else is only as good as the place where the backup was kept. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import MalformedError

__all__ = ["MAX_MANIFEST_BYTES", "BackedUpFile", "BackedUpLog", "BackupManifest", "Part"]

VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 64_000_000  # some 300,000 files; a model version has three or four
MAX_PATH: Final = 400  # characters, relative to the backup
MAX_LOGS: Final = 64  # one deployment keeps a handful

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
# Names of ours and of digests: nothing hidden, no `..`, no root, no other separator.
_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)


class Part(StrEnum):
    """The parts of a deployment that are backed up apart, and kept for different times."""

    LEDGER = "ledger"
    VAULT = "vault"


class Engine(StrEnum):
    """What keeps the database, and so the form of its copy."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class BackedUpFile:
    """One file: its path in the backup, with `/`, its SHA-256 in hex, and its length."""

    path: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        texts = isinstance(self.path, str) and isinstance(self.sha256, str)
        if not texts or len(self.path) > MAX_PATH or not _PATH.fullmatch(self.path):
            raise MalformedError("backup: a path that no file of a backup has", member="files")
        if not _DIGEST.fullmatch(self.sha256) or not _is_count(self.bytes):
            raise MalformedError("backup: a file without digest and length", member="files")


@dataclass(frozen=True, slots=True)
class BackedUpLog:
    """Where one log stood: its origin, its size, and its newest checkpoint as it was signed.

    Of the ledger that is what the backup holds. Of the vault it is what the logs held just
    before it was copied: it opens every record of theirs.
    """

    origin: str
    size: int
    checkpoint: str

    def __post_init__(self) -> None:
        if not isinstance(self.origin, str) or not isinstance(self.checkpoint, str):
            raise MalformedError("backup: a log without origin and checkpoint", member="logs")
        if not _is_count(self.size):
            raise MalformedError("backup: a log without its size", member="logs")


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """One backup of one part.

    Attributes:
        part: what of the deployment it holds.
        software: what wrote it, `name/version`.
        created: when it was begun, RFC 3339 in UTC, by the operator's clock.
        origin: the base of the logs' names.
        engine: what the database is kept by.
        logs: where the logs stood.
        files: everything else in the directory, by path.
    """

    part: Part
    software: str
    created: str
    origin: str
    engine: Engine
    logs: tuple[BackedUpLog, ...]
    files: tuple[BackedUpFile, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(each, str) for each in (self.software, self.created, self.origin)):
            raise MalformedError("backup: a member is not text")
        if not _TIME.fullmatch(self.created):
            raise MalformedError("backup: not a time in UTC", member="created")
        origins, paths = [log.origin for log in self.logs], [file.path for file in self.files]
        if not 0 < len(origins) <= MAX_LOGS or origins != sorted(set(origins)):
            raise MalformedError("backup: not logs in the order of their names", member="logs")
        if paths != sorted(set(paths)):
            raise MalformedError("backup: not files in the order of their names", member="files")
        if self.database not in paths:
            raise MalformedError("backup: no database among its files", member="files")

    @property
    def database(self) -> str:
        """The name of the file that holds the database."""
        return database_name(self.part, self.engine)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The manifest that :meth:`format` wrote.

        Raises:
            MalformedError: it did not write this.
        """
        document = canonical.decode(data, max_bytes=MAX_MANIFEST_BYTES)
        members = {"v", "part", "software", "created", "origin", "engine", "logs", "files"}
        if not isinstance(document, Mapping) or document.keys() != members:
            raise MalformedError("backup: not the members of a manifest")
        if document["v"] != VERSION or document["v"] is True:
            raise MalformedError("backup: a manifest of another version", member="v")
        try:
            part, engine = Part(document["part"]), Engine(document["engine"])  # type: ignore[arg-type]  # it checks
        except ValueError:
            raise MalformedError("backup: not a part and an engine", member="part") from None
        logs = [BackedUpLog(*each) for each in _rows(document, "logs", BackedUpLog)]
        files = [BackedUpFile(*each) for each in _rows(document, "files", BackedUpFile)]
        said = (document["software"], document["created"], document["origin"])
        return cls(part, *said, engine, tuple(logs), tuple(files))  # type: ignore[arg-type]  # checked at birth

    def format(self) -> bytes:
        """The manifest as canonical JSON."""
        return canonical.encode(
            {
                "v": VERSION,
                "part": self.part.value,
                "software": self.software,
                "created": self.created,
                "origin": self.origin,
                "engine": self.engine.value,
                "logs": [_members(each) for each in self.logs],
                "files": [_members(each) for each in self.files],
            }
        )


def database_name(part: Part, engine: Engine) -> str:
    """The file that holds the database of a part: a SQLite file, or an archive of pg_dump."""
    return f"{part}.db" if engine is Engine.SQLITE else f"{part}.dump"


def _members(row: BackedUpLog | BackedUpFile) -> dict[str, JsonValue]:
    return {name: getattr(row, name) for name in row.__slots__}


def _rows(
    document: Mapping[str, JsonValue], member: str, kind: type[BackedUpLog | BackedUpFile]
) -> list[list[Any]]:
    """The members of each object of an array, in the order of the value's own; any types."""
    array = document[member]
    names = kind.__slots__
    if not isinstance(array, list):
        raise MalformedError("backup: not an array", member=member)
    rows = []
    for each in array:
        if not isinstance(each, Mapping) or each.keys() != set(names):
            raise MalformedError("backup: not the members that it has", member=member)
        rows.append([each[name] for name in names])
    return rows


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
