"""Shapes of what is said and asked about sources, strict as all are (`service.api.schemas`)."""

from typing import Any, Final

import marshmallow
from marshmallow import fields, validate, validates_schema

from ledger.operate.completeness import MAX_PAGE
from service.api.schemas import MAX_INTEGER, TIME_PATTERN, Integer, Strict

__all__ = [
    "FilterSchema",
    "GapPageSchema",
    "GapStatementSchema",
    "ShownSourceSchema",
    "SourceListSchema",
    "StatedSchema",
    "StatedTotalSchema",
    "TotalListSchema",
    "TotalStatementSchema",
]

_COUNT: Final = validate.Range(0, MAX_INTEGER)
_MOMENT: Final = {"format": "date-time"}


def _moment(description: str = "", **options: Any) -> fields.String:
    said = {"description": description} if description else {}
    return fields.String(metadata=_MOMENT | said, **options)


def _asked_moment() -> fields.String:
    pattern = validate.Regexp(
        f"^(?:{TIME_PATTERN})\\Z", error="Give RFC 3339 in UTC: 2026-05-14T09:31:07Z."
    )
    return fields.String(validate=pattern, metadata=_MOMENT)


class GapSchema(Strict):
    """Counters that no decision carries, first and last included."""

    first = fields.Integer(required=True)
    last = fields.Integer(required=True)
    reason = fields.String(required=True, allow_none=True)
    since = _moment(required=True, allow_none=True)
    stated = _moment(required=True, allow_none=True)


class LaneGapSchema(GapSchema):
    """A gap, and the source whose counters these are."""

    source = fields.String(required=True)


class FillingSchema(Strict):
    """Counters that were missing, and arrived late."""

    source = fields.String(required=True)
    first = fields.Integer(required=True)
    last = fields.Integer(required=True)
    since = _moment(required=True)
    arrived = _moment(required=True)
    index = fields.Integer(required=True, metadata={"description": "Of the first, in the log."})
    decided_at = _moment(
        "Of the first; null if it was erased, or is not for you.", required=True, allow_none=True
    )


class _Counted(Strict):
    """What every list of numbers about sources has."""

    recorded = fields.Integer(required=True)
    unexplained = fields.Integer(required=True)
    explained = fields.Integer(required=True)
    ranges = fields.Integer(required=True)
    outside = fields.Integer(required=True)
    repeated = fields.Integer(required=True)
    late = fields.Integer(required=True)
    out_of_order = fields.Integer(required=True)
    longest_late_seconds = fields.Integer(required=True, allow_none=True)
    began = _moment(required=True, allow_none=True)
    heard = _moment(required=True, allow_none=True)
    silent_seconds = fields.Integer(required=True, allow_none=True)


class FamilySchema(_Counted):
    """The lanes that share the name before their last full stop, summed."""

    family = fields.String(required=True)
    lanes = fields.Integer(required=True)
    decisions = fields.Integer(required=True)


class SourceReportSchema(_Counted):
    """What the log holds of one source's count of predictions; its first gaps only."""

    source = fields.String(required=True)
    family = fields.String(required=True)
    first = fields.Integer(required=True, allow_none=True)
    last = fields.Integer(required=True, allow_none=True)
    gaps = fields.List(fields.Nested(GapSchema), required=True)
    more_gaps = fields.Boolean(required=True)


class ReconciledSchema(Strict):
    """A stated total, held against what the ledger holds now."""

    kind = fields.String(
        required=True, validate=validate.OneOf(["source_period_total", "source_total"])
    )
    source = fields.String(required=True)
    first = fields.Integer()
    last = fields.Integer()
    since = _moment()
    until = _moment()
    count = fields.Integer(required=True)
    index = fields.Integer(required=True)
    stated = _moment(required=True)
    held = fields.Integer(required=True)
    verdict = fields.String(
        required=True, validate=validate.OneOf(["agrees", "more", "short", "unknown"])
    )
    short = fields.Integer(required=True)
    explained = fields.Integer(required=True)
    undatable = fields.Integer(required=True)
    missing = fields.List(fields.Nested(GapSchema), required=True)
    ranges = fields.Integer(required=True)


class StatedSchema(Strict):
    """Where the statement stands in the log."""

    id = fields.String(required=True)
    seq = fields.Integer(required=True)


class StatedTotalSchema(StatedSchema):
    """Where the total stands in the log, and how it compares now."""

    total = fields.Nested(ReconciledSchema, required=True)


class TotalListSchema(Strict):
    """The newest totals that were stated, newest first."""

    totals = fields.List(fields.Nested(ReconciledSchema), required=True)


class SourceListSchema(TotalListSchema):
    """Every family, and a page of the sources; `next` is the cursor of the following page."""

    families = fields.List(fields.Nested(FamilySchema), required=True)
    sources = fields.List(fields.Nested(SourceReportSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ShownSourceSchema(TotalListSchema):
    """A source or a family: its numbers, its newest late arrivals, its totals."""

    family = fields.Nested(FamilySchema, required=True)
    filled = fields.List(fields.Nested(FillingSchema), required=True)


class GapPageSchema(Strict):
    """A page of gaps, by source and counter; `next` is the cursor of the following page."""

    gaps = fields.List(fields.Nested(LaneGapSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class FilterSchema(Strict):
    """How a list is narrowed and turned, as a query."""

    cursor = fields.String(validate=validate.Length(1, 150))
    limit = Integer(validate=validate.Range(1, MAX_PAGE), load_default=100)
    explained = fields.String(validate=validate.OneOf(["no", "yes"]))
    since = _asked_moment()


class GapStatementSchema(Strict):
    """Predictions that were made and never sent, and why."""

    first = Integer(required=True, validate=_COUNT)
    last = Integer(required=True, validate=_COUNT)
    reason = fields.String(
        required=True,
        validate=validate.Regexp(r"^[a-z0-9_]{1,64}\Z", error="Give a code in lowercase."),
    )


class TotalStatementSchema(Strict):
    """How many predictions a source made: by counters, or in a period by time of decision."""

    first = Integer(validate=_COUNT)
    last = Integer(validate=_COUNT)
    since = _asked_moment()
    until = _asked_moment()
    count = Integer(required=True, validate=_COUNT)

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: object) -> None:
        if data.keys() - {"count"} not in ({"first", "last"}, {"since", "until"}):
            raise marshmallow.ValidationError("Give first and last, or since and until.", "first")
