"""The kinds of entry a log may hold, in alphabetical order.

A kind is never renamed and never removed: what was written must stay readable.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What an entry says happened; the value of its member `kind`."""

    ACCESS = "access"
    ACCESS_DENIED = "access_denied"
    ATTRIBUTIONS_ATTACHED = "attributions_attached"
    CORRECTION = "correction"
    DECISION = "decision"
    ERASED = "erased"
    EXPIRED = "expired"
    EXPLANATION_ISSUED = "explanation_issued"
    EXPORT_ISSUED = "export_issued"
    HOLD_RELEASED = "hold_released"
    HOLD_SET = "hold_set"
    INCIDENT = "incident"
    LOG_CREATED = "log_created"
    LOG_KEY_ROTATED = "log_key_rotated"
    MODEL_VERSION_ACT = "model_version_act"
    MODEL_VERSION_REGISTERED = "model_version_registered"
    MODEL_VERSION_STATUS = "model_version_status"
    NOTICE_ISSUED = "notice_issued"
    OUTCOME_OBSERVED = "outcome_observed"
    POLICY_REGISTERED = "policy_registered"
    REVIEW = "review"
    SOURCE_GAP = "source_gap"
    SOURCE_PERIOD_TOTAL = "source_period_total"
    SOURCE_REGISTERED = "source_registered"
    SOURCE_TOTAL = "source_total"
