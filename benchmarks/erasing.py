"""Erasing a person against deleting as many rows, and what sealing costs a decision.

Both delete the same five rows of a record from two SQLite databases with the settings of the
ledger. Ours also lists what goes, logs tombstones, looks for attached records and for what
may be left, and signs. Expiring finds what is due as well, and reports it.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, delete, select

from benchmarks.measuring import Measured, at_most, time_ratios, timed
from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import SECTIONS, commit
from ledger.operate.decision import Decision, section_members
from ledger.operate.erasure import Ground
from ledger.operate.expiry import Scope
from ledger.roles import Principal, Role
from ledger.sealing import NONCE_BYTES, seal
from ledger.storage.database import writing
from ledger.storage.models import decision_index, record_key, sealed_payload, subject_key
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings

SIZES = {1: "1", 1_000: "1000"}
FULL_SIZES = {**SIZES, 100_000: "100000"}
RUNS = {1: 15, 1_000: 5, 100_000: 1}
BATCH = 1_000
SEALED = 200  # decisions of one run
PAST = timedelta(days=9)
RULES = {
    "v": 1,
    "classes": [{"id": "credit", "ceiling": {"period": "P7D", "reason": "a benchmark"}}],
}
ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)


def measure(folder: Path, full: bool) -> Iterator[Measured]:  # noqa: FBT001  what all groups are asked
    rules = folder / "rules"
    rules.mkdir()
    (rules / "classes.json").write_text(json.dumps(RULES), encoding="utf-8")
    settings = Settings(data=folder / "ledger", origin="ledger.example/benchmark", retention=rules)
    found(settings)
    runtime = Runtime.open(settings)
    try:
        manifest, policy = _versions()
        runtime.registry.register_model(manifest, {})
        runtime.registry.register_policy(policy)
        people = itertools.count()
        for size, name in (FULL_SIZES if full else SIZES).items():
            ratios = time_ratios(
                lambda size=size: _erased(runtime, size, people),  # type: ignore[misc]
                lambda size=size: _deleted(runtime, size, people),  # type: ignore[misc]
                RUNS[size],
            )
            yield Measured(f"erase_per_record_{name}", at_most(5), ratios)
            ratios = time_ratios(
                lambda size=size: _expired(runtime, size, people),  # type: ignore[misc]
                lambda size=size: _deleted(runtime, size, people),  # type: ignore[misc]
                RUNS[size],
            )
            yield Measured(f"expire_per_record_{name}", at_most(5), ratios)
        yield Measured("seal_vs_commit", at_most(1), _sealing(runtime))
    finally:
        runtime.close()


def _erased(runtime: Runtime, size: int, people: Iterator[int]) -> float:
    person, _ = _recorded(runtime, size, people)
    asked, _ = runtime.erasing.request(ANN, Ground.OBJECTION, subject=person)
    return timed(lambda: runtime.erasing.approve(BEN, asked.id))()


def _expired(runtime: Runtime, size: int, people: Iterator[int]) -> float:
    _recorded(runtime, size, people, PAST)

    def expire() -> None:
        report = runtime.expiring.dry_run(ANN, Scope.DECISIONS)
        assert runtime.expiring.run(BEN, report.run).decisions == size

    return timed(expire)()


def _deleted(runtime: Runtime, size: int, people: Iterator[int]) -> float:
    _, ids = _recorded(runtime, size, people)
    ledger, vault = runtime.databases
    return timed(lambda: _delete(ledger, vault, ids))()


def _delete(ledger: Engine, vault: Engine, ids: list[str]) -> None:
    """The plainest thing: the rows of these records, 500 in a statement, two transactions."""
    chunks = [ids[at : at + 500] for at in range(0, len(ids), 500)]
    with writing(vault) as connection:
        for some in chunks:
            mine = record_key.c.record_id.in_(some)
            keys = list(connection.scalars(select(record_key.c.key_id).where(mine)))
            connection.execute(delete(decision_index).where(decision_index.c.record_id.in_(some)))
            connection.execute(delete(record_key).where(mine))
            connection.execute(delete(subject_key).where(subject_key.c.id.in_(keys)))
    with writing(ledger) as connection:
        for some in chunks:
            connection.execute(delete(sealed_payload).where(sealed_payload.c.record_id.in_(some)))


def _recorded(
    runtime: Runtime, size: int, people: Iterator[int], ago: timedelta = timedelta()
) -> tuple[str, list[str]]:
    person = f"MTG-{next(people)}"
    ids: list[str] = []
    for at in range(0, size, BATCH):
        batch = [_decision(runtime, person, ago) for _ in range(min(BATCH, size - at))]
        ids += [each.id for each in runtime.decisions.record(batch)]
    return person, ids


def _sealing(runtime: Runtime) -> tuple[float, ...]:
    """Sealing the payload of a decision, against committing to it, which it cannot do without."""
    decisions = [_decision(runtime, "MTG") for _ in range(SEALED)]
    key = os.urandom(32)

    def sealing() -> None:
        for each in decisions:
            payload = canonical.encode(each.to_json())
            seal(key, "ledger.example/benchmark", each.id, payload, os.urandom(NONCE_BYTES))

    def committing() -> None:
        for each in decisions:
            for section in SECTIONS:
                commit(key, section, section_members(each, section))

    return time_ratios(_figure(sealing), _figure(committing), 5)


def _figure(work: Callable[[], None]) -> Callable[[], float]:
    def figure() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return figure


def _decision(runtime: Runtime, person: str, ago: timedelta = timedelta()) -> Decision:
    values = {f"feature_{number}": number * 1.5 for number in range(15)}
    parts = dict.fromkeys(values, 1_000)
    base = -413_207 - sum(parts.values())
    then = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Decision.from_json(
        {
            "id": runtime.decisions.new_id(),
            "model": "benchmark@1.0.0",
            "policy": "benchmark@1.0.0",
            "source": {"id": "desk", "seq": 1},
            "subject": person,
            "input": values,
            "output": {"margin": -413_207, "scale": 6, "space": "log-odds", "outcome": "declined"},
            "attributions": {
                "engine": "leaf-tables",
                "space": "log-odds",
                "scale": 6,
                "base": base,
                "values": parts,
                "residual": 0,
            },
            "context": {"decided_at": then, "decision_role": "sole"},
        }
    )


def _versions() -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    features: list[JsonValue] = [
        {"name": f"feature_{number}", "type": "number", "bounds": [0, 1_000],
         "missing": "refused", "protected": False}
        for number in range(15)
    ]  # fmt: skip
    manifest: dict[str, JsonValue] = {
        "name": "benchmark",
        "version": "1.0.0",
        "artefacts": {},
        "explainer": {"engine": "leaf-tables", "space": "log-odds", "scale": 6, "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "approved"},
        "features": features,
    }
    policy: dict[str, JsonValue] = {
        "name": "benchmark",
        "version": "1.0.0",
        "cut_off": {"space": "log-odds", "scale": 6, "margin": 0},
        "outcomes": {"pass": "approved", "fail": "declined"},
        "retention_class": "credit",
    }
    return manifest, policy
