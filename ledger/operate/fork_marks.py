"""Marks of a suspected fork: files whose mere presence keeps every writer from writing.

Whoever learns that somebody holds another or a longer history of a log, from a witness
above all, leaves the evidence here, and each writer looks before each turn. Nothing of
this software removes a mark by itself: a person dismisses it, with a reason that goes
into the log, and the evidence is kept.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import LedgerError, MalformedError, RefusedError, StoppedError
from ledger.operate.checkpoint_lock import MAX_NOTE_BYTES
from ledger.private_files import private_directory, sync_directory, write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import VerifierKey

__all__ = ["MAX_MARKS", "ForkMarks", "Suspicion"]

MAX_MARKS: Final = 16  # kept: one is enough to stop, and a lying witness could send any number
MAX_NOTES: Final = 4  # of one suspicion: two histories, and what else was at hand
MAX_SAID: Final = 2_000  # characters: a sentence with an address and an origin in it
MAX_MARK_BYTES: Final = 2 * MAX_NOTES * MAX_NOTE_BYTES  # of a file: JSON may escape each character


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a fork is suspected.

    Attributes:
        origin: the log; "" if it is not known.
        at: when it was noticed, RFC 3339.
        said: what was noticed, in words, without anyone's data.
        notes: signed checkpoints that show it; () if all there is is somebody's word.
    """

    origin: str
    at: str
    said: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        texts = (self.origin, self.at, self.said, *self.notes)
        if not all(isinstance(each, str) for each in texts):
            raise MalformedError("fork mark: a member is not text")
        if len(self.said) > MAX_SAID or len(self.notes) > MAX_NOTES:
            raise MalformedError("fork mark: too long")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The suspicion that :meth:`format` wrote.

        Raises:
            MalformedError: it did not write this.
        """
        document = canonical.decode(data, max_bytes=MAX_MARK_BYTES)
        if not isinstance(document, Mapping) or document.keys() != {
            "origin",
            "at",
            "said",
            "notes",
        }:
            raise MalformedError("fork mark: not its members")
        notes = document["notes"]
        if not isinstance(notes, list):
            raise MalformedError("fork mark: notes is not an array")
        return cls(document["origin"], document["at"], document["said"], tuple(notes))  # type: ignore[arg-type]  # checked at birth

    def format(self) -> bytes:
        """The suspicion as canonical JSON."""
        return canonical.encode(self.to_json())

    def to_json(self) -> dict[str, JsonValue]:
        """The suspicion as a JSON object."""
        return {"origin": self.origin, "at": self.at, "said": self.said, "notes": list(self.notes)}

    def signed(self, keys: Sequence[VerifierKey]) -> tuple[tuple[str, Checkpoint], ...]:
        """The notes that these keys of the log really signed, each with its checkpoint."""
        found = []
        for note in self.notes:
            try:
                checkpoint = Checkpoint.parse(open_note(note, keys).text)
            except LedgerError:
                continue  # not the log's: somebody's word
            if checkpoint.origin == self.origin:
                found.append((note, checkpoint))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ForkMarks:
    """The marks of one deployment. Safe between threads and processes.

    Attributes:
        directory: the marks in force: it exists only while there are some.
        dismissed: where a person's dismissal puts them.
    """

    directory: Path
    dismissed: Path

    def check(self) -> None:
        """Return if no fork is suspected. One look at the disk, for each turn of a writer.

        Raises:
            StoppedError: one is.
        """
        # The directory alone is a mark: it is made first, and a crash may have come then.
        if os.path.lexists(self.directory):
            raise StoppedError(
                "FORK SUSPECTED: nothing is written until a person has looked at the evidence in"
                f" {self.directory.name}/; docs/operating.md, What to do on a fork"
            )

    def add(self, suspicion: Suspicion) -> None:
        """Leave a mark, durable when this returns. The same evidence twice is one mark.

        Raises:
            StoppedError: it cannot be written; then somebody has to stop the service.
        """
        # What was noticed and not when: each run of cron notices the same again.
        evidence = canonical.encode([suspicion.origin, suspicion.said, list(suspicion.notes)])
        try:
            private_directory(self.directory)
            sync_directory(self.directory.parent)  # from here on every writer is stopped
            if len(self._files()) < MAX_MARKS:
                name = f"{sha256(evidence).hexdigest()[:16]}.json"
                write_new(self.directory / name, suspicion.format())
        except FileExistsError:
            return
        except OSError as error:
            raise StoppedError(
                f"a suspected fork cannot be marked in {self.directory.name}/"
                f" ({error.strerror}): stop the service by hand"
            ) from error

    def all(self) -> tuple[Suspicion, ...]:
        """What is suspected, in no particular order.

        Raises:
            RefusedError: a mark cannot be read; it counts all the same.
        """
        found = []
        for path in self._files():
            try:
                with path.open("rb") as file:
                    found.append(Suspicion.parse(file.read(MAX_MARK_BYTES + 1)))
            except (OSError, LedgerError) as error:
                raise RefusedError(
                    f"fork mark: {path.name} cannot be read; look at it by hand"
                ) from error
        return tuple(found)

    def dismiss(self, at: datetime) -> Path:
        """Put the marks aside, all at once and kept; return where they are now.

        Raises:
            RefusedError: there are none, or they cannot be moved.
        """
        target = self.dismissed / f"{at:%Y%m%dT%H%M%S.%fZ}"
        try:
            private_directory(self.dismissed)
            self.directory.rename(target)
            sync_directory(self.dismissed)
            sync_directory(self.directory.parent)
        except FileNotFoundError:
            raise RefusedError("no fork is suspected here") from None
        except OSError as error:
            raise RefusedError("fork marks: they cannot be moved") from error
        return target

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("*.json")) if self.directory.is_dir() else []
