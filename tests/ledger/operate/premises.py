"""One operator's premises in a directory: everything real, but time and chance are ours."""

import os
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection

from ledger.entries import ModelVersionStatus, uuid7
from ledger.operate.access_log import AccessLog
from ledger.operate.artefacts import Artefacts
from ledger.operate.checkpoint_lock import CheckpointLock, FileCheckpointLock
from ledger.operate.decisions import Decision, Decisions
from ledger.operate.group_commit import GroupCommit
from ledger.operate.kek_ring import KekRing
from ledger.operate.keys import LogKeys
from ledger.operate.log_writer import LogWriter, Record, Submission
from ledger.operate.registry import Registry
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault
from ledger.roles import Principal, Role
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.log_store import LogDatabase
from ledger.storage.sql_log_store import SqlLogStore

BASE: Final = "ledger.example/demo"
NOON: Final = datetime(2026, 5, 14, 12, tzinfo=UTC)
AUDITOR: Final = Principal("k1", "An Auditor", Role.AUDITOR)
MODEL_FILE: Final = b"a model"


class Clock:
    """A clock that moves a millisecond whenever it is looked at, and where we put it."""

    def __init__(self) -> None:
        self.now = NOON + timedelta(seconds=1)  # later than anything in a copied ledger

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Open:
    """A ledger that was taken up."""

    log: Sequencer
    writer: GroupCommit
    access_writer: GroupCommit
    vault: Vault
    registry: Registry
    decisions: Decisions
    access_log: AccessLog


def enter(writer: LogWriter, model: str, stage: str) -> None:
    """Log that the model version of this digest enters a stage, asking nobody."""
    entry = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    writer.write(Submission((Record.of(entry, ModelVersionStatus(model, stage)),)))


class Premises:
    """What survives a restart: the directory, the databases and the keys."""

    def __init__(self, directory: Path, database: str = "", vault: str = "") -> None:
        self.directory = directory
        self.clock = Clock()
        self.random = random.Random(str(directory)).randbytes
        self.engine = _opened(database or f"sqlite:///{directory}/ledger.db", Schema.LEDGER)
        self.vault_engine = _opened(vault or f"sqlite:///{directory}/vault.db", Schema.VAULT)
        kek = directory / "vault.kek"
        if not kek.exists():
            KekRing.create(kek, random=self.random)
        self.wrapper = KekRing(kek, random=self.random)
        self.keys = {name: self._keys(name) for name in ("decisions", "access")}

    def _keys(self, name: str) -> LogKeys:
        directory = self.directory / "keys" / name
        make = LogKeys.load if directory.exists() else LogKeys.generate
        return make(directory, f"{BASE}/log/{name}")

    def store(self) -> LogDatabase:
        return SqlLogStore(self.engine)

    def lock(self, name: str = "decisions") -> FileCheckpointLock:
        return FileCheckpointLock(self.directory / "checkpoints" / f"{name}.lock")

    def new_id(self) -> str:
        return uuid7(int(self.clock().timestamp() * 1000), self.random(10))

    def create(
        self,
        name: str = "decisions",
        *,
        store: LogDatabase | None = None,
        lock: CheckpointLock | None = None,
    ) -> Sequencer:
        keys = self.keys[name]
        return Sequencer.create(
            store or self.store(),
            lock or self.lock(name),
            keys.origin,
            keys.signers(self.clock),
            self.clock,
            entry_id=self.new_id(),
            software="decision-ledger/0.1.0",
        )

    def sequencer(
        self,
        name: str = "decisions",
        *,
        store: LogDatabase | None = None,
        lock: CheckpointLock | None = None,
    ) -> Sequencer:
        keys = self.keys[name]
        return Sequencer(
            store or self.store(),
            lock or self.lock(name),
            keys.origin,
            keys.signers(self.clock),
            self.clock,
        )

    def vault(self) -> Vault:
        return Vault(self.vault_engine, self.wrapper, self.clock, self.random)

    def open(self, log: Sequencer | None = None, vault: Vault | None = None) -> Open:
        """Take the ledger up, as a start of the service does."""
        log = log or self.sequencer()
        vault = vault or self.vault()
        writer = GroupCommit(log, vault)
        artefacts = Artefacts(self.directory / "artefacts")
        registry = Registry(self.engine, log, writer, artefacts, self.clock, self.random)
        decisions = Decisions(log, writer, vault, registry, self.clock, self.random)
        access = self.sequencer("access")
        access_writer = GroupCommit(access, vault)
        access_log = AccessLog(access, access_writer, vault, self.clock, self.random)
        return Open(log, writer, access_writer, vault, registry, decisions, access_log)

    def found(self) -> Open:
        """Make the ledger, with a model and a policy."""
        self.create()
        self.create("access")
        ledger = self.open()
        ledger.registry.register_model(model_manifest(), {"model": MODEL_FILE})
        ledger.registry.register_policy(policy_manifest())
        return ledger

    def decision(self, seq: int = 0, **members: Any) -> Decision:
        """A decision that fits; `members` replace its own."""
        return Decision.from_json(self.document(seq, **members))

    def document(self, seq: int = 0, **members: Any) -> dict[str, Any]:
        decided_at = (NOON + timedelta(minutes=seq)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "id": self.new_id(),
            "model": "mortgage-approval@1.0.0",
            "policy": "mortgage-cutoff@1.0.0",
            "source": {"id": "loan-desk", "seq": seq},
            "subject": f"MTG-{seq:06}",
            "input": {
                "loan_to_value": 92.5,
                "years": 3,
                "bankruptcy": True,
                "channel": "branch",
                "net_worth": None,
            },
            "output": output(-413_207),
            "attributions": attributions(-413_207),
            "context": {"decided_at": decided_at, "decision_role": "sole"},
        } | members

    def close(self) -> None:
        self.engine.dispose()
        self.vault_engine.dispose()


def _opened(url: str, schema: Schema) -> Engine:
    engine = open_database(url)
    if engine.name == "sqlite":
        # No test cuts the power, and each commit would wait for the disk.
        event.listen(engine, "connect", _not_synchronous)
    if not inspect(engine).has_table("alembic_version"):
        migrate(engine, schema)
    return engine


def _not_synchronous(connection: DBAPIConnection, _entry: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def output(margin: int, outcome: str | None = None) -> dict[str, Any]:
    passed = "approved" if margin >= 0 else "declined"
    return {"margin": margin, "scale": 6, "space": "log-odds", "outcome": outcome or passed}


def attributions(margin: int, residual: int = 3, **values: int) -> dict[str, Any]:
    names = ("loan_to_value", "years", "bankruptcy", "channel", "net_worth")
    parts = dict.fromkeys(names, 1_000) | values
    base = margin - residual - sum(parts.values())
    return {
        "engine": "leaf-tables",
        "space": "log-odds",
        "scale": 6,
        "base": base,
        "values": parts,
        "residual": residual,
    }


def model_manifest(**members: Any) -> dict[str, Any]:
    feature = {"missing": "refused", "protected": False}
    return {
        "name": "mortgage-approval",
        "version": "1.0.0",
        "artefacts": {"model": {"sha256": sha256(MODEL_FILE).hexdigest(), "bytes": 7}},
        "explainer": {"engine": "leaf-tables", "space": "log-odds", "scale": 6, "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "approved"},
        "features": [
            feature | {"name": "loan_to_value", "type": "number", "bounds": [0, 200]},
            feature | {"name": "years", "type": "integer", "bounds": [0, None]},
            feature | {"name": "bankruptcy", "type": "boolean"},
            feature | {"name": "channel", "type": "category", "categories": ["branch", "phone"]},
            feature | {"name": "net_worth", "type": "number", "missing": "allowed"},
        ],
    } | members


def policy_manifest(**members: Any) -> dict[str, Any]:
    return {
        "name": "mortgage-cutoff",
        "version": "1.0.0",
        "cut_off": {"space": "log-odds", "scale": 6, "margin": 0},
        "outcomes": {"pass": "approved", "fail": "declined"},
        "retention_class": "credit",
    } | members
