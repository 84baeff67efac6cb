"""What a case handler does when a person asks, six months later: find, explain, replay, write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo.loan_desk import LoanDesk
from examples.demo.texts import LANGUAGES
from examples.demo.training import TrainedModel, policy
from explain.narrative import explain_decision

DAYS = 14  # either side of the day that the story looks at
MANY_REASONS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """The decision that the story follows."""

    id: str
    reference: str
    seq: int
    receipt: Path


def somebody(desk: LoanDesk, trained: TrainedModel, *, around: datetime) -> str:
    """Return the reference of the person whose case the demo follows.

    Chosen by rule, not by hand: the first person declined within two weeks of a day with
    three reasons or more, two ways in which it could have ended otherwise, and no check that
    would have a person write the letter.
    """
    for moment, application, attribution in desk.declined:
        if abs(moment - around) < timedelta(days=DAYS):
            told = explain_decision(
                trained.manifest, policy(), application.input, attribution, trained.model
            )
            many = len(told.reasons) >= MANY_REASONS and len(told.counterfactuals) > 1
            if many and told.automatic_text_allowed:
                return application.number
    raise RuntimeError("nobody was declined in these four weeks for three reasons")


def explain(console: Console, client: httpx.Client, reference: str, folder: Path) -> Case:
    """Look the person's decision up by their reference, and say why it came out as it did."""
    console.print(f"\n[bold]3. Six months later, {reference} asks why[/bold]")
    found = _json(client.post("/v1/decisions/search", json={"subject": reference}))
    (row,) = found["decisions"]
    told = _json(client.get(f"/v1/decisions/{row['id']}/explanation"))["explanation"]
    decided = datetime.fromisoformat(row["decided_at"])
    console.print(f"   Decided on {decided:%d %B %Y at %H:%M} UTC. {told['summary']}")
    console.print("   What lowered the score most, compared with the reference group:")
    for reason in told["reasons"]:
        _item(console, reason["points_text"], reason["text"])
    console.print("   What raised it:")
    for reason in told["helped"][:2]:
        _item(console, reason["points_text"], reason["text"])
    console.print("   What would have changed it (each run again on the archived model):")
    for one in told["counterfactuals"]:
        _item(console, "•", one["text"])
    proof = client.get(f"/v1/decisions/{row['id']}/proof", headers={"Accept": "text/plain"})
    proof.raise_for_status()
    receipt = folder / f"{reference}.tlog-proof"
    receipt.write_text(proof.text)
    opened = _json(
        client.get(f"/v1/decisions/{row['id']}/proof", headers={"Accept": "application/json"})
    )
    openings = {"decision": opened["decision"], "openings": opened["openings"]}
    receipt.with_suffix(".openings.json").write_text(json.dumps(openings, indent=1))
    console.print(
        f"   Proof: entry {row['seq']:,} of the log, written to {receipt.name}; it holds no "
        "personal data. The openings beside it show, to whom they are given, that these very "
        "values were logged."
    )
    return Case(row["id"], reference, row["seq"], receipt)


def replay(console: Console, client: httpx.Client, case: Case) -> bool:
    """Run the archived model again, and say whether it still gives what was recorded."""
    console.print("\n[bold]4. The same model, run again[/bold]")
    found = _json(client.post(f"/v1/decisions/{case.id}/replay"))
    console.print(
        "   The archived model was loaded by its digest and reproduced its golden rows. Verdict: "
        f"[bold]{found['verdict']}[/bold]. {found['why']}"
    )
    for each in found["differences"][:5]:
        console.print(f"     {each['part']}: recorded {each['recorded']}, now {each['now']}")
    return bool(found["verdict"] == "reproduced")


def write_letter(console: Console, client: httpx.Client, case: Case, folder: Path) -> None:
    """Write the letter to the person as PDF, with its evidence attached, in every language."""
    console.print("\n[bold]5. The letter, the report and the receipt[/bold]")
    letter = folder / f"letter-{case.reference}.pdf"
    letter.write_bytes(_letter(client, case, LANGUAGES[0]))
    console.print(
        f"   {letter.name}: what {case.reference} is told, with the ledger entry, its proof and "
        "the openings of every number attached."
    )
    others = folder / "letters"
    others.mkdir()
    for language in LANGUAGES[1:]:
        (others / f"{letter.stem}-{language}.pdf").write_bytes(_letter(client, case, language))
    console.print(
        f"   {others.name}/: the same in {', '.join(LANGUAGES[1:])}, each issued and logged beside "
        "the first and held to say the same. No sentence is translated by a machine at run time."
    )


def _letter(client: httpx.Client, case: Case, language: str) -> bytes:
    answer = client.get(
        f"/v1/decisions/{case.id}/explanation",
        params={"language": language},
        headers={"Accept": "application/pdf"},
    )
    answer.raise_for_status()
    return answer.content


def _item(console: Console, mark: str, text: str) -> None:
    """Print an item with a hanging indent."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(Text(f"{mark:>9}", style="bold"), Text(text))
    console.print(grid)


def _json(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json()
