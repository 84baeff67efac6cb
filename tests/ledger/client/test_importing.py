"""A file of decisions is brought into the ledger, each row exactly once, whatever happens."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ledger.client.__main__ import main
from ledger.client.import_outbox import ImportOutbox
from ledger.client.row_mapping import RowMapping, imported
from ledger.client.tables import MAX_LINE_BYTES, BadRow, file_digest, open_table
from ledger.entries import parse_id
from ledger.errors import LedgerError, MalformedError
from tests.ledger.client.imports import MAPPING, ROW, Import, importer, lines, places, rows
from tests.ledger.client.simulator import Ledger, decision

DIGEST = bytes(range(32))


@pytest.fixture
def mapping() -> RowMapping:
    return RowMapping.parse(json.dumps(MAPPING).encode())


# From rows to decisions


def test_columns_make_a_decision(mapping: RowMapping) -> None:
    identifier, at_ms, members = imported(ROW, mapping, DIGEST, 7)
    assert parse_id(identifier)
    assert at_ms == int(datetime(2026, 5, 14, 9, 31, 7, tzinfo=UTC).timestamp() * 1000)
    assert members == {
        "model": "mortgage-approval@1.0.0",
        "policy": "cut-off@1.0.0",
        "subject": "MTG-1",
        "input": {"income": 2500, "late": None},
        "output": {"margin": -413207, "scale": 6, "space": "log-odds", "outcome": "declined"},
        "context": {
            "decided_at": "2026-05-14T09:31:07Z",
            "channel": "branch",
            "decision_role": "sole",
        },
    }


def test_the_same_row_of_the_same_file_is_the_same_decision(mapping: RowMapping) -> None:
    ids = {imported(ROW, mapping, digest, n)[0] for digest in (DIGEST, bytes(32)) for n in (0, 1)}
    assert len(ids) == 4
    assert imported(ROW, mapping, DIGEST, 0)[0] in ids


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("2500.00"), 2500),
        (date(2026, 5, 14), "2026-05-14"),
        (datetime(2026, 5, 14, 9, tzinfo=UTC), "2026-05-14T09:00:00Z"),
        (datetime(2026, 5, 14, 9, 0, 0, 120_000, tzinfo=UTC), "2026-05-14T09:00:00.12Z"),
        (True, True),
        ("text", "text"),
    ],
)
def test_values_are_carried_over_exactly(mapping: RowMapping, value: Any, exact: Any) -> None:
    assert imported(ROW | {"income": value}, mapping, DIGEST, 0)[2]["input"]["income"] == exact


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("income", 2**53),
        ("income", float("nan")),
        ("income", Decimal("0.1000000000000000055511151231257827")),
        ("income", Decimal("NaN")),
        ("income", [1]),
        ("income", b"x"),
        ("when", datetime(2026, 5, 14)),  # noqa: DTZ001  # without a zone is the point
        ("when", "14.05.2026"),
        ("when", None),
        ("score", "0.3"),
        ("score", float("inf")),
        ("score", True),
        ("result", 1),
        ("customer", 1.5),
    ],
)
def test_what_cannot_be_is_refused_by_column_and_without_the_value(
    mapping: RowMapping, column: str, value: Any
) -> None:
    with pytest.raises(MalformedError) as caught:
        imported(ROW | {column: value}, mapping, DIGEST, 0)
    assert column in str(caught.value) or "decided_at" in str(caught.value)
    if isinstance(value, str | bytes | list):
        assert str(value) not in str(caught.value)


def test_a_column_that_is_not_there_is_named(mapping: RowMapping) -> None:
    with pytest.raises(MalformedError, match="column late: the row has none"):
        imported({k: v for k, v in ROW.items() if k != "late"}, mapping, DIGEST, 0)


def test_whole_decisions_need_no_mapping() -> None:
    whole = decision() | {"context": {"decided_at": "2026-05-14T09:31:07Z"}}
    whole = {name: value for name, value in whole.items() if value is not None}
    assert imported(whole, None, DIGEST, 0)[2] == whole
    for wrong in (
        whole | {"source": {"id": "x", "seq": 1}},
        whole | {"other": 1},
        {n: v for n, v in whole.items() if n != "policy"},
        whole | {"context": {}},
        whole | {"context": {"decided_at": "2026-02-31T00:00:00Z"}},
        whole | {"id": 7},
    ):
        with pytest.raises(MalformedError):
            imported(wrong, None, DIGEST, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"model": 1}, {"unknown": 1}, {"input": {}}, {"input": "income"}, {"subject": 1},
        {"context": [1, 2]} | {"input": {"a": 1}}, {"constants": []},
    ],
)  # fmt: skip
def test_a_mapping_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="mapping"):
        RowMapping.parse(json.dumps(MAPPING | change).encode())


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=4)))
def test_any_row_is_a_decision_or_malformed(row: dict[str, Any]) -> None:
    for mapping in (None, RowMapping.parse(json.dumps(MAPPING).encode())):
        with suppress(MalformedError):
            assert parse_id(imported(row, mapping, DIGEST, 0)[0])


# Files


def test_lines_are_read_one_by_one_and_bad_ones_named(tmp_path: Path) -> None:
    long = b'{"x":"' + b"y" * (MAX_LINE_BYTES + 10) + b'"}\n'
    path = lines(
        tmp_path / "f", {"a": 1}, b"\n", b"{", b"\n[1]\n", long, b'{"a":1,"a":2}\n', {"a": 2}
    )
    with open_table(path) as table:
        found = list(table.rows(0))
        assert [each.number for each in found] == [0, 2, 3, 4, 5, 6]
        assert [isinstance(each, BadRow) for each in found] == [
            False,
            True,
            True,
            True,
            True,
            False,
        ]
        assert [each.number for each in table.rows(4)] == [4, 5, 6]
        assert table.share() == 1.0


def test_parquet_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    parquet.write_table(pa.table({"a": list(range(25)), "b": ["x"] * 25}), path, row_group_size=10)
    with open_table(path) as table:
        assert [row.members["a"] for row in table.rows(13)] == list(range(13, 25))  # type: ignore[union-attr]
        assert len(list(table.rows(0))) == 25


def test_a_damaged_parquet_file_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    parquet.write_table(pa.table({"a": list(range(5_000))}), path, row_group_size=1_000)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(LedgerError, match="not a Parquet file"), open_table(path):
        pass
    path.write_bytes(whole[:200] + bytes(2_000) + whole[2_200:])
    with pytest.raises(LedgerError, match="damaged"), open_table(path) as table:
        list(table.rows(0))


# Delivery


@pytest.fixture
def bring(capsys: pytest.CaptureFixture[str], spool: Path, url: str, tmp_path: Path) -> Import:
    return importer(tmp_path, spool, url, capsys)


def test_every_row_is_recorded_once_and_in_order(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lines(tmp_path / "f.jsonl", *rows(1_200))
    status, said = bring(file)
    assert (status, places(ledger)) == (0, list(range(1_200)))
    assert "1,200 rows settled" in said
    status, said = bring(file)
    assert (status, len(ledger.decisions)) == (0, 1_200)
    assert "0 recorded" in said
    identifier = next(iter(ledger.decisions))
    assert main(["receipt", str(spool), identifier]) == 0
    assert "c2sp.org/tlog-proof@v1" in capsys.readouterr().out


def test_bad_rows_are_listed_and_declared_and_cost_no_others(
    bring: Import, ledger: Ledger, tmp_path: Path, spool: Path
) -> None:
    ledger.refused = {"S-4"}
    made = [*rows(3), b"{\n", *rows(6)[4:], ROW | {"income": [1]}]
    status, said = bring(lines(tmp_path / "f", *made))
    assert status == 1
    assert places(ledger) == [0, 1, 2, 5]
    (listed,) = (spool / "imports").glob("*.rejects.jsonl")
    told = [json.loads(line) for line in listed.read_text().splitlines()]
    assert [each["row"] for each in told] == [3, 4, 6]
    assert "column income" in told[2]["why"]
    assert sorted(ledger.gaps) == [
        (ledger.gaps[0][0], 3, 3, "not_encodable"),
        (ledger.gaps[0][0], 4, 4, "refused_by_ledger"),
        (ledger.gaps[0][0], 6, 6, "not_encodable"),
    ]
    assert "3 of them are not in the ledger" in said


def test_an_outage_is_waited_out_and_a_batch_too_large_is_halved(
    bring: Import, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.before.extend([503, None, 413])
    ledger.retry_after = "0"
    made = [*rows(3), b"{\n", *rows(9)[4:]]
    assert bring(lines(tmp_path / "f", *made))[0] == 1
    assert places(ledger) == [0, 1, 2, *range(4, 9)]


def test_killed_between_recording_and_noting_it_nothing_is_doubled(
    bring: Import, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lines(tmp_path / "f", *rows(1_100), b"{\n")

    class Killed(BaseException):
        pass

    write = ImportOutbox._write

    def die(self: ImportOutbox, done: Any) -> None:
        if done.row > 600:
            raise Killed
        write(self, done)

    monkeypatch.setattr(ImportOutbox, "_write", die)
    with pytest.raises(Killed):
        bring(file)
    monkeypatch.undo()
    status, said = bring(file)
    assert (status, places(ledger)) == (1, list(range(1_100)))
    assert "500 were there already" in said
    assert "1 of them are not" in said


def test_a_dry_run_checks_all_and_sends_nothing(
    bring: Import, ledger: Ledger, tmp_path: Path
) -> None:
    file = lines(tmp_path / "f", *rows(2), b"{\n", ROW | {"result": 7})
    status, said = bring(file, "--dry-run")
    assert (status, len(ledger.requests)) == (1, 0)
    assert "row 2: not JSON" in said
    assert "row 3: column result" in said
    assert "4 rows, 2 are no decision" in said


def test_parquet_arrives_like_lines(bring: Import, ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    when = [datetime(2026, 5, 14, 9, n, tzinfo=UTC) for n in range(5)]
    parquet.write_table(
        pa.Table.from_pylist([r | {"when": w} for r, w in zip(rows(5), when, strict=True)]), file
    )
    assert bring(file)[0] == 0
    sent = list(ledger.decisions.values())
    assert [each["context"]["decided_at"] for each in sent][1] == "2026-05-14T09:01:00Z"
    assert sent[3]["input"] == {"income": 3, "late": None}


def test_damaged_notes_are_not_guessed_at(bring: Import, tmp_path: Path, spool: Path) -> None:
    file = lines(tmp_path / "f", *rows(1))
    bring(file)
    (notes,) = (p for p in (spool / "imports").glob("*.json"))
    notes.write_text("{}")
    status, said = bring(file)
    assert status == 2
    assert "remove it to begin anew" in said


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    path = lines(tmp_path / "f", {"a": 1})
    assert file_digest(path) != file_digest(lines(tmp_path / "g", {"a": 2}))
