"""Shapes of what is told about registered versions, for the OpenAPI document."""

from marshmallow import fields

from service.api.schemas import Strict

__all__ = ["LineageSchema"]


class NodeSchema(Strict):
    """One thing on the way from data to decisions."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), required=True)


class EdgeSchema(Strict):
    """One step of the way."""

    source = fields.String(required=True, metadata={"description": "The `id` of a node."})
    target = fields.String(required=True, metadata={"description": "The `id` of a node."})
    how = fields.String(required=True)


class LineageSchema(Strict):
    """A graph from training data over a model version to its decisions."""

    nodes = fields.List(fields.Nested(NodeSchema), required=True)
    edges = fields.List(fields.Nested(EdgeSchema), required=True)
    not_stated = fields.List(
        fields.String(), required=True, metadata={"description": "Kinds that are not stated."}
    )
    left_out = fields.Integer(required=True, metadata={"description": "Data sets not shown."})
