"""The rules of retention of a deployment, and what expires by them, built from its settings."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Engine

from ledger.canonical import JsonValue
from ledger.errors import RefusedError
from ledger.operate.erasing import Erasing
from ledger.operate.expiring import Expiring
from ledger.operate.expiry import Scope
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.registry import Registry
from ledger.operate.retention_class import Resolution, resolve_policy
from ledger.operate.retention_file import read_rules
from ledger.operate.retention_rules import RuleBook
from ledger.operate.vault import Vault
from service.settings import Settings

__all__ = ["checking", "expiry", "rule_book"]


def rule_book(settings: Settings) -> RuleBook:
    """The rules that are shipped, and those of this deployment.

    Raises:
        RefusedError: the directory cannot be read; MalformedError: a file in it is not right.
    """
    try:
        return read_rules(settings.retention)
    except OSError as error:
        raise RefusedError(f"LEDGER_RETENTION: {error.strerror or 'cannot be read'}") from error


def checking(
    book: RuleBook, now: Callable[[], datetime]
) -> Callable[[Mapping[str, JsonValue]], Resolution | None]:
    """What raises for a policy's manifest whose retention is not stated or contradicts itself."""
    return lambda manifest: resolve_policy(book, manifest, now().date())


def expiry(
    settings: Settings,
    book: RuleBook,
    registry: Registry,
    erasing: Erasing,
    logs: Mapping[str, PublishedLog],
    writers: Mapping[str, LogWriter],
    vault: Vault,
    ledger: Engine,
    now: Callable[[], datetime],
) -> Expiring:
    """What expires of one ledger: its decisions by `erasing`, and the details of its access log."""
    name = Scope.ACCESS.value
    looks = Erasing(logs[name], writers[name], vault, ledger, now, os.urandom, access=True)
    erasings = {Scope.DECISIONS: erasing, Scope.ACCESS: looks}
    databases = (ledger, vault.engine)
    return Expiring(book, registry, erasings, logs, databases, now, settings.retention_dir)
