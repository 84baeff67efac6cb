"""Outcomes: take what became of decisions from a file, and show it."""

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from service.commands.terminal import NO, opened, print_json, reading, reads, speaks

if TYPE_CHECKING:
    # Imported for real inside: --help must not wait for databases.
    from ledger.operate.outcomes import Outcome
    from service.runtime import Runtime

__all__ = ["outcomes"]

ROWS: Final = 500  # of one commit
MAX_LINE: Final = 10_000  # bytes; a row has some 150
SHOWN: Final = 100  # rows that are refused and told; the others are counted
_COLUMNS: Final = ("decision", "event", "occurred", "observed_on", "source")
_YES_NO: Final = {"true": True, "false": False}


@click.group()
def outcomes() -> None:
    """Feed back what became of decisions."""


@outcomes.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="Who says so, for rows that do not.")
@speaks
def import_(path: Path, source: str | None) -> None:
    """Log the outcomes of a file: CSV with a header, or JSON lines (.jsonl).

    Columns or members: decision, event, occurred (true or false), observed_on and source.
    Rows are judged one by one; those that are refused are told by their line, without their
    values, and the exit status is then 1. Importing a file again changes nothing.
    """
    told = _Told()
    with (
        path.open("rb") as file,
        opened() as runtime,
        click.progressbar(length=path.stat().st_size, label="Importing", file=sys.stderr) as bar,
    ):
        rows = _json_rows(file) if path.suffix == ".jsonl" else _csv_rows(file)
        for batch in batched(rows, ROWS, strict=False):
            _feed(runtime, batch, source, told)
            bar.update(file.tell() - bar.pos)
    click.echo(
        f"{told.recorded:,} recorded, {told.duplicate:,} on record before,"
        f" {told.refused:,} refused."
    )
    for line in told.lines:
        click.echo(line, err=True)
    if told.refused > len(told.lines):
        click.echo(f"and {told.refused - len(told.lines):,} more", err=True)
    if told.refused:
        raise click.exceptions.Exit(NO)


@outcomes.command()
@click.argument("decision_id")
@reads
@speaks
def show(decision_id: str, purpose: str, case: str) -> None:
    """Show what became of a decision, as JSON."""
    from service.api.outcomes import FIELDS, shown_outcome

    with opened() as runtime:
        reading(runtime, purpose, case).note([decision_id], FIELDS)
        print_json([shown_outcome(each) for each in runtime.outcomes.of(decision_id)])


@dataclass(slots=True)
class _Told:
    """What became of the rows."""

    recorded: int = 0
    duplicate: int = 0
    refused: int = 0
    lines: list[str] = field(default_factory=list)

    def refuse(self, line: int, error: Exception) -> None:
        """Note why a row is not taken."""
        self.refused += 1
        if len(self.lines) < SHOWN:
            member = getattr(error, "member", None)
            self.lines.append(f"line {line}: {f'{member}: ' if member else ''}{error}")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    members: Mapping[str, Any] | None
    """None: the line is not a row at all."""


def _feed(runtime: "Runtime", batch: tuple[_Row, ...], source: str | None, told: _Told) -> None:
    from ledger.errors import LedgerError, MalformedError
    from ledger.operate.outcomes import Fed
    from ledger.roles import Principal, Role
    from service.api.outcomes import outcome_of
    from service.problems import Problem

    fit: list[tuple[int, Outcome]] = []
    for row in batch:
        try:
            if row.members is None:
                raise MalformedError("not a row of this file")
            named = {} if source is None else {"source": source}
            fit.append((row.line, outcome_of({**named, **row.members})))
        except (Problem, LedgerError) as error:
            told.refuse(row.line, error)
    if not fit:
        return
    operator = Principal("terminal", "operator at the terminal", Role.MODEL_OWNER)
    found = runtime.outcomes.record_each(operator, [each for _, each in fit])
    for (line, _), each in zip(fit, found, strict=True):
        if isinstance(each, Fed):
            told.recorded += each.status == "recorded"
            told.duplicate += each.status == "duplicate"
        else:
            told.refuse(line, each)


def _json_rows(file: BinaryIO) -> Iterator[_Row]:
    from ledger import canonical
    from ledger.errors import MalformedError

    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            value = canonical.parse(line.strip(), max_bytes=MAX_LINE, max_depth=2)
        except MalformedError:
            value = None
        yield _Row(number, value if isinstance(value, Mapping) else None)


def _csv_rows(file: BinaryIO) -> Iterator[_Row]:
    from ledger.errors import MalformedError

    try:
        lines = csv.reader(line.decode("utf-8-sig") for _, line in _lines(file))
        header = next(lines, [])
        wrong = set(header) ^ set(_COLUMNS)
        if len(set(header)) < len(header) or wrong - {"source"}:
            raise MalformedError(f"outcomes: the header is not {','.join(_COLUMNS)}")
        for row in lines:
            if row:
                fit = len(row) == len(header)
                members = dict(zip(header, row, strict=True)) if fit else None
                yield _Row(lines.line_num, members and _typed(members))
    except (csv.Error, UnicodeDecodeError) as error:
        raise MalformedError("outcomes: not a CSV file in UTF-8") from error


def _typed(members: Mapping[str, str]) -> Mapping[str, Any]:
    """The row as JSON would have it; an empty source is none."""
    typed = {name: value for name, value in members.items() if value or name != "source"}
    return {**typed, "occurred": _YES_NO.get(members["occurred"], members["occurred"])}


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of the file with their numbers.

    Raises:
        MalformedError: one is longer than any row.
    """
    from ledger.errors import MalformedError

    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise MalformedError(f"outcomes: line {number} is longer than any row")
        yield number, line
