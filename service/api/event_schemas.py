"""Shapes of what is answered to events; strict, as all of them: see `schemas`."""

from marshmallow import fields

from service.api.schemas import Strict

__all__ = ["TakenBatchSchema", "TakenSchema"]


class TakenSchema(Strict):
    """What became of an event."""

    status = fields.String(required=True)
    decisions = fields.List(fields.String(), required=True)
    refused = fields.Integer(required=True)


class TakenBatchSchema(Strict):
    """What became of each event of a batch."""

    results = fields.List(fields.Dict(), required=True)
