"""Runs the bursts, and prints what became of every decision.

    python -m benchmarks.loss [--mlflow PYTHON] [COUNT]

Each burst is an application of its own against one real server. In each the application and
the server are killed with -9. With `--mlflow` the same burst is run against MLflow tracing,
whose full package has to be installed where PYTHON is: `make bench-mlflow` sees to it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import lender
from benchmarks.loss import mlflow_burst
from benchmarks.loss.burst import Act, Burst, Ledger, Outcome, audit, run
from benchmarks.loss.ground import ground
from benchmarks.measuring import share_of
from examples.demo import training
from ledger.operate.registry import Registry
from tests.small_disk import NoSmallDisk

COUNT = 10_000
MEMORY_GOAL = 1.25  # times the memory for ten times the decisions
MEGABYTE = 1_000_000
DISK = 24 * MEGABYTE  # receipts stay on it as well
OUTAGE = 1.0  # seconds until the server is started again


def _kills() -> tuple[Act, ...]:
    return (
        Act(0.2, "kill server", OUTAGE),
        Act(0.5, "kill client"),
        Act(0.75, "kill server", OUTAGE),
    )


def bursts(count: int) -> tuple[Burst, ...]:
    full = (
        Act(0.2, "kill server", 2 * OUTAGE),
        Act(0.2, "fill disk", 3 * OUTAGE),
        Act(0.6, "kill client"),
    )
    some = count // 5
    return (
        Burst("burst", count, options={"max_bytes": 4 << 20}, acts=_kills()),
        Burst("block", some, options={"block_seconds": 0.02}, disk=DISK, pause=0.002, acts=full),
        Burst("raise", some, options={"when_full": "raise"}, disk=DISK, pause=0.002, acts=full),
        Burst(
            "spill", some, options={"when_full": "spill", "max_spill_bytes": 1 << 20},
            disk=DISK, pause=0.002, acts=full,
        ),
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Return 0 if nothing was lost, doubled or left unexplained."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss")
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has mlflow installed")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    columns: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="loss-") as name:
        folder = Path(name)
        with ground(folder, _register, lender.decisions()) as ledger:
            for burst in bursts(options.count):
                try:
                    columns[burst.name] = run(burst, ledger, folder / burst.name)
                except NoSmallDisk as error:
                    print(f"{burst.name}: not tried, no small disk can be mounted ({error})")
            few, many = (
                _memory(ledger, folder, count) for count in (options.count // 10, options.count)
            )
            said = audit(ledger).rpartition("RESULT: ")[2].partition("\n")[0]
        _print(columns)
        print(f"\npython -m ledger.verify says: {said}")
        ratio = many / few
        print(
            f"the application's memory for {options.count:,} decisions against a tenth:"
            f" {many / MEGABYTE:.0f} MB / {few / MEGABYTE:.0f} MB = {ratio:.2f}"
            f" (goal <= {MEMORY_GOAL}{'' if ratio <= MEMORY_GOAL else ', missed'})"
        )
        for each in columns.values():
            for line in each.account.unexplained[:10]:
                print(f"UNEXPLAINED: {line}")
        if options.mlflow:
            python, listed = Path(options.mlflow).absolute(), folder / "decisions.json"
            mlflow_burst.show(python, folder, listed, _kills(), columns["burst"])
    return 0 if all(_is_fine(each) for each in columns.values()) else 1


def _register(registry: Registry) -> None:
    trained = lender.trained()
    registry.register_model(trained.manifest, trained.artefacts)
    registry.register_policy(training.policy())


def _memory(ledger: Ledger, folder: Path, count: int) -> int:
    """The most that an application takes that is left in peace, in bytes."""
    name = f"quiet-{count}"
    return run(Burst(name, count), ledger, folder / name).client


def _is_fine(outcome: Outcome) -> bool:
    found = outcome.account
    whole = found.accepted == found.recorded + found.excused and found.receipts == found.recorded
    return whole and not (found.doubled or found.disordered or found.unexplained)


def _print(columns: dict[str, Outcome]) -> None:
    heads = {
        "burst": "burst, quota",
        "block": "full, block",
        "raise": "full, raise",
        "spill": "full, spill",
    }
    rows: dict[str, list[str]] = {}
    for outcome in columns.values():
        for what, figure in _figures(outcome):
            rows.setdefault(what, []).append(figure)
    print(f"{'':<42}" + "".join(f"{heads[name]:>14}" for name in columns))
    for what, figures in rows.items():
        print(f"{what:<42}" + "".join(f"{each:>14}" for each in figures))


def _figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
    found = outcome.account
    yield "asked", f"{found.asked:,}"
    yield "accepted", f"{found.accepted:,}"
    yield "refused, because there was no room", f"{sum(found.refused.values()):,}"
    yield "accepted, and in the log once", f"{found.recorded:,}"
    yield "… and its receipt is kept, and verifies", f"{found.receipts:,}"
    yield "accepted, and only named in a gap", f"{found.excused:,}"
    yield "asked again after the kill", f"{found.repeated:,}"
    yield "counters that a gap names", f"{found.named:,}"
    yield "doubled", f"{found.doubled:,}"
    yield "out of order", f"{found.disordered:,}"
    yield "unexplained", f"{len(found.unexplained):,}"
    yield "seconds until the last call came back", f"{outcome.seconds:.1f}"
    yield "seconds until all was delivered", f"{outcome.delivered:.1f}"
    for share, name in ((0.5, "median"), (0.99, "99th percentile")):
        yield f"an accepted call, {name}, ms", f"{share_of(outcome.waits, share) * 1e3:.3f}"
    yield "memory of the application, MB", f"{outcome.client / MEGABYTE:.0f}"
    yield "memory of the server's processes, MB", f"{outcome.server / MEGABYTE:.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
