"""What an auditor and a regulator do: a report, and checks that need nobody's trust."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

from rich.console import Console

from examples.demo.deployment import ORIGIN
from examples.demo.training import MODEL, VERSION

# A verifier that could import these would depend on us; this one cannot.
BLOCKED = ("flask", "sqlalchemy", "shap", "xgboost", "marshmallow", "weasyprint", "zstandard")
VERIFY = f"""
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError(f"{{name}} is blocked in this process")

sys.meta_path.insert(0, Blocked())
sys.argv = ["python -m ledger.verify", *sys.argv[1:]]
runpy.run_module("ledger.verify", run_name="__main__")
"""


def audit_report(console: Console, folder: Path, groups: Path, *, since: date, until: date) -> None:
    """Write the model's audit report, with the fairness table from the file kept apart."""
    report = folder / "audit-report.pdf"
    options = {
        "--model": f"{MODEL}@{VERSION}",
        "--since": since.isoformat(),
        "--until": until.isoformat(),
        "--groups": str(groups),
        "--groups-source": "the data set's own columns, kept apart from the ledger",
        "--output": str(report),
    }
    command = Path(sys.executable).with_name("decision-ledger")
    done = subprocess.run(
        [command, "report", *(word for option in options.items() for word in option)],
        env={**os.environ, "LEDGER_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the report was not written: {done.stderr.strip()}")
    console.print(
        f"   {report.name}: what the model decided over seven months, what drove it, how it "
        "treated groups, and what was checked."
    )


def verify(console: Console, folder: Path, receipt: Path) -> bool:
    """Check the whole ledger and one receipt in a process that has none of our server."""
    console.print("\n[bold]6. Is the whole ledger what it was?[/bold]")
    console.print(
        "   Checked from its raw bytes by a program that cannot import "
        f"{', '.join(BLOCKED[:-1])} or {BLOCKED[-1]}:"
    )
    policy = folder / "policy.txt"
    status = 0
    openings = receipt.with_suffix(".openings.json")
    for command in ([folder / "ledger.db"], [receipt, "--openings", openings]):
        status |= _run(console, [*command, "--policy", policy])[0]
    return status == 0


def tamper(console: Console, folder: Path, seq: int) -> bool:
    """Change one stored byte in a copy of the database, and see the verifier name the entry."""
    console.print("\n[bold]7. And if somebody changed one byte?[/bold]")
    copy = folder / "tampered" / "ledger.db"
    copy.parent.mkdir()
    for file in folder.glob("ledger.db*"):
        shutil.copy(file, copy.parent / file.name)
    _change_one_byte(copy, seq)
    console.print(f"   One byte of entry {seq:,} was changed in a copy of the database:")
    policy, origin = folder / "policy.txt", f"{ORIGIN}/log/decisions"
    code, output = _run(console, [copy, "--policy", policy, "--origin", origin])
    console.print(f"   Exit status {code}: the verifier refuses, and names the entry.")
    shutil.rmtree(copy.parent)
    return code == 1 and f"{seq}" in output.replace(",", "")


def _change_one_byte(database: Path, seq: int) -> None:
    """Do what somebody with the file in their hands can do: first remove the fences."""
    with sqlite3.connect(database) as connection:
        triggers = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for (name,) in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        (log, entry) = connection.execute(
            "SELECT log_id, entry FROM log_entry JOIN log ON log.id = log_id "
            "WHERE origin LIKE '%/log/decisions' AND seq = ?",
            (seq,),
        ).fetchone()
        # The first character of what the entry commits the outcome with.
        at = entry.index(b'"output":"') + len(b'"output":"')
        other = b"B" if entry[at : at + 1] == b"A" else b"A"
        changed = entry[:at] + other + entry[at + 1 :]
        connection.execute(
            "UPDATE log_entry SET entry = ? WHERE log_id = ? AND seq = ?", (changed, log, seq)
        )
    connection.close()


def _run(console: Console, arguments: list[Path | str]) -> tuple[int, str]:
    """Run the verifier, show what was typed and what it said, and return both."""
    typed = " ".join(
        os.path.relpath(each) if isinstance(each, Path) else each for each in arguments
    )
    console.print(f"   [dim]$ python -m ledger.verify {typed}[/dim]", soft_wrap=True)
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout or done.stderr
    for line in output.rstrip("\n").split("\n"):
        console.print(f"     {line}", markup=False, soft_wrap=True)
    return done.returncode, output
