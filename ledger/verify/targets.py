"""From what somebody wants checked to readers of its logs: an address, a file, a directory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.tlog.policy import Policy
from ledger.verify.directory_reader import DirectoryLogReader
from ledger.verify.reader import LogReader

WEB: Final = ("http://", "https://")
POSTGRES: Final = ("postgresql://", "postgres://")


def is_address(target: str) -> bool:
    """Whether the target is somewhere on a network, and no file."""
    return target.startswith((*WEB, *POSTGRES))


def is_one_log(target: str) -> bool:
    """Whether the target can only ever hold one log; a database holds all of a ledger's."""
    return target.startswith(WEB) or Path(target).is_dir()


@contextmanager
def open_logs(target: str, policy: Policy) -> Iterator[Sequence[LogReader]]:
    """A reader for each log of the target. What a file is, is told by its content.

    What one of them needs is loaded only for that one: a relying party waits for nothing else.

    Raises:
        UnreadableError: it cannot be read.
    """
    if target.startswith(WEB):
        from ledger.verify.http_reader import HttpLogReader

        with HttpLogReader.open(target, policy) as reader:
            yield (reader,)
    elif target.startswith(POSTGRES):
        from ledger.verify.postgres_reader import PostgresLogReader

        with PostgresLogReader.open(target) as readers:
            yield readers
    elif Path(target).is_dir():
        yield (DirectoryLogReader(Path(target)),)
    else:
        from ledger.verify.dump_reader import is_dump, open_dump
        from ledger.verify.sqlite_reader import SqliteLogReader

        path = Path(target)
        with open_dump(path) if is_dump(path) else SqliteLogReader.open(path) as readers:
            yield readers
