"""How fast a ledger of millions takes decisions, against the same one when it was young.

Straight through the writer (`GroupCommit`), keys and index rows included: over HTTP two
million would take most of an hour, and what grows is behind the writer. Sealed payloads,
keys and tags are random bytes of their real lengths. Only with `--full`.

    python -m benchmarks.growth DECISIONS PICTURE.svg    measures both databases, and draws it
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import lender
from benchmarks.ingest import three_databases
from benchmarks.measuring import Measured, at_least
from examples.demo import training
from ledger.entries import Decision as DecisionEntry
from ledger.entries import UnplacedEntry
from ledger.operate.decision import Decision
from ledger.operate.group_commit import GroupCommit
from ledger.operate.log_writer import Record, Submission
from ledger.operate.vault import HeldKey, IndexRow, Vault, VaultRow
from ledger.operate.written_decision import WrittenDecision
from ledger.storage.database import give_room
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings
from service.vault_keys import kek_ring

DECISIONS: Final = 2_000_000
COMMIT: Final = 500  # decisions of one commit, as under steady load
YOUNG: Final = 10_000  # decisions, at which the rate is 1
WINDOW: Final = 20_000  # decisions over which a rate is taken
GOALS: Final = {"sqlite": at_least(0.7), "postgresql": at_least(0.9)}

Rates = Sequence[tuple[int, float]]  # decisions in the log, decisions a second up to there


def measure(folder: Path, full: bool) -> Iterator[Measured]:  # noqa: FBT001  what all groups are asked
    if not full:
        return
    for name, rates in both(folder, DECISIONS).items():
        where = "" if name == "sqlite" else f"_{name}"
        yield Measured(f"growth{where}", GOALS[name], (ratio(rates),))


def both(folder: Path, decisions: int) -> Mapping[str, Rates]:
    """The rates of a new ledger up to so many decisions, on either database."""
    with _taken_up(folder / "sqlite", {}) as runtime:
        rates = {"sqlite": _rates(runtime, decisions)}
    with three_databases() as urls:
        settings = {"LEDGER_DATABASE_URL": urls["ledger"], "LEDGER_VAULT_URL": urls["vault"]}
        with _taken_up(folder / "postgresql", settings) as runtime:
            return rates | {"postgresql": _rates(runtime, decisions)}


def ratio(rates: Rates) -> float:
    """The last rate against the first one past `YOUNG` decisions."""
    return rates[-1][1] / next(rate for size, rate in rates if size >= YOUNG)


@contextmanager
def _taken_up(folder: Path, settings: Mapping[str, str]) -> Iterator[Runtime]:
    environ = {"LEDGER_DATA": str(folder), "LEDGER_ORIGIN": "ledger.example/benchmarks", **settings}
    chosen = Settings.from_environ(environ)
    found(chosen)
    runtime = Runtime.open(chosen)
    for engine in runtime.databases:
        give_room(engine)  # as the writer process does
    try:
        runtime.registry.register_model(lender.trained().manifest, lender.trained().artefacts)
        runtime.registry.register_policy(training.policy())
        yield runtime
    finally:
        runtime.close()


def _rates(runtime: Runtime, decisions: int) -> Rates:
    writer = runtime.writers["decisions"]
    assert isinstance(writer, GroupCommit)
    fresh = _records(runtime)
    rates = []
    for size in range(WINDOW, decisions + 1, WINDOW):
        seconds = 0.0
        for _ in range(WINDOW // COMMIT):
            submission = Submission(tuple(fresh() for _ in range(COMMIT)))
            began = time.perf_counter()
            writer.write(submission)
            seconds += time.perf_counter() - began
        rates.append((size, WINDOW / seconds))
    return rates


def _records(runtime: Runtime) -> Callable[[], Record]:
    """What makes records of the lender's decisions, each with an id and secrets of its own."""
    vault = Vault(runtime.databases[1], kek_ring(runtime.settings), runtime.clock, os.urandom)
    said = {"id": runtime.decisions.new_id(), **lender.decisions()[0]}
    said |= {
        "model": runtime.registry.models()[0].digest,
        "policy": runtime.registry.policies()[0].digest,
    }
    decision = Decision.from_json(said)
    body = WrittenDecision.of(decision).body(os.urandom(32))
    _, held = vault.draw_key(decision.id, os.urandom(32))
    sealed = len(WrittenDecision.of(decision).payload()) // 2

    def record() -> Record:
        new_id = runtime.decisions.new_id()
        tag = os.urandom(32)
        held_here = HeldKey(
            runtime.decisions.new_id(), tag, held.wrapped_holder, os.urandom(len(held.wrapped))
        )
        index = IndexRow(
            new_id, tag, decision.outcome, decision.model, decision.policy, decision.margin,
            time.time_ns() // 1_000,
        )  # fmt: skip
        return Record(
            new_id,
            UnplacedEntry.of(new_id, _committed(body)),
            (),
            os.urandom(sealed),
            VaultRow(new_id, held_here, index),
        )

    return record


def _committed(body: DecisionEntry) -> DecisionEntry:
    hashes = os.urandom(128)
    return replace(
        body,
        input=hashes[:32],
        output=hashes[32:64],
        attributions=hashes[64:96],
        context=hashes[96:],
    )


def draw(rates: Mapping[str, Rates]) -> str:
    """The rates as a small SVG: decisions in the log to the right, a second upwards."""
    width, height, left, bottom = 720, 300, 60, 40
    most = max(size for each in rates.values() for size, _ in each)
    top = max(rate for each in rates.values() for _, rate in each) * 1.1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' role="img" font-family="sans-serif" font-size="12">',
        "<title>Decisions a second taken by the writer, by decisions in the log</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]

    def x(size: float) -> float:
        return left + (width - left - 110) * size / most

    def y(rate: float) -> float:
        return (height - bottom) * (1 - rate / top) + 10

    for part in range(5):
        at, rate = most * part / 4, top * part / 4
        parts.append(
            f'<path d="M{left} {y(rate):.1f}H{width - 110}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:,.0f}</text>'
            f'<text x="{x(at):.1f}" y="{height - 12}" text-anchor="middle">{at / 1e6:g} M</text>'
        )
    for (name, each), colour in zip(rates.items(), ("#1f5fa8", "#b3541e"), strict=True):
        line = " ".join(f"{x(size):.1f},{y(rate):.1f}" for size, rate in each)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{width - 104}" y="{y(each[-1][1]) + 4:.1f}" fill="{colour}">{name}</text>'
        )
    return "\n".join((*parts, "</svg>", ""))


def main(decisions: str, picture: str) -> None:
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        rates = both(Path(folder), int(decisions))
    for name, each in rates.items():
        print(name, f"{ratio(each):.3f}", [(size, round(rate)) for size, rate in each[::10]])
    Path(picture).write_text(draw(rates))


if __name__ == "__main__":
    main(*sys.argv[1:])
