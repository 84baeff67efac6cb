"""Imports that are killed, doubled or given odd files: each row once, or said why not."""

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ledger.client import import_outbox, importing
from ledger.client.__main__ import main
from ledger.client.row_mapping import RowMapping
from ledger.client.tables import Inexact, Row, open_table
from ledger.errors import LedgerError
from tests.ledger.client.clients import told, until
from tests.ledger.client.imports import (
    MAPPING,
    ROW,
    Import,
    arguments,
    importer,
    lines,
    places,
    rows,
)
from tests.ledger.client.simulator import Answer, Ledger


@pytest.fixture
def bring(capsys: pytest.CaptureFixture[str], spool: Path, url: str, tmp_path: Path) -> Import:
    return importer(tmp_path, spool, url, capsys)


def notes(spool: Path) -> Path:
    (found,) = (spool / "imports").glob("*.json")
    return found


def test_killed_for_good_in_the_middle_each_row_arrives_once(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path, url: str
) -> None:
    file = lines(tmp_path / "f.jsonl", *rows(2_000), b"{\n", *rows(1))
    first, place, *rest = arguments(tmp_path, spool, url)
    command = [sys.executable, "-m", "ledger.client", first, place, str(file), *rest]
    ledger.retry_after = "60"
    told_busy: list[bool] = []

    def busy(ledger: Ledger, answer: Answer) -> Answer:
        """After one batch the import has to wait for longer than it lives."""
        ledger.before.append(503)
        told_busy.append(True)
        return answer

    for wanted in (500, 1_000):
        ledger.after.append(busy)
        child = subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.DEVNULL)
        try:
            until(lambda: told_busy and not ledger.before)
        finally:
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        assert len(ledger.decisions) == wanted
        told_busy.clear()
    status, said = bring(file)
    assert (status, "2,002 rows settled" in said) == (1, True)
    assert places(ledger) == [*range(2_000), 2_001]
    assert list(told(ledger)) == [2_000]


def test_two_imports_of_one_file_do_not_run_at_once(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path
) -> None:
    file = lines(tmp_path / "f", *rows(2))
    bring(file)
    lock = os.open(next((spool / "imports").glob("*.lock")), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = bring(file)
        assert (status, "another process imports this file" in said) == (2, True)
    finally:
        os.close(lock)
    assert bring(file)[0] == 0
    assert len(ledger.decisions) == 2


def test_another_mapping_begins_only_when_somebody_says_so(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path
) -> None:
    file = lines(tmp_path / "f", ROW | {"result": 7})
    assert bring(file)[0] == 1  # the outcome is no text
    mapped = tmp_path / "mapping.json"
    mapped.write_text(json.dumps(MAPPING | {"outcome": "via"}))
    status, said = bring(file)
    assert (status, "begun with another mapping" in said) == (2, True)
    notes(spool).unlink()
    status, said = bring(file)
    assert (status, "1 recorded" in said) == (0, True)
    assert len(ledger.decisions) == 1


def test_many_files_are_brought_one_after_the_other(
    bring: Import, ledger: Ledger, tmp_path: Path
) -> None:
    one, two = lines(tmp_path / "a", *rows(2)), lines(tmp_path / "b", *rows(3), b"{\n")
    status, said = bring(one, two)
    assert (status, len(ledger.decisions)) == (1, 5)
    assert f"{one}:\n" in said
    assert len({each["source"]["id"] for each in ledger.decisions.values()}) == 2
    status, said = bring(tmp_path / "none", one)
    assert (status, "COULD NOT BE TRIED" in said) == (2, True)


def test_standard_input_is_a_file_too(
    bring: Import, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lines(tmp_path / "f", *rows(3)).read_bytes()
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        assert bring("-")[0] == 0
    assert len(ledger.decisions) == 3


def test_rows_that_are_no_decision_fill_neither_memory_nor_the_notes(
    bring: Import, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_outbox, "MAX_BAD", 3)
    monkeypatch.setattr(import_outbox, "MAX_GAPS", 4)
    monkeypatch.setattr(importing, "DECLARE_FROM", 0)
    monkeypatch.setattr("ledger.client.__main__.MAX_BATCH", 2)
    made: list[object] = [b"{\n"] * 8
    for row in rows(10):
        made += [row, b"{\n"]
    status, said = bring(lines(tmp_path / "f", *made))
    assert (status, "28 rows settled" in said) == (1, True), said
    assert places(ledger) == list(range(8, 28, 2))
    assert sorted(told(ledger)) == [*range(8), *range(9, 28, 2)]


def test_a_line_as_long_as_a_decision_may_be_is_read(
    bring: Import, ledger: Ledger, tmp_path: Path
) -> None:
    padded = json.dumps(ROW | {"unused": "x" * 2_000_000}).encode() + b"\n"
    assert bring(lines(tmp_path / "f", padded))[0] == 0
    assert len(ledger.decisions) == 1


# Parquet's own types


def table_of(path: Path, **columns: Any) -> list[Row]:
    parquet.write_table(pa.table(columns), path)
    with open_table(path) as table:
        return [each for each in table.rows(0) if isinstance(each, Row)]


def test_what_python_would_round_spoils_its_own_row_alone(tmp_path: Path) -> None:
    exact = 1_778_751_067_123_456_000
    found = table_of(
        tmp_path / "f",
        ns=pa.array([exact, exact + 1, None], pa.timestamp("ns", tz="UTC")),
        far=pa.array([0, 1, 10**17], pa.timestamp("ms", tz="UTC")),
        day=pa.array([0, 10**7, 0], pa.date32()),
    )
    moment = datetime(2026, 5, 14, 9, 31, 7, 123456, tzinfo=UTC)
    assert found[0].members["ns"] == moment
    assert isinstance(found[1].members["ns"], Inexact)
    assert found[2].members["ns"] is None
    assert found[1].members["far"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)
    assert isinstance(found[2].members["far"], Inexact)
    assert [isinstance(each.members["day"], Inexact) for each in found] == [False, True, False]


def test_such_a_row_is_refused_by_column_if_that_column_counts(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path
) -> None:
    second = 1_778_751_067_000_000_000
    plain = [{n: v for n, v in row.items() if n not in {"when", "unused"}} for row in rows(3)]
    table = pa.Table.from_pylist(plain)
    for name, kind in (("when", [second, second + 1, second]), ("unused", [1, 1, 1])):
        table = table.append_column(name, pa.array(kind, pa.timestamp("ns", tz="UTC")))
    parquet.write_table(table, tmp_path / "f")
    status, _ = bring(tmp_path / "f")
    assert (status, places(ledger)) == (1, [0, 2])
    (rejects,) = (spool / "imports").glob("*.rejects.jsonl")
    why = json.loads(rejects.read_text())["why"]
    assert why == "column when: a timestamp[ns, tz=UTC] that cannot be carried over exactly"


def test_whole_decisions_in_nested_columns_need_no_mapping(
    ledger: Ledger, tmp_path: Path, spool: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = RowMapping.parse(json.dumps(MAPPING).encode())
    whole = [mapping.members(row) | {"id": None} for row in rows(2)]
    parquet.write_table(pa.Table.from_pylist(whole), tmp_path / "f")
    first, place, *rest = arguments(tmp_path, spool, url)
    without = [*rest[: rest.index("--mapping")], *rest[rest.index("--mapping") + 2 :]]
    assert main([first, place, str(tmp_path / "f"), *without]) == 0, capsys.readouterr().out
    assert [each["subject"] for each in ledger.decisions.values()] == ["S-0", "S-1"]


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet.write_table(table, tmp_path / "f")
    with pytest.raises(LedgerError, match="same name"), open_table(tmp_path / "f"):
        pass


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "f")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    wanted = pytest.raises(LedgerError, match=r"decision-ledger\[parquet\]")
    with wanted, open_table(tmp_path / "f"):
        pass


def test_a_terminal_sees_how_far_it_is(
    bring: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(importing, "SHOWN_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", shown)
    assert bring(lines(tmp_path / "f", *rows(600)))[0] == 0
    first, *_, last = shown.getvalue().split("\r")[1:]
    assert first.startswith("500 rows, ")
    assert " a second, " in first
    assert first.endswith(" s left\x1b[K")
    assert last == "\x1b[K"


def test_an_outage_that_lasts_ends_the_command_and_not_the_import(
    bring: Import, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_RETRIES", 1)
    ledger.retry_after = "0"
    ledger.before.extend([503, 503])
    file = lines(tmp_path / "f", *rows(2))
    status, said = bring(file)
    assert (status, "STOPPED" in said) == (2, True)
    assert bring(file)[0] == 0
    assert places(ledger) == [0, 1]
