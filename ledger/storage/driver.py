"""Statements that a writer runs for each commit, handed to the driver as they stand.

SQLAlchemy works out the parameters of each row in Python, which for a row of a log takes
as long as writing it. Here rows are tuples in the order of the columns; PostgreSQL takes
many of them by COPY. Transactions, connections and errors are SQLAlchemy's as ever.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Table, Text
from sqlalchemy.exc import DBAPIError

__all__ = ["fetch", "insert_rows", "run", "run_each"]

COPY_FROM: Final = 16  # rows; of fewer, COPY's second round trip costs more than it saves

Parameters = tuple[object, ...]

_COPY_TYPES: Final[dict[type, str]] = {
    BigInteger: "int8",
    Integer: "int4",
    LargeBinary: "bytea",
    Text: "text",
}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Parameters]) -> None:
    """Insert rows, each with a value for every column of the table in its order.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql" and len(rows) >= COPY_FROM:
        _copy(connection, table, rows)
    else:
        run_each(connection, _insert(table), rows)


def run_each(connection: Connection, statement: str, rows: Sequence[Parameters]) -> None:
    """Run a statement with `?` for its parameters once for each row.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    if not rows:
        return
    with _cursor(connection) as cursor:
        cursor.executemany(_written(statement, connection.dialect.name), rows)


def fetch(connection: Connection, statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """The rows of a statement with `?` for its parameters.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    with _cursor(connection) as cursor:
        cursor.execute(_written(statement, connection.dialect.name), parameters)
        return list(cursor.fetchall())


def run(connection: Connection, statement: str, parameters: Parameters) -> int:
    """Run a statement with `?` for its parameters; return how many rows it changed.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    with _cursor(connection) as cursor:
        cursor.execute(_written(statement, connection.dialect.name), parameters)
        return int(cursor.rowcount)


def _copy(connection: Connection, table: Table, rows: Sequence[Parameters]) -> None:
    statement, types = _copy_of(table)
    with _cursor(connection) as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@contextlib.contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    """A cursor of the driver, in the transaction of the connection; errors are SQLAlchemy's."""
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    try:
        with contextlib.closing(connection.connection.cursor()) as cursor:
            yield cursor
    except driver.Error as error:
        used = connection.connection.dbapi_connection
        if dialect.is_disconnect(error, used, None):
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, driver.Error, hide_parameters=True, dialect=dialect
        ) from error


@functools.cache
def _insert(table: Table) -> str:
    names = ", ".join(table.c.keys())
    places = ", ".join("?" * len(table.c))
    return f"INSERT INTO {table.name} ({names}) VALUES ({places})"  # noqa: S608  # our own names


@functools.cache
def _copy_of(table: Table) -> tuple[str, list[str]]:
    types = [_COPY_TYPES[type(column.type)] for column in table.c]
    names = ", ".join(table.c.keys())
    return f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)", types


@functools.cache
def _written(statement: str, dialect: str) -> str:
    return statement.replace("?", "%s") if dialect == "postgresql" else statement
