"""Shapes of the bodies about erasures and legal holds; as strict as the others."""

import re
from typing import Any, Final

from marshmallow import fields, validate

from service.api.schemas import ID_PATTERN, MAX_BATCH, MAX_REFERENCE, Strict

__all__ = [
    "ErasureListSchema",
    "ErasureRefusalSchema",
    "ErasureRequestSchema",
    "ErasureSchema",
    "HoldListSchema",
    "HoldReleaseSchema",
    "HoldRequestSchema",
    "HoldSchema",
    "RestrictionRequestSchema",
]

_CODE: Final = re.compile(r"[a-z0-9_]{1,64}\Z")
_ID: Final = re.compile(rf"(?:{ID_PATTERN})\Z")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z\Z")


def _code() -> fields.String:
    matcher = validate.Regexp(_CODE, error="Give a code in lowercase.")
    return fields.String(required=True, validate=matcher)


def _ids() -> "fields.List[Any]":
    one = fields.String(validate=validate.Regexp(_ID, error="Give ids of decisions."))
    return fields.List(one, validate=validate.Length(1, MAX_BATCH))


def _time() -> fields.String:
    rule = "Give a time in UTC such as 2026-05-14T09:31:07Z."
    return fields.String(required=True, validate=validate.Regexp(_TIME, error=rule))


class ErasureRequestSchema(Strict):
    """Whom or what to erase, and why: a person, or decisions."""

    ground = _code()
    subject = fields.String(validate=validate.Length(1, MAX_REFERENCE))
    records = _ids()


class ErasureRefusalSchema(Strict):
    """Why a request is refused."""

    reason = _code()


class KeptSchema(Strict):
    """A decision that stays, and the legal hold that keeps it."""

    decision = fields.String(required=True)
    hold = fields.String(required=True)


class ErasureSchema(Strict):
    """A request to erase, and how far it has come."""

    id = fields.String(required=True)
    stage = fields.String(
        required=True,
        validate=validate.OneOf(["approved", "done", "gathered", "refused", "requested"]),
    )
    scope = fields.String(required=True, validate=validate.OneOf(["person", "records"]))
    ground = fields.String(required=True)
    requester = fields.String(required=True, metadata={"description": "The id of a key."})
    requested_at = fields.String(required=True, metadata={"format": "date-time"})
    decided_by = fields.String(required=True, allow_none=True)
    decided_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    done_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    cleaned_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    decisions = fields.Integer(required=True)
    attached = fields.Integer(required=True)
    held = fields.Integer(required=True)
    reason = fields.String(metadata={"description": "Why it was refused."})
    complain = fields.String(metadata={"description": "What a person who is refused may do."})
    kept = fields.List(fields.Nested(KeptSchema))


class ErasureListSchema(Strict):
    """Every request to erase, oldest first."""

    erasures = fields.List(fields.Nested(ErasureSchema), required=True)


class HoldRequestSchema(Strict):
    """A legal hold to set, on a person or on decisions."""

    matter = fields.String(required=True, validate=validate.Length(1, 500))
    ground = fields.String(required=True, validate=validate.Length(1, 500))
    owner = fields.String(required=True, validate=validate.Length(1, 100))
    review_at = _time()
    subject = fields.String(validate=validate.Length(1, MAX_REFERENCE))
    records = _ids()


class RestrictionRequestSchema(Strict):
    """A restriction of use, of a person's decisions or of decisions."""

    ground = _code()
    review_at = _time()
    subject = fields.String(validate=validate.Length(1, MAX_REFERENCE))
    records = _ids()


class HoldReleaseSchema(Strict):
    """Why a hold is released."""

    reason = fields.String(required=True, validate=validate.Length(1, 500))


class HoldSchema(Strict):
    """A legal hold. `matter` and what follows are there when one is read."""

    id = fields.String(required=True)
    entry = fields.String(required=True)
    on_record = fields.Boolean(required=True)
    scope = fields.String(required=True, validate=validate.OneOf(["person", "records"]))
    setter = fields.String(required=True, metadata={"description": "The id of a key."})
    set_at = fields.String(required=True, metadata={"format": "date-time"})
    review_at = fields.String(required=True, metadata={"format": "date-time"})
    overdue = fields.Boolean(required=True)
    release_asked_by = fields.String(required=True, allow_none=True)
    released_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    restriction = fields.String(
        required=True, allow_none=True, metadata={"description": "Why use is restricted."}
    )
    informed_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    matter = fields.String()
    ground = fields.String()
    owner = fields.String()
    records = fields.List(fields.String())


class HoldListSchema(Strict):
    """Every legal hold, oldest first."""

    holds = fields.List(fields.Nested(HoldSchema), required=True)
