"""Reads the files that somebody gives a check: at most so many bytes, or it is said why not."""

from pathlib import Path

from ledger.errors import MalformedError
from ledger.verify.reader import UnreadableError


def read_text(path: Path, most: int) -> str:
    """The text of a file.

    Raises:
        UnreadableError: it cannot be read.
        MalformedError: it is longer than `most` bytes, or not UTF-8.
    """
    try:
        return read(path, most).decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path.name}: not UTF-8") from error


def read(path: Path, most: int) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableError: it cannot be read.
        MalformedError: it is longer than `most` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"cannot read {path.name} ({error.strerror})") from error
    if len(data) > most:
        raise MalformedError(f"{path.name}: longer than {most:,} bytes")
    return data
