"""Exports carry the rows of the list, and nothing that a spreadsheet would run."""

import csv
import io
import json
from datetime import UTC, datetime

from service.ui import exports
from service.ui.listing import Recorded

AT = datetime(2026, 5, 14, 9, 31, 7, tzinfo=UTC)
ROW: exports.Row = (Recorded("id-1", AT, "declined", -710_000, {"values": {"a": 1}}), "m@1", "p@1")
FORMULA: exports.Row = (Recorded("id-2", AT, "declined", 3, {}), '=HYPERLINK("x")', "@p,1")


def test_csv_has_a_header_and_one_line_per_decision() -> None:
    assert exports.as_csv([ROW]) == (
        "id,decided_at,outcome,margin,model,policy\r\n"
        "id-1,2026-05-14T09:31:07Z,declined,-710000,m@1,p@1\r\n"
    )


def test_a_formula_is_made_inert_and_numbers_stay_numbers() -> None:
    (_, cells) = csv.reader(io.StringIO(exports.as_csv([FORMULA])))
    assert cells[3:] == ["3", '\'=HYPERLINK("x")', "'@p,1"]


def test_json_has_the_same_members_and_the_total() -> None:
    assert json.loads(exports.as_json([ROW], 12)) == {
        "total": 12,
        "decisions": [
            {
                "id": "id-1",
                "decided_at": "2026-05-14T09:31:07Z",
                "outcome": "declined",
                "margin": -710_000,
                "model": "m@1",
                "policy": "p@1",
            }
        ],
    }
