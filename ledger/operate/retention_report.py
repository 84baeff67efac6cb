"""The report of a dry run: by which rules what is due, how much, and what is held back and why.

One file for each, canonical JSON, never changed: the run that follows is only of what stands
in it. It names no decision and nobody, but policies, classes, rules and holds.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import MalformedError, NotFoundError, VerificationError
from ledger.private_files import write_new

__all__ = ["RunReport", "digest_of", "keep_report", "read_report", "written"]

MAX_REPORT_BYTES: Final = 4_000_000  # thousands of policies, each with its rules
_ID: Final = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class RunReport:
    """A dry run as its file says it.

    Attributes:
        run: its id.
        members: all of it.
        digest: SHA-256 of the file, in hex: what the access log commits to.
    """

    run: str
    members: Mapping[str, JsonValue]
    digest: str

    def text(self, member: str) -> str:
        """A member that is text."""
        return str(self.members[member])

    def count(self, member: str) -> int:
        """A member that is a number."""
        return int(cast("int", self.members[member]))


def keep_report(directory: Path, run: str, members: Mapping[str, JsonValue]) -> RunReport:
    """The report, kept durably before anything is planned by it."""
    raw = canonical.encode(members)
    write_new(directory / f"{run}.json", raw)
    return RunReport(run, members, hashlib.sha256(raw).hexdigest())


def read_report(directory: Path, run: str) -> RunReport:
    """The report of this run.

    Raises:
        NotFoundError: there is none.
        VerificationError: the file is not one that was written here.
    """
    if not _ID.fullmatch(run):
        raise NotFoundError("retention: there is no dry run with this id")
    try:
        with (directory / f"{run}.json").open("rb") as file:
            raw = file.read(MAX_REPORT_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("retention: there is no dry run with this id") from None
    try:
        members: Any = canonical.decode(raw, max_bytes=MAX_REPORT_BYTES)
    except MalformedError as error:
        raise VerificationError("retention: the report of the dry run was changed") from error
    if not isinstance(members, dict) or members.get("run") != run:
        raise VerificationError("retention: the report of the dry run was changed")
    return RunReport(run, members, hashlib.sha256(raw).hexdigest())


def digest_of(record_ids: Iterable[str]) -> str:
    """SHA-256 in hex of ids in rising order, one a line."""
    digest = hashlib.sha256()
    for each in record_ids:
        digest.update(f"{each}\n".encode())
    return digest.hexdigest()


def written(at: datetime | None) -> str | None:
    """A moment as text, in UTC."""
    if at is None:
        return None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
