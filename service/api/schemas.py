"""Shapes of the bodies we read and write, for checking and for the OpenAPI document.

Everything is strict: a number is not a string, true is not 1, 3.0 is not an integer
and an unknown member is an error, because a member that we would silently drop is a
fact that somebody believes to be on record.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import marshmallow
from marshmallow import fields, validate, validates_schema

__all__ = [
    "BatchSchema",
    "DecisionSchema",
    "ModelSchema",
    "PolicySchema",
    "ProblemSchema",
    "RecordedSchema",
    "SearchSchema",
]

MAX_BATCH: Final = 1_000  # decisions per request; larger ones starve other writers
MAX_FIELDS: Final = 512  # members per section; the widest scorecards known have some 300
MAX_NAME: Final = 128  # characters of a feature's or section member's name
MAX_TEXT: Final = 1_024  # characters of one text value
MAX_REFERENCE: Final = 200  # characters of name@version, or of a subject reference
MAX_SPACE: Final = 40  # characters of the name of an output space
MAX_INTEGER: Final = 2**53 - 1  # RFC 7493 §2.2

ID_PATTERN: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
REFERENCE_PATTERN: Final = r"[0-9a-f]{64}|[A-Za-z0-9._-]{1,100}@[A-Za-z0-9._+-]{1,99}"
CODE_PATTERN: Final = r"[a-z0-9][a-z0-9_.-]{0,63}"
TIME_PATTERN: Final = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z"


class Integer(fields.Field[int]):
    """A whole number that JSON wrote as one, exact in every reader (RFC 7493 §2.2)."""

    default_error_messages = {  # noqa: RUF012  # marshmallow reads it from the class
        "invalid": "Give a whole number, not in quotes and without a fraction."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        del attr, data, kwargs  # part of marshmallow's signature
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return value


class Members(fields.Field[dict[str, Any]]):
    """A flat object of scalars: one section of a decision."""

    default_error_messages = {  # noqa: RUF012  # marshmallow reads it from the class
        "invalid": "Give an object.",
        "many": f"Give at most {MAX_FIELDS} members.",
        "none": "Give at least one member.",
        "name": f"Names have 1 to {MAX_NAME} characters.",
        "scalar": "Give null, true, false, a number or a text, not a list or an object.",
        "text": f"Texts have at most {MAX_TEXT:,} characters.",
    }

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, Any]:
        del attr, data, kwargs  # part of marshmallow's signature
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        if not 1 <= len(value) <= MAX_FIELDS:
            raise self.make_error("many" if value else "none")
        wrong = {name: [self.error_messages[code]] for name, code in _member_faults(value)}
        if wrong:
            raise marshmallow.ValidationError(wrong)
        return dict(value)


def _member_faults(value: Mapping[str, object]) -> list[tuple[str, str]]:
    faults = []
    for name, member in value.items():
        if not 1 <= len(name) <= MAX_NAME:
            faults.append((name[:MAX_NAME], "name"))
        elif isinstance(member, (dict, list)):
            faults.append((name, "scalar"))
        elif isinstance(member, str) and len(member) > MAX_TEXT:
            faults.append((name, "text"))
    return faults


def _text(pattern: str, rule: str, **options: Any) -> fields.String:
    """A text that matches the whole pattern; `rule` is what a caller is told."""
    matcher = validate.Regexp(re.compile(rf"(?:{pattern})\Z"), error=rule)
    return fields.String(validate=matcher, metadata={"pattern": f"^(?:{pattern})$"}, **options)


def _reference(noun: str, **options: Any) -> fields.String:
    return _text(
        REFERENCE_PATTERN, f"Give the {noun} as name@version or as its SHA-256.", **options
    )


def _time(**options: Any) -> fields.String:
    return _text(TIME_PATTERN, "Give a time in UTC such as 2026-05-14T09:31:07Z.", **options)


class Strict(marshmallow.Schema):
    """A schema that refuses what it does not know."""

    error_messages = {  # noqa: RUF012  # marshmallow reads it from the class
        "unknown": "There is no such member.",
        "type": "Give an object.",
    }

    class Meta:
        """Unknown members are errors."""

        unknown = marshmallow.RAISE


class SourceSchema(Strict):
    """Which counter of which producer this prediction carries."""

    id = _text(
        CODE_PATTERN, "Give lowercase letters, digits, dot, dash or underline.", required=True
    )
    seq = Integer(required=True, validate=validate.Range(0, MAX_INTEGER))


class OutputSchema(Strict):
    """The model's own margin, and what the policy made of it."""

    margin = Integer(required=True)
    scale = Integer(required=True, validate=validate.Equal(6))
    space = fields.String(required=True, validate=validate.Length(1, MAX_SPACE))
    outcome = _text(CODE_PATTERN, "Give a code in lowercase.", required=True)


class AttributionsSchema(Strict):
    """How the margin divides among the features: base + sum of values + residual = margin."""

    engine = _text(CODE_PATTERN, "Give a code in lowercase.", required=True)
    space = fields.String(required=True, validate=validate.Length(1, MAX_SPACE))
    scale = Integer(required=True, validate=validate.Equal(6))
    base = Integer(required=True)
    values = fields.Dict(
        keys=fields.String(validate=validate.Length(1, MAX_NAME)),
        values=Integer(required=True),
        required=True,
        validate=validate.Length(1, MAX_FIELDS),
    )
    residual = Integer(required=True)


class DecisionSchema(Strict):
    """One decision as its producer made it."""

    id = _text(ID_PATTERN, "Give a UUID of version 7 in lowercase, or leave it out.")
    model = _reference("model version", required=True)
    policy = _reference("policy version", required=True)
    source = fields.Nested(SourceSchema, required=True)
    subject = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Length(1, MAX_REFERENCE),
        metadata={"description": "Your reference to the person. Kept sealed, never on the log."},
    )
    input = Members(required=True, metadata={"type": "object", "minProperties": 1})
    output = fields.Nested(OutputSchema, required=True)
    attributions = fields.Nested(
        AttributionsSchema,
        metadata={"description": "Leave it out, and they are worked out later from the model."},
    )
    context = Members(required=True, metadata={"type": "object", "minProperties": 1})

    @validates_schema
    def check_sum(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse attributions that do not add up to the margin exactly, or name other spaces."""
        output, parts = data.get("output"), data.get("attributions")
        if not isinstance(output, dict) or not isinstance(parts, dict):
            return
        if output["space"] != parts["space"]:
            raise marshmallow.ValidationError(
                "Give the same space as output.space.", "attributions.space"
            )
        total = parts["base"] + sum(parts["values"].values()) + parts["residual"]
        if total != output["margin"]:
            raise marshmallow.ValidationError(
                "base + values + residual must equal output.margin exactly.", "attributions"
            )


class BatchSchema(Strict):
    """Up to a thousand decisions; each is judged by itself."""

    decisions = fields.List(
        fields.Nested(DecisionSchema), required=True, validate=validate.Length(1, MAX_BATCH)
    )


class SearchSchema(Strict):
    """What to look for; every member narrows the result."""

    subject = fields.String(validate=validate.Length(1, MAX_REFERENCE))
    model = _reference("model version")
    policy = _reference("policy version")
    outcome = _text(CODE_PATTERN, "Give a code in lowercase.")
    since = _time()
    until = _time()
    cursor = fields.String(validate=validate.Length(1, 400))
    limit = Integer(validate=validate.Range(1, 200))


class ModelSchema(Strict):
    """A model version: what is claimed about it, and its files."""

    manifest = fields.Dict(keys=fields.String(), required=True)
    artefacts = fields.Dict(
        keys=fields.String(validate=validate.Length(1, MAX_NAME)),
        values=fields.String(metadata={"format": "byte"}),
        load_default=dict,
        metadata={"description": "Files in base64, by the name that the manifest gives them."},
    )


class PolicySchema(Strict):
    """A policy version: cut-off, outcomes, reason codes."""

    manifest = fields.Dict(keys=fields.String(), required=True)


class ProblemSchema(marshmallow.Schema):
    """RFC 9457 problem details."""

    type = fields.String(required=True, metadata={"format": "uri-reference"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"format": "uri"})
    member = fields.String()
    errors = fields.List(fields.Dict(keys=fields.String(), values=fields.String()))
    tombstone = fields.Dict(
        keys=fields.String(), metadata={"description": "Where the log says that it is gone."}
    )
    erasure = fields.String(metadata={"description": "The request that it was erased by."})
    holds = fields.List(fields.String(), metadata={"description": "The legal holds in the way."})
    complain = fields.String(metadata={"description": "What a person who is refused may do."})


class RecordedSchema(Strict):
    """What became of one decision of a request."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["duplicate", "recorded"]))
    seq = fields.Integer(required=True, metadata={"description": "Its index in the log."})
    receipt = fields.String(
        required=True, metadata={"description": "A C2SP tlog-proof: keep it, it proves itself."}
    )


class ItemSchema(Strict):
    """What became of one decision of a batch."""

    status = fields.String(
        required=True, validate=validate.OneOf(["duplicate", "recorded", "refused"])
    )
    id = fields.String()
    seq = fields.Integer()
    problem = fields.Dict(keys=fields.String(), metadata={"description": "RFC 9457, if refused."})
    entry = fields.String(metadata={"format": "byte", "description": "With receipts=compact."})
    proof = fields.List(
        fields.String(metadata={"format": "byte"}),
        metadata={"description": "Its inclusion proof under `checkpoint`, leaf to root."},
    )


class RecordedBatchSchema(Strict):
    """What became of each decision of a batch, in the order they were sent."""

    results = fields.List(fields.Nested(ItemSchema), required=True)
    recorded = fields.Integer(required=True)
    duplicate = fields.Integer(required=True)
    refused = fields.Integer(required=True)
    checkpoint = fields.String(metadata={"description": "A signed note; with receipts=compact."})


class AttributedSchema(Strict):
    """The attributions of a decision, and when they were worked out."""

    computed = fields.String(
        required=True, validate=validate.OneOf(["at_decision", "later", "pending"])
    )
    value = fields.Dict(required=True)
    entry = fields.String(required=True, allow_none=True)
    seq = fields.Integer(required=True, allow_none=True)
    logged_at = fields.String(required=True, allow_none=True)


class KeptUntilSchema(Strict):
    """Until when a decision is kept by the rules as they are now; null: no end is known."""

    class_ = fields.String(required=True, allow_none=True, data_key="class")
    until = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})


class DecisionViewSchema(Strict):
    """A decision as it was recorded, and its place in the log."""

    id = fields.String(required=True)
    seq = fields.Integer(required=True)
    logged_at = fields.String(required=True, metadata={"format": "date-time"})
    model_digest = fields.String(required=True)
    policy_digest = fields.String(required=True)
    attributions = fields.Nested(AttributedSchema, required=True)
    decision = fields.Nested(DecisionSchema, required=True)
    corrections = fields.List(
        fields.Dict(), required=True, metadata={"description": "The right values, oldest first."}
    )
    hold = fields.String(allow_none=True, metadata={"description": "The legal hold that keeps it."})
    retention = fields.Nested(KeptUntilSchema)


class RowSchema(Strict):
    """One line of a list of decisions."""

    id = fields.String(required=True)
    seq = fields.Integer(required=True, allow_none=True)
    decided_at = fields.String(required=True, metadata={"format": "date-time"})
    model = fields.String(required=True)
    policy = fields.String(required=True)
    outcome = fields.String(required=True)
    margin = fields.Integer(required=True)
    hold = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The legal hold that keeps it, and restricts its use."},
    )


class PageSchema(Strict):
    """Decisions that match; `next` is the cursor of the following page, or null."""

    decisions = fields.List(fields.Nested(RowSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


class QuarantineSchema(Strict):
    """Why a model version is explained with no more here, and since when."""

    why = fields.String(required=True)
    since = fields.String(required=True)


class VersionSchema(Strict):
    """A registered version of a model or policy."""

    digest = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.String(required=True)
    status = fields.String(metadata={"description": "A model's stage of life, as logged."})
    quarantine = fields.Nested(
        QuarantineSchema,
        metadata={"description": "That a model is set apart here: it does not answer as it did."},
    )
    manifest = fields.Dict(keys=fields.String())


class VersionListSchema(Strict):
    """Registered versions, by name and version."""

    versions = fields.List(fields.Nested(VersionSchema), required=True)
