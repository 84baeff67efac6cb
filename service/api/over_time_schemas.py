"""Shapes of a model over time; strict, as all of them: see `schemas`."""

from marshmallow import fields, validate

from service.api.schemas import Strict

__all__ = ["OverTimeSchema"]

_FIGURE = "A figure with its `count` and interval, or {`absent`: why there is none}."


def _figure() -> fields.Dict:
    return fields.Dict(keys=fields.String(), required=True, metadata={"description": _FIGURE})


class MonitoredFeatureSchema(Strict):
    """One feature in one period."""

    name = fields.String(required=True)
    importance = _figure()
    drift = _figure()


class MonitoredPeriodSchema(Strict):
    """One period, by the time of decision."""

    period = fields.String(required=True)
    decided = fields.Integer(required=True)
    attributed = fields.Integer(required=True)
    approval = _figure()
    score_drift = _figure()
    features_absent = fields.String(required=True, allow_none=True)
    features = fields.List(fields.Nested(MonitoredFeatureSchema), required=True)
    refusals_with_reasons = fields.Integer(required=True)
    reasons_absent = fields.String(required=True, allow_none=True)
    reasons = fields.List(fields.Dict(keys=fields.String()), required=True)


class OverTimeSchema(Strict):
    """A model version over time, as it was worked out last."""

    model = fields.String(required=True)
    digest = fields.String(required=True)
    space = fields.String(required=True)
    computed_at = fields.String(required=True, metadata={"format": "date-time"})
    log_size = fields.Integer(required=True)
    decisions = fields.Integer(required=True)
    not_counted = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    no_contributions = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    min_cases = fields.Integer(required=True)
    by = fields.String(required=True, validate=validate.OneOf(["month", "quarter", "year"]))
    reference = fields.String(required=True, allow_none=True)
    periods = fields.List(fields.Nested(MonitoredPeriodSchema), required=True)
    outcomes = fields.Dict(
        keys=fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "Calibration; null where no outcome is on record."},
    )
