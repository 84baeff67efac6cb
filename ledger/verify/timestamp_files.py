"""Where a log's timestamps lie: a directory of checkpoints and the tokens over them.

    <size>-<16 hex>.note            a checkpoint as the log signed it: what tokens are over
    <size>-<16 hex>.cosigned        the same with cosignatures, if witnesses had given any
    <size>-<16 hex>.<8 hex>.tsr     an authority's answer, a TimeStampResp in DER

The first digits of SHA-256 of the note, and of the authority's address, make the names. No
file ever changes. The operator keeps this beside the database as `timestamps/<log>`, and
publishes it as `timestamps` beside the tiles. Reads only, and judges nothing.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.errors import MalformedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.verify.reader import MAX_NOTE_BYTES, UnreadableError
from ledger.verify.timestamps import MAX_TOKEN_BYTES, as_signed

__all__ = [
    "COSIGNED",
    "INDEX",
    "NOTE",
    "TIMESTAMPS",
    "TOKEN",
    "StampedNote",
    "TimestampFiles",
    "is_file_name",
    "stem_of",
    "timestamps_beside",
    "token_name",
]

TIMESTAMPS: Final = "timestamps"  # the directory's name
INDEX: Final = "index.txt"  # of a published directory: the names of its files, one a line
NOTE, COSIGNED, TOKEN = ".note", ".cosigned", ".tsr"
MAX_FILES: Final = 500_000  # an hourly token of two authorities, for ten years, takes 260,000

_FILE: Final = re.compile(
    r"(?:0|[1-9][0-9]{0,18})-[0-9a-f]{16}\.(?:note|cosigned|[0-9a-f]{8}\.tsr)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class StampedNote:
    """One checkpoint of the directory: its stem, the size it is filed under, its tokens' files."""

    stem: str
    size: int
    tokens: tuple[str, ...]


def is_file_name(name: str) -> bool:
    """Whether a file of this directory may have this name."""
    return _FILE.fullmatch(name) is not None


def stem_of(note: str) -> str:
    """What the names of a checkpoint's files begin with.

    Raises:
        MalformedError: not a signed checkpoint, or the log did not sign it.
    """
    signed = as_signed(note)
    size = Checkpoint.parse(SignedNote.parse(signed).text).size
    return f"{size}-{sha256(signed.encode()).hexdigest()[:16]}"


def token_name(stem: str, address: str) -> str:
    """The file of the token that the authority at this address gave."""
    return f"{stem}.{sha256(address.encode()).hexdigest()[:8]}{TOKEN}"


def timestamps_beside(target: Path, origin: str) -> Path:
    """Where the timestamps of a log lie that is itself at `target`.

    Beside a database they are filed under the last part of the origin, for this and the other
    log of a ledger.
    """
    if target.is_dir():
        return target / TIMESTAMPS
    return target.parent / TIMESTAMPS / origin.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class TimestampFiles:
    """A directory of timestamps; it need not be there. Every method may raise UnreadableError."""

    directory: Path

    def names(self) -> tuple[str, ...]:
        """The names of all its files, in order. What has another form of name is not of them.

        Raises:
            MalformedError: more than `MAX_FILES`.
        """
        try:
            found = [each.name for each in self.directory.iterdir() if is_file_name(each.name)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise UnreadableError(f"cannot list {TIMESTAMPS} ({error.strerror})") from error
        if len(found) > MAX_FILES:
            raise MalformedError(f"{TIMESTAMPS}: more than {MAX_FILES:,} files")
        return tuple(sorted(found))

    def notes(self) -> tuple[StampedNote, ...]:
        """Every checkpoint that has a token, by rising size.

        Raises:
            MalformedError: too many files.
        """
        tokens: dict[str, list[str]] = {}
        for name in self.names():
            stem, _, kind = name.partition(".")
            if kind.endswith(TOKEN):
                tokens.setdefault(stem, []).append(name)
        found = (
            StampedNote(stem, int(stem.partition("-")[0]), tuple(each))
            for stem, each in tokens.items()
        )
        return tuple(sorted(found, key=lambda each: each.size))

    def note(self, stem: str, suffix: str = NOTE) -> str | None:
        """A checkpoint, or with `COSIGNED` its cosigned edition; None if there is none.

        What is not UTF-8 or too long comes cut or replaced, so that a check refuses it.
        """
        data = self.read(f"{stem}{suffix}", MAX_NOTE_BYTES)
        return None if data is None else data.decode("utf-8", "replace")

    def token(self, name: str) -> bytes | None:
        """A token, cut one byte after the most that one may have; None if there is none."""
        return self.read(name, MAX_TOKEN_BYTES)

    def read(self, name: str, most: int) -> bytes | None:
        """A file, cut one byte after `most`; None if there is none."""
        try:
            with (self.directory / name).open("rb") as file:
                return file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableError(f"cannot read {name} ({error.strerror})") from error
