"""Shapes of what is told about registered versions, for the OpenAPI document."""

from marshmallow import fields

from service.api.schemas import Strict

__all__ = ["ChangesSchema", "DictionarySchema", "LineageSchema"]


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


class FeatureSchema(Strict):
    """What one feature is; null where the manifest says nothing of a flag or a bound."""

    name = fields.String(required=True)
    label = fields.String(required=True)
    language = fields.String(required=True, metadata={"description": "Of the label."})
    type = fields.String(required=True)
    unit = fields.String(required=True)
    group = fields.String(required=True)
    lower = fields.Float(required=True, allow_none=True)
    upper = fields.Float(required=True, allow_none=True)
    values = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True,
        metadata={"description": "Words for each value that has some."},
    )  # fmt: skip
    mutability = fields.String(required=True)
    missing = fields.String(required=True)
    protected = fields.Boolean(required=True, allow_none=True)
    proxy = fields.Boolean(required=True, allow_none=True)
    source = fields.String(required=True)
    reason = fields.String(required=True)


class DictionarySchema(Strict):
    """The features of a model version in one language."""

    model = fields.String(required=True)
    language = fields.String(required=True)
    languages = fields.List(fields.String(), required=True)
    untranslated = fields.List(fields.String(), required=True)
    features = fields.List(fields.Nested(FeatureSchema), required=True)


class ChangeSchema(Strict):
    """One member that is not the same in two manifests."""

    path = fields.String(required=True)
    how = fields.String(required=True)
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class ChangesSchema(Strict):
    """What changed from one policy to another; `total` counts also what is not shown."""

    old = fields.String(required=True)
    new = fields.String(required=True)
    changes = fields.List(fields.Nested(ChangeSchema), required=True)
    total = fields.Integer(required=True)
