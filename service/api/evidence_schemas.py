"""Shapes of proofs and replays; strict, as all of them: see `schemas`."""

from marshmallow import fields, validate

from service.api.schemas import Strict

__all__ = ["ProofSchema", "ReplaySchema"]


class ProofSchema(Strict):
    """Evidence about one decision: everything that a reader needs to check it offline."""

    decision = fields.String(required=True)
    entry = fields.Dict(keys=fields.String(), required=True)
    receipt = fields.String(required=True, metadata={"description": "A C2SP tlog-proof."})
    openings = fields.List(fields.Dict(keys=fields.String()), required=True)


class ReplaySchema(Strict):
    """What the archived model said when it was asked again."""

    decision = fields.String(required=True)
    verdict = fields.String(
        required=True, validate=validate.OneOf(["drifted", "impossible", "reproduced"])
    )
    why = fields.String(required=True)
    exact = fields.Boolean(required=True)
    tolerance = fields.Integer(required=True)
    recorded_margin = fields.Integer(required=True)
    margin = fields.Integer(required=True, allow_none=True)
    differences = fields.List(fields.Dict(keys=fields.String()), required=True)
    grade = fields.String(required=True, validate=validate.OneOf(["A", "B", "C", ""]))
    tolerance_reason = fields.String(required=True)
    environment = fields.List(fields.String(), required=True)
