"""Checks the timestamps that lie beside a log: each token, over the checkpoint it is filed with.

That those checkpoints are the log's, and of one history with its entries, is left to the
audit, to which they are checkpoints like others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.canonical import JsonValue
from ledger.errors import LedgerError
from ledger.verify.findings import Code, Finding, Findings
from ledger.verify.reader import StoredCheckpoint, UnreadableError
from ledger.verify.timestamp_files import (
    NOTE,
    StampedNote,
    TimestampFiles,
    stem_of,
    timestamps_beside,
)
from ledger.verify.timestamps import Roots, Timestamp, UnknownAuthority, verify_timestamp

__all__ = ["ELSEWHERE", "NO_TIMESTAMPS", "LogTimestamps", "StampedSize", "TimestampedLog"]


@dataclass(frozen=True, slots=True)
class StampedSize:
    """A token that verifies: over a checkpoint of how many entries, and what it says."""

    size: int
    timestamp: Timestamp


@dataclass(frozen=True, slots=True)
class LogTimestamps:
    """What the timestamps beside one log are worth.

    Attributes:
        verified: the tokens that verify, by rising size.
        unchecked: how many tokens are of authorities whose root certificates were not given.
        findings: the tokens that do not verify.
        omitted: findings beyond those listed.
        looked_for: False if the log has no place beside it that is looked at.
    """

    verified: tuple[StampedSize, ...] = ()
    unchecked: int = 0
    findings: tuple[Finding, ...] = ()
    omitted: int = 0
    looked_for: bool = True

    def checked_lines(self) -> Iterator[str]:
        """What was checked, as items of a list for people: how many, the oldest and the newest."""
        tokens = len(self.verified) + len(self.findings) + self.omitted
        if not tokens:
            return
        yield f"  - {tokens:,} timestamps, against the root certificates that you trust"
        by_time = sorted(self.verified, key=lambda each: each.timestamp.at)
        for each in dict.fromkeys((*by_time[:1], *by_time[-1:])):
            yield f"      the checkpoint of size {each.size:,} {each.timestamp}"

    def unchecked_lines(self) -> Iterator[str]:
        """What was not checked, in words for people."""
        if self.unchecked:
            yield (
                f"{self.unchecked:,} timestamps: that takes the root certificates of their"
                " authorities (--tsa-roots)"
            )
        if not self.looked_for:
            yield "its timestamps, if it has any: they are looked for beside files alone"

    def to_json(self) -> list[JsonValue]:
        """The tokens that verify, as JSON."""
        return [{"size": each.size} | each.timestamp.to_json() for each in self.verified]


NO_TIMESTAMPS: Final = LogTimestamps()
ELSEWHERE: Final = LogTimestamps(looked_for=False)


@dataclass(frozen=True, slots=True)
class TimestampedLog:
    """The checkpoints of a log that have tokens, as they were listed at one moment.

    List them before the log is opened: what is stamped later is of a log that grew meanwhile.
    """

    files: TimestampFiles
    notes: tuple[StampedNote, ...]

    @classmethod
    def beside(cls, target: Path, origin: str) -> "TimestampedLog":
        """Those of the log `origin` that lie beside or in `target`, a database or a directory.

        Raises:
            UnreadableError: they cannot be listed.
            MalformedError: there are too many.
        """
        files = TimestampFiles(timestamps_beside(target, origin))
        return cls(files, files.notes())

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """The checkpoints, by rising size, for an audit to hold against the log's entries.

        Raises:
            UnreadableError: one cannot be read.
        """
        for each in self.notes:
            note = self.files.note(each.stem)
            if note is not None:
                yield StoredCheckpoint(each.size, note)

    def check(self, roots: Roots | None) -> LogTimestamps:
        """What the tokens are worth to whoever trusts `roots`; None checks none.

        Raises:
            UnreadableError: a file cannot be read, or `rfc3161-client` is not installed.
        """
        if roots is None:
            return LogTimestamps(unchecked=sum(len(each.tokens) for each in self.notes))
        findings, unchecked = Findings(), 0
        verified: list[StampedSize] = []
        for stamped in self.notes:
            note = self.files.note(stamped.stem)
            for name in stamped.tokens:
                found = self._checked(stamped, note, name, roots)
                if found is None:
                    unchecked += 1
                elif isinstance(found, str):
                    findings.add(Code.TIMESTAMP_REFUSED, None, f"{name}: {found}")
                else:
                    verified.append(StampedSize(stamped.size, found))
        return LogTimestamps(tuple(verified), unchecked, findings.sorted(), findings.omitted)

    def _checked(
        self, stamped: StampedNote, note: str | None, name: str, roots: Roots
    ) -> Timestamp | str | None:
        """What the token says, or what is wrong with it; None if only its roots could tell."""
        token = self.files.token(name)
        if note is None or token is None:
            return f"it or {stamped.stem}{NOTE}, which it should be over, is missing"
        try:
            if stem_of(note) != stamped.stem:
                return "it is filed with another checkpoint than its name says"
            return verify_timestamp(token, note, roots)
        except UnknownAuthority:
            return None  # to hide a token so is no more than to remove it
        except UnreadableError:
            raise
        except LedgerError as error:
            return str(error)
