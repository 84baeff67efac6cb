"""Copies of a whole database as of one moment, while others write to it, and back.

SQLite is copied page by page by its own backup interface, into one file without a
write-ahead log. PostgreSQL is left to its own `pg_dump` and `pg_restore`, in the archive
format: unlike a script for psql it cannot run commands on the machine that reads it.
"""

import contextlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Final, cast

from sqlalchemy import Connection, Engine, create_engine, func, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ledger.errors import LedgerError
from ledger.private_files import FILE_MODE
from ledger.storage.database import translated

__all__ = [
    "Progress",
    "check_archive",
    "copied",
    "dump_command",
    "dumped_rows",
    "engine_of",
    "open_reader",
    "restore_dump",
    "sqlite_path",
]

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""

_PAGES: Final = 2_048  # copied at a time: 8 MB, so that progress is seen and little is locked
_BUSY_SECONDS: Final = 10.0  # that another process may keep the file to itself
MAX_LINE_BYTES: Final = 4_000_000  # of one row as text: a payload has twice its bytes in hex
_SAID: Final = 300  # characters of a program's last line that are passed on


def engine_of(url: str) -> str:
    """`sqlite` or `postgresql`.

    Raises:
        LedgerError: the address is of neither.
    """
    try:
        name = make_url(url).get_backend_name()
    except (SQLAlchemyError, ValueError):
        raise LedgerError("database: its address does not read") from None
    if name not in {"sqlite", "postgresql"}:
        raise LedgerError("database: neither SQLite nor PostgreSQL")
    return name


def open_reader(url: str) -> Engine:
    """An engine that only reads, and makes nothing that is not there.

    Raises:
        LedgerError: the address is of neither SQLite nor PostgreSQL.
    """
    if engine_of(url) == "sqlite":
        return _reader(sqlite_path(url))
    driven = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(driven, hide_parameters=True, poolclass=NullPool)


@contextlib.contextmanager
def copied(url: str, target: Path, on_progress: Progress) -> Iterator[Connection]:
    """Copy the database to the file `target`, and read the very moment that was copied.

    The file is whole and durable once this is entered; the connection sees what is in it.

    Raises:
        LedgerError: the database or the program that copies it cannot be used.
        OSError: the target cannot be written.
    """
    if engine_of(url) == "sqlite":
        _copy_sqlite(sqlite_path(url), target, on_progress)
        with translated(), _reader(target).connect() as connection:
            yield connection
        return
    _require(dump_command(url, target))
    once = open_reader(url).execution_options(isolation_level="REPEATABLE READ")
    with translated(), once.connect() as connection:
        # The dump reads this transaction's snapshot, so its heads are the ones read here.
        snapshot = connection.scalar(select(func.pg_export_snapshot()))
        _run(dump_command(url, target, snapshot=str(snapshot)), url)
        _sync(target)
        yield connection


def dump_command(url: str, target: Path, *, snapshot: str = "") -> list[str]:
    """The command that dumps a PostgreSQL database to a file, without its password."""
    at = [f"--snapshot={snapshot}"] if snapshot else []
    return [
        "pg_dump",
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        *at,
        f"--file={target}",
        f"--dbname={_without_password(url)}",
    ]


def restore_dump(archive: Path, url: str) -> None:
    """Put an archive of :func:`copied` into an empty PostgreSQL database: all of it or nothing.

    Raises:
        LedgerError: `pg_restore` is not there, or refused.
    """
    command = ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner",
               "--no-privileges", f"--dbname={_without_password(url)}", str(archive)]  # fmt: skip
    _run(command, url)


@contextlib.contextmanager
def dumped_rows(archive: Path, table: str) -> Iterator[Iterator[bytes]]:
    """The lines of one table in an archive, in the text form of COPY, without a server.

    Raises:
        LedgerError: `pg_restore` is not there, or cannot read the archive.
    """
    command = ["pg_restore", "--data-only", f"--table={table}", "--file=-", str(archive)]
    _require(command)
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            lines = cast("IO[bytes]", process.stdout)
            yield iter(partial(lines.readline, MAX_LINE_BYTES), b"")
        complaints.seek(0)
        said = complaints.read()
    if process.returncode:
        raise LedgerError(f"pg_restore cannot read {archive.name}: {_last_line(said)}")


def check_archive(archive: Path) -> None:
    """Return if `pg_restore` can read what an archive holds.

    Raises:
        LedgerError: it cannot, or is not there.
    """
    _run(["pg_restore", "--list", str(archive)], "postgresql://")


def sqlite_path(url: str) -> Path:
    """The file of a SQLite address.

    Raises:
        LedgerError: it names none.
    """
    name = make_url(url).database
    if not name or name == ":memory:":
        raise LedgerError("database: SQLite needs a file")
    return Path(name)


def _copy_sqlite(source: Path, target: Path, on_progress: Progress) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    try:
        with (
            contextlib.closing(_connect(source, "ro")) as reading,
            contextlib.closing(_connect(target, "rw")) as writing,
        ):
            # Inside a read transaction the moment stays; otherwise every commit of a writer
            # would make the copy begin again.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            size = reading.execute("PRAGMA page_size").fetchone()[0]

            def progress(_status: int, remaining: int, total: int) -> None:
                on_progress((total - remaining) * size, total * size)

            reading.backup(writing, pages=_PAGES, progress=progress, sleep=0)
            writing.execute("PRAGMA journal_mode=DELETE")  # the copy is one file
            found = writing.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise LedgerError(f"database: {source.name} cannot be copied ({error})") from error
    if found != ("ok",):
        raise LedgerError(f"database: {source.name} is damaged: its copy fails SQLite's check")
    _sync(target)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _reader(path: Path) -> Engine:
    return create_engine("sqlite://", creator=lambda: _connect(path, "ro"), poolclass=NullPool)


def _sync(path: Path) -> None:
    path.chmod(FILE_MODE)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_password(url: str) -> str:
    """The address for a command line, which every user of the machine can read."""
    address = make_url(url).set(drivername="postgresql")
    bare = URL.create(
        address.drivername,
        address.username,
        None,
        address.host,
        address.port,
        address.database,
        address.query,
    )
    return bare.render_as_string()


def _run(command: list[str], url: str) -> None:
    _require(command)
    password = make_url(url).password
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    if done.returncode:
        raise LedgerError(f"{command[0]} refused: {_last_line(done.stderr)}")


def _require(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        raise LedgerError(
            f"{command[0]} is not on PATH; what it would run is: {shlex.join(command)}"
        )


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_SAID] if lines else "it did not say why"
