"""The rows of a list as CSV and as JSON, for a spreadsheet and for a program.

Only what the list's index holds: no inputs, no attributions, no reference to a person.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Final

from service.ui import wording
from service.ui.listing import Recorded

MAX_EXPORT_ROWS: Final = 10_000  # rows; larger questions are a report's, not a browser's
COLUMNS: Final = ("id", "decided_at", "outcome", "margin", "model", "policy")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would execute

Row = tuple[Recorded, str, str]
"""A decision with its model and its policy, as `name@version`."""


def as_csv(rows: Iterable[Row]) -> str:
    """Return RFC 4180 text with a header line; the margin is in units of 10^-6.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for cells in map(_cells, rows):
        writer.writerow([_inert(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()


def as_json(rows: Sequence[Row], total: int) -> str:
    """Return `{"total", "decisions": […]}`, the members of a decision named as the columns."""
    decisions = [dict(zip(COLUMNS, _cells(row), strict=True)) for row in rows]
    return json.dumps({"total": total, "decisions": decisions}, indent=1) + "\n"


def _cells(row: Row) -> tuple[str, str, str, int, str, str]:
    recorded, model, policy = row
    decided = wording.iso(recorded.decided)
    return (recorded.id, decided, recorded.outcome, recorded.margin, model, policy)


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
