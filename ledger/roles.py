"""Who may do what: roles, permissions, and the one table between them.

Deny by default: what a role's row does not list, it may not do. Pure; who is
calling is worked out elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ledger.errors import PermissionRefused


class Permission(StrEnum):
    """One thing that may be allowed."""

    ACCESSES_REVIEW = "accesses_review"
    CORRECTIONS_MAKE = "corrections_make"
    DECISIONS_FIND = "decisions_find"
    DECISIONS_READ = "decisions_read"
    DECISIONS_RECORD = "decisions_record"
    DISCLOSURES_ISSUE = "disclosures_issue"
    DISCLOSURES_READ = "disclosures_read"
    ERASURES_MANAGE = "erasures_manage"
    ERASURES_READ = "erasures_read"
    EXPLANATIONS_ISSUE = "explanations_issue"
    HOLDS_MANAGE = "holds_manage"
    HOLDS_READ = "holds_read"
    KEYS_MANAGE = "keys_manage"
    MODELS_APPROVE = "models_approve"
    MODELS_READ = "models_read"
    MODELS_REGISTER = "models_register"
    MODELS_SUSPEND = "models_suspend"
    OUTCOMES_RECORD = "outcomes_record"
    REPORTS_EXPORT = "reports_export"
    SOURCES_STATE = "sources_state"
    SUBJECTS_EXPORT = "subjects_export"


class Role(StrEnum):
    """What somebody, or some system, is here to do."""

    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    CASE_HANDLER = "case_handler"
    DATA_PROTECTION_OFFICER = "data_protection_officer"
    MODEL_OWNER = "model_owner"
    MODEL_RISK = "model_risk"
    REGULATOR = "regulator"
    SOURCE = "source"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        # Keeps the system running, and so must not be able to read what it keeps.
        Role.ADMINISTRATOR: frozenset(
            {Permission.KEYS_MANAGE, Permission.MODELS_READ, Permission.SOURCES_STATE}
        ),
        Role.AUDITOR: frozenset(
            {
                Permission.ACCESSES_REVIEW,
                Permission.DECISIONS_FIND,
                Permission.DECISIONS_READ,
                Permission.DISCLOSURES_READ,
                Permission.ERASURES_READ,
                Permission.HOLDS_READ,
                Permission.MODELS_READ,
                Permission.REPORTS_EXPORT,
            }
        ),
        Role.CASE_HANDLER: frozenset(
            {
                Permission.CORRECTIONS_MAKE,
                Permission.DECISIONS_FIND,
                Permission.DECISIONS_READ,
                Permission.EXPLANATIONS_ISSUE,
                Permission.MODELS_READ,
            }
        ),
        Role.DATA_PROTECTION_OFFICER: frozenset(
            {
                Permission.ACCESSES_REVIEW,
                Permission.CORRECTIONS_MAKE,
                Permission.DECISIONS_FIND,
                Permission.DECISIONS_READ,
                Permission.DISCLOSURES_ISSUE,
                Permission.DISCLOSURES_READ,
                # Asks for an erasure or a hold; another officer has to agree.
                Permission.ERASURES_MANAGE,
                Permission.ERASURES_READ,
                Permission.EXPLANATIONS_ISSUE,
                Permission.HOLDS_MANAGE,
                Permission.HOLDS_READ,
                Permission.MODELS_READ,
                Permission.REPORTS_EXPORT,
                Permission.SUBJECTS_EXPORT,
            }
        ),
        Role.MODEL_OWNER: frozenset(
            {
                Permission.MODELS_READ,
                # Registers versions and asks for their approval; somebody else has to agree.
                Permission.MODELS_REGISTER,
                Permission.MODELS_SUSPEND,
                # Feeds back what became of decisions, and cannot look at them.
                Permission.OUTCOMES_RECORD,
                Permission.SOURCES_STATE,
            }
        ),
        # The second pair of eyes: agrees to what an owner proposes, and proposes nothing.
        Role.MODEL_RISK: frozenset(
            {Permission.MODELS_APPROVE, Permission.MODELS_READ, Permission.MODELS_SUSPEND}
        ),
        Role.REGULATOR: frozenset(
            {
                Permission.DECISIONS_FIND,
                Permission.DECISIONS_READ,
                Permission.DISCLOSURES_READ,
                Permission.ERASURES_READ,
                Permission.HOLDS_READ,
                Permission.MODELS_READ,
                Permission.REPORTS_EXPORT,
            }
        ),
        # A system that makes predictions writes, and reads nothing back.
        Role.SOURCE: frozenset(
            {Permission.DECISIONS_RECORD, Permission.OUTCOMES_RECORD, Permission.SOURCES_STATE}
        ),
    }
)
"""What each role may do."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, once that is known.

    Attributes:
        id: the credential's id; stable, means nothing by itself.
        name: as shown on the screen; never written to a log.
        role: what they may do.
    """

    id: str
    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Say whether the role carries the permission: for showing or hiding a button."""
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        """Return if the role carries the permission.

        Raises:
            PermissionRefused: it does not.
        """
        if not self.may(permission):
            raise PermissionRefused(f"the role {self.role} may not: {permission}")
