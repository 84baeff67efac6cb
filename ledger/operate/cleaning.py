"""Cleaning up after deletions: what a database's files still hold of rows that are gone.

SQLite overwrites what is deleted, but its write-ahead log keeps older pages until it is cut
off, and pages that were rearranged keep copies in their free space. PostgreSQL leaves dead
rows in the heap, and even a plain VACUUM does not overwrite them: the tables have to be
written anew. What lies below or beside these files is out of reach (docs/personal-data.md).
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine, Table

from ledger.errors import PushbackError, RefusedError
from ledger.storage.database import RETRY_AFTER_SECONDS, translated
from ledger.storage.models import sealed_payload
from ledger.storage.models import vault as vault_tables

__all__ = ["LEDGER_TABLES", "VAULT_TABLES", "cut_write_ahead_log", "rewrite"]

# All of them: rows about people go from each, halves of an exchange and released holds as well.
VAULT_TABLES: Final = tuple(vault_tables.sorted_tables)
LEDGER_TABLES: Final = (sealed_payload,)


def cut_write_ahead_log(engine: Engine) -> bool:
    """Move SQLite's write-ahead log into the database and cut the file off.

    False if a reader is in the way; nothing is lost then. True on PostgreSQL, where there is
    no such thing to do.
    """
    if engine.name != "sqlite":
        return True
    ((busy, *_),) = _outside(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


def rewrite(engine: Engine, tables: Sequence[Table]) -> None:
    """Write the database anew (SQLite), or these tables of it (PostgreSQL), without free space.

    Takes room for a second copy, and keeps writers out meanwhile.

    Raises:
        PushbackError: somebody is in the way; try again.
        RefusedError: the database's role does not own the tables.
    """
    if engine.name == "sqlite":
        cut_write_ahead_log(engine)  # or the pages of now would be copied from it first
        _outside(engine, "VACUUM")
        if not cut_write_ahead_log(engine):
            raise _in_the_way()
        return
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with translated(), alone.connect() as connection:
        for table in tables:
            owner = connection.exec_driver_sql(
                "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass",
                (table.name,),
            ).scalar()
            if not owner:  # VACUUM would skip it with a warning that nobody reads
                raise RefusedError("clean-up: run it as the role that owns the tables")
            connection.exec_driver_sql(f"VACUUM (FULL) {table.name}")


def _outside(engine: Engine, statement: str) -> list[tuple[int, ...]]:
    """What SQLite answers to a statement that it takes outside a transaction only."""
    with translated(), engine.connect() as connection:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(statement)
            return list(cursor.fetchall())
        except sqlite3.OperationalError as error:
            raise _in_the_way() from error
        finally:
            cursor.close()


def _in_the_way() -> PushbackError:
    return PushbackError(
        "clean-up: somebody else uses the database; try again", retry_after=RETRY_AFTER_SECONDS
    )
