"""Manifests kept by digest, each with the log entry that registered it.

A row counts only if its entry is in the log and says so, and its bytes only if they have their
digest: the table is not trusted. The row is written before the entry, so that a
crash between the two leaves a row that the next attempt takes up.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Engine, Row, Table, delete, insert, select

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.entries import ModelVersionRegistered, PolicyRegistered, parse_entry
from ledger.errors import ConflictError, MalformedError, NotFoundError, VerificationError
from ledger.operate.log_writer import LogWriter, Record, Submission
from ledger.operate.published_log import PublishedLog
from ledger.storage.database import reading, writing

MAX_MANIFEST_BYTES: Final = 4_000_000  # 512 features and 64 golden rows take under 2 MB

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_VERSION: Final = re.compile(r"[A-Za-z0-9._+-]{1,99}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Registered:
    """A manifest, its SHA-256 in hex, and the name and version that it states."""

    digest: str
    name: str
    version: str
    manifest: Mapping[str, JsonValue]


class Manifests:
    """The manifests of one kind: `noun` is "model" or "policy"."""

    def __init__(
        self,
        engine: Engine,
        log: PublishedLog,
        writer: LogWriter,
        table: Table,
        body: type[ModelVersionRegistered | PolicyRegistered],
    ) -> None:
        self._engine = engine
        self._log = log
        self._writer = writer
        self._table = table
        self._body = body
        self._noun = "model" if body is ModelVersionRegistered else "policy"
        self._known: dict[str, Registered] = {}  # by digest and by reference: neither changes

    def register(self, manifest: Mapping[str, JsonValue], entry_id: str) -> Registered:
        """Keep a manifest and log it under `entry_id`; the same one again changes nothing.

        Raises:
            MalformedError: it has no name or version, or is too large.
            ConflictError: this name and version has another manifest.
        """
        raw = canonical.encode(manifest)
        if len(raw) > MAX_MANIFEST_BYTES:
            raise MalformedError(f"manifest: larger than {MAX_MANIFEST_BYTES:,} bytes")
        name = _text(manifest, "name", _NAME)
        version = _text(manifest, "version", _VERSION)
        digest = hashlib.sha256(raw).hexdigest()
        with self._log.alone(f"registry/{self._noun}"):
            row = self._same_name(name, version)
            if row is not None and row.digest != digest:
                if self._is_logged(row):
                    raise ConflictError(
                        "manifest: this name and version is registered with other content",
                        member="version",
                    )
                self._forget(row)
                row = None
            if row is None:
                self._insert(digest, name, version, raw, entry_id)
            elif self._is_logged(row):
                return self.find(digest)
            record = Record.of(row.entry_id if row else entry_id, self._body(digest))
            self._writer.write(Submission((record,)))
        return self.find(digest)

    def find(self, reference: str) -> Registered:
        """The manifest with this digest or `name@version`.

        Raises:
            NotFoundError: there is none; `member` is the noun.
            VerificationError: what is stored is not what was registered.
        """
        if reference in self._known:
            return self._known[reference]
        name, at, version = reference.partition("@")
        columns = self._table.c
        if at:
            # What no manifest could be called is not asked for: PostgreSQL refuses a NUL.
            named = _NAME.fullmatch(name) and _VERSION.fullmatch(version)
            row = self._same_name(name, version) if named else None
        else:
            row = self._one(columns.digest == reference) if _DIGEST.fullmatch(name) else None
        if row is None or not self._is_logged(row):
            raise NotFoundError(f"registry: there is no such {self._noun}", member=self._noun)
        found = _checked(row)
        self._known[found.digest] = self._known[f"{found.name}@{found.version}"] = found
        return found

    def all(self) -> tuple[Registered, ...]:
        """Every registered manifest of this kind, by name and version."""
        query = select(self._table.c.digest, self._table.c.entry_id).order_by(
            self._table.c.name, self._table.c.version
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        logged = self._log.locate([row.entry_id for row in rows])
        return tuple(self.find(row.digest) for row in rows if row.entry_id in logged)

    def _same_name(self, name: str, version: str) -> Row[Any] | None:
        return self._one((self._table.c.name == name) & (self._table.c.version == version))

    def _one(self, condition: ColumnElement[bool]) -> Row[Any] | None:
        with reading(self._engine) as connection:
            return connection.execute(select(self._table).where(condition)).one_or_none()

    def _is_logged(self, row: Row[Any]) -> bool:
        """Say whether the log has the row's entry.

        Raises:
            VerificationError: it has, but the entry registers something else.
        """
        try:
            entry = parse_entry(self._log.entry(row.entry_id))
        except NotFoundError:
            return False
        if entry.body != self._body(row.digest):
            raise VerificationError("registry: the log never registered this manifest")
        return True

    def _insert(self, digest: str, name: str, version: str, raw: bytes, entry_id: str) -> None:
        values = {"digest": digest, "name": name, "version": version, "manifest": raw}
        with writing(self._engine) as connection:
            connection.execute(insert(self._table).values(**values, entry_id=entry_id))

    def _forget(self, row: Row[Any]) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(self._table).where(self._table.c.digest == row.digest))


def _checked(row: Row[Any]) -> Registered:
    raw = bytes(row.manifest)
    if hashlib.sha256(raw).hexdigest() != row.digest:
        raise VerificationError("registry: the manifest was changed")
    manifest = cast("Mapping[str, JsonValue]", canonical.decode(raw, max_bytes=MAX_MANIFEST_BYTES))
    if (manifest.get("name"), manifest.get("version")) != (row.name, row.version):
        raise VerificationError("registry: the manifest is filed under another name")
    return Registered(row.digest, row.name, row.version, manifest)


def _text(manifest: Mapping[str, JsonValue], member: str, pattern: re.Pattern[str]) -> str:
    value = manifest.get(member)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise MalformedError("manifest: not a short name without blanks", member=member)
    return value
