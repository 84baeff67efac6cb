"""Opening a database and bringing its schema up to date.

Two databases belong to a deployment: the *ledger* (log, registry, sealed payloads)
and the *vault* (keys and everything searchable about people). They are separate so
that their backups are. This module knows connections and migrations; what is in the
tables is `ledger.storage.models`.

The database is the first fence, not the boundary: whoever owns the file can still
change it, and only the log's proofs and copies held elsewhere show that.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

import alembic.command
import alembic.config
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from ledger.errors import ConflictError, LedgerError, PushbackError, StoppedError
from ledger.private_files import FILE_MODE, ROOM_SECONDS, private_directory

BUSY_TIMEOUT_MS: Final = 10_000  # SQLite: how long a writer waits for another process's commit
RETRY_AFTER_SECONDS: Final = 2.0  # what a caller is told when the database does not answer

_PING_AFTER_SECONDS: Final = 1.0
_USED: Final = "ledger_used"
_UNWRITABLE: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY")  # and their extended codes
_FULL: Final = ("SQLITE_FULL", "53100")  # disk_full of PostgreSQL
# A PostgreSQL that fell silent is noticed in seconds, so that threads do not wait for hours.
_PATIENCE: Final = {
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds
}
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an answered commit survives the power going out
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA recursive_triggers=ON",  # or INSERT OR REPLACE deletes a row past its trigger
    "PRAGMA trusted_schema=OFF",
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten, not merely unlinked
)
_ROOMY_PRAGMAS: Final = (
    "PRAGMA cache_size=-65536",  # KiB, of each database
    "PRAGMA wal_autocheckpoint=8192",  # pages of 4 KiB; the log is copied back after 32 MB
)


class Schema(StrEnum):
    """The two databases of a deployment; each has its own line of migrations."""

    LEDGER = "ledger"
    VAULT = "vault"


def open_database(url: str) -> Engine:
    """An engine for a `sqlite:///file` or `postgresql+psycopg://…` address.

    A SQLite file is created if it is not there, readable by its owner only.

    Raises:
        LedgerError: the address does not read, or names another kind of database, or no file.
    """
    try:
        address = make_url(url)
    except (SQLAlchemyError, ValueError):
        # Neither chained nor quoted: what does not read as an address may be a password.
        raise LedgerError(
            "database: its address does not read; in a user's name or password write"
            " anything but letters and digits as %XX"
        ) from None
    dialect = address.get_backend_name()
    if dialect not in {"sqlite", "postgresql"}:
        raise LedgerError("database: neither SQLite nor PostgreSQL")
    if dialect == "postgresql":
        address = address.set(drivername="postgresql+psycopg").update_query_dict(
            {name: text for name, text in _PATIENCE.items() if name not in address.query}
        )
        engine = create_engine(address, hide_parameters=True)
        event.listen(engine, "checkout", partial(_ping_after_a_pause, engine))
        event.listen(engine, "checkin", _note_use)
        return engine
    if not address.database or address.database == ":memory:":
        raise LedgerError("database: SQLite needs a file")
    _create_private_file(Path(address.database))
    engine = create_engine(address, hide_parameters=True)
    event.listen(engine, "do_connect", _never_made_anew(Path(address.database)))
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def give_room(engine: Engine) -> None:
    """Let this process's connections hold much of a SQLite database, and its log grow longer.

    For the one process that writes. The index of subjects is written all over: each record
    touches a page of its own, which SQLite would else read again and copy back at once.
    PostgreSQL has a cache of its own.
    """
    if engine.name == "sqlite":
        event.listen(engine, "connect", _roomy_sqlite)
        engine.dispose()  # what is connected already has little room


def migrate(engine: Engine, schema: Schema) -> None:
    """Bring the database to the newest schema; nothing changes if it is there already.

    Raises:
        PushbackError: the database does not answer.
        LedgerError: it cannot be migrated.
    """
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS / schema.value))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction: everything read in it is of one moment.

    Raises:
        PushbackError, ConflictError, LedgerError: as :func:`translated` says.
    """
    with translated(), _reader(engine).begin() as connection:
        yield connection


@contextlib.contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """A connection for one statement that reads: a transaction around it would only take time.

    Raises:
        PushbackError, ConflictError, LedgerError: as :func:`translated` says.
    """
    with translated(), _asker(engine).connect() as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction, committed at the end or rolled back whole.

    On SQLite it takes the write lock at once, so that what it reads stays true.

    Raises:
        PushbackError, ConflictError, LedgerError: as :func:`translated` says.
    """
    with translated(), _writer(engine).begin() as connection:
        yield connection


def in_turn(connection: Connection, name: str) -> None:
    """Wait until no other transaction of this name is open, in any process; hold until the end.

    For a write transaction that decides by what it reads. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


# Engines with options share the pool of the one they are made from; making one costs as
# much as a small query. A deployment has two databases.
@functools.lru_cache(maxsize=8)
def _reader(engine: Engine) -> Engine:
    if engine.name != "postgresql":
        return engine  # SQLite's transactions are snapshots already
    return engine.execution_options(isolation_level="REPEATABLE READ")


@functools.lru_cache(maxsize=8)
def _asker(engine: Engine) -> Engine:
    if engine.name != "postgresql":
        return engine  # SQLite's driver begins nothing unless it is told to
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@functools.lru_cache(maxsize=8)
def _writer(engine: Engine) -> Engine:
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise the ledger's errors in place of the database's.

    Raises:
        PushbackError: the database is away, full or busy: wait.
        ConflictError: a constraint or fence refused the write.
        LedgerError: anything else.
    """
    try:
        yield
    except IntegrityError as error:
        raise ConflictError("database: a constraint refused the write") from error
    except (OperationalError, InterfaceError, NoConnectionFree) as error:
        raise _outage(getattr(error, "orig", None)) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == "P0001":  # RAISE EXCEPTION of a fence
            raise ConflictError("database: a fence refused the write") from error
        if state == "42501":  # insufficient_privilege
            raise LedgerError("database: its role lacks a privilege (see GRANT)") from error
        raise LedgerError("database: the statement failed") from error
    except SQLAlchemyError as error:
        raise LedgerError("database: the statement failed") from error


def _outage(error: object) -> PushbackError:
    said = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""
    if said in _FULL:
        return PushbackError("database: its disk is full", retry_after=ROOM_SECONDS)
    if said.startswith(_UNWRITABLE):
        return PushbackError(
            "database: its file or folder cannot be written, or is not there",
            retry_after=RETRY_AFTER_SECONDS,
        )
    return PushbackError("database: it does not answer", retry_after=RETRY_AFTER_SECONDS)


class InPlace:
    """Watches that the file of an open SQLite database is still the one at its address.

    A file that was moved or deleted can be written on unseen by those who have it open, and
    one that was put in its place is another database. PostgreSQL sees to this by itself.
    """

    def __init__(self, engine: Engine) -> None:
        """Remember which file it is."""
        self._path = Path(engine.url.database or "") if engine.name == "sqlite" else None
        self._file = self._found()

    def check(self) -> None:
        """Return if it is there.

        Raises:
            PushbackError: it is not, and may come back.
            StoppedError: another file is in its place.
        """
        found = self._found()
        if found == self._file:
            return
        if found is None:
            raise PushbackError("database: its file is not there", retry_after=ROOM_SECONDS)
        raise StoppedError(
            "database: another file was put in the place of the one that is open; start the"
            " service again, and its start-up rule will judge it"
        )

    def _found(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino


@contextlib.contextmanager
def alone_beside(engine: Engine, name: str) -> Iterator[None]:
    """Hold a file of this name beside a SQLite database: across processes, until the end.

    Whatever directory a process reaches the database from, it is the same file.

    Raises:
        PushbackError: the file cannot be made.
    """
    path = Path(engine.url.database or "").resolve()
    try:
        beside = path.with_name(f"{path.name}.{name}.turn")
        descriptor = os.open(beside, os.O_CREAT | os.O_RDWR, FILE_MODE)
    except OSError as error:
        raise PushbackError(
            "database: its folder cannot be written, or is not there",
            retry_after=RETRY_AFTER_SECONDS,
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # releases it


def _ping_after_a_pause(
    engine: Engine,
    connection: DBAPIConnection,
    entry: ConnectionPoolEntry,
    _proxy: PoolProxiedConnection,
) -> None:
    """Have a connection replaced that was lost while it was not used.

    One that was in use a moment ago is not asked: the question takes as long as a small query.
    """
    used = entry.info.get(_USED)
    if used is None or time.monotonic() - used < _PING_AFTER_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error  # the pool connects anew


def _note_use(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED] = time.monotonic()


def _create_private_file(path: Path) -> None:
    private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        # SQLite gives the -wal and -shm files the mode of the database itself.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def _never_made_anew(path: Path) -> Callable[..., None]:
    """SQLite makes an empty database where it finds none: not in the place of one that is gone."""

    def look(*_: object) -> None:
        if not path.exists():
            absent = sqlite3.OperationalError("the database's file is not there")
            absent.sqlite_errorname = "SQLITE_CANTOPEN"
            raise absent

    return look


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions of its own: `_begin_sqlite` says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _roomy_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _ROOMY_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    connection.exec_driver_sql(begin)
