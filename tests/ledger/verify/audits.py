"""What the audit's tests share: an honest log, and short ways to ask an audit."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from ledger.tlog.policy import Policy
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.directory_reader import DirectoryLogReader
from ledger.verify.findings import Code, Finding
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.tile_log import (
    POLICY,
    Liar,
    entries,
)

SIZE = 600  # two full tiles and a partial one
SMALL = 260  # one full tile and a partial one
Write = Callable[[Liar], AuditResult]


@cache
def honest(size: int = SIZE) -> tuple[bytes, ...]:
    return tuple(entries(size))


def log(size: int = SIZE) -> list[bytes]:
    return list(honest(size))


def audited(path: Path, policy: Policy = POLICY, **options: Any) -> AuditResult:
    if path.is_dir():
        return audit(DirectoryLogReader(path), policy, **options)
    with SqliteLogReader.open(path) as (reader, *_):
        return audit(reader, policy, **options)


def found(result: AuditResult) -> set[tuple[Code, int | None]]:
    return {(finding.code, finding.index) for finding in result.findings}


def one(result: AuditResult, code: Code) -> Finding:
    (finding,) = (finding for finding in result.findings if finding.code is code)
    return finding


def swapped(raws: list[bytes], one: int, other: int) -> list[bytes]:
    raws[one], raws[other] = raws[other], raws[one]
    return raws


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
