"""A whole deployment in a directory, as the settings name it, for tests of what is kept of it."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.operate.backup_manifest import BackupManifest, Part
from ledger.operate.decisions import Decision
from ledger.roles import Principal, Role
from service.backing_up import backed_up
from service.founding import found
from service.runtime import LOGS, Runtime, system_clock
from service.settings import Settings
from tests.ledger.operate.premises import (
    MODEL_FILE,
    attributions,
    model_manifest,
    output,
    policy_manifest,
)

ORIGIN = "ledger.example/demo"
CASE_HANDLER = Principal("k1", "A Case Handler", Role.CASE_HANDLER)


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks at the progress."""


@dataclass
class Deployment:
    """One ledger, taken up for each thing that is done to it."""

    settings: Settings

    @property
    def data(self) -> Path:
        return self.settings.data

    @contextlib.contextmanager
    def opened(self) -> Iterator[Runtime]:
        runtime = Runtime.open(self.settings)
        try:
            yield runtime
        finally:
            runtime.close()

    def found(self) -> None:
        """Make it, with a model and a policy."""
        found(self.settings)
        with self.opened() as runtime:
            runtime.registry.register_model(model_manifest(), {"model": MODEL_FILE})
            runtime.registry.register_policy(policy_manifest())

    def grow(self, count: int = 1) -> tuple[str, ...]:
        """Record decisions, and one access; return the decisions' ids."""
        with self.opened() as runtime:
            recorded = runtime.decisions.record([decision(runtime) for _ in range(count)])
            ids = tuple(each.id for each in recorded)
            note(runtime, *ids)
        return ids

    def back_up(self, directory: Path, *parts: Part) -> tuple[BackupManifest, ...]:
        return backed_up(self.settings, directory, parts or tuple(Part), quiet, system_clock)

    def sizes(self) -> dict[str, int]:
        with self.opened() as runtime:
            return {name: runtime.logs[name].size() for name in LOGS}

    def without_data(self, place: Path, *kept: str) -> "Deployment":
        """Another machine that has the keys and whatever else is named of this one."""
        for name in ("keys", "vault.kek", *kept):
            source, target = self.data / name, place / name
            (shutil.copytree if source.is_dir() else _copied)(source, target)
        return Deployment(Settings(data=place, origin=ORIGIN))


def note(runtime: Runtime, *ids: str) -> None:
    """Log that somebody looks at these records."""
    runtime.access_log.record(
        CASE_HANDLER, purpose="audit", case="", records=ids, fields=("output",), size=len(ids)
    )


def decision(runtime: Runtime) -> Decision:
    return Decision.from_json(
        {
            "id": runtime.decisions.new_id(),
            "model": "mortgage-approval@1.0.0",
            "policy": "mortgage-cutoff@1.0.0",
            "source": {"id": "loan-desk", "seq": 1},
            "subject": "MTG-000001",
            "input": {
                "loan_to_value": 92.5,
                "years": 3,
                "bankruptcy": True,
                "channel": "branch",
                "net_worth": None,
            },
            "output": output(-413_207),
            "attributions": attributions(-413_207),
            "context": {"decided_at": "2026-05-14T12:00:00Z", "decision_role": "sole"},
        }
    )


def _copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(source, target))
