"""Roles: the table of who may do what, written out once more."""

import pytest

from ledger.errors import PermissionRefused
from ledger.roles import PERMISSIONS, Permission, Principal, Role

EXPECTED = {
    "administrator": "keys_manage models_read sources_state",
    "auditor": (
        "accesses_review decisions_find decisions_read disclosures_read erasures_read holds_read"
        " models_read reports_export"
    ),
    "case_handler": (
        "corrections_make decisions_find decisions_read explanations_issue models_read"
    ),
    "data_protection_officer": (
        "accesses_review corrections_make decisions_find decisions_read disclosures_issue"
        " disclosures_read erasures_manage erasures_read explanations_issue holds_manage"
        " holds_read models_read reports_export subjects_export"
    ),
    "model_owner": "models_read models_register models_suspend outcomes_record sources_state",
    "model_risk": "models_approve models_read models_suspend",
    "regulator": (
        "decisions_find decisions_read disclosures_read erasures_read holds_read models_read"
        " reports_export"
    ),
    "source": "decisions_record outcomes_record sources_state",
}


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: Role) -> None:
    principal = Principal("key-1", "Somebody", role)
    granted = {permission for permission in Permission if principal.may(permission)}
    for permission in granted:
        principal.require(permission)
    for permission in set(Permission) - granted:
        with pytest.raises(PermissionRefused) as caught:
            principal.require(permission)
        assert "Somebody" not in str(caught.value)
    assert {str(permission) for permission in granted} == set(EXPECTED[role].split())


def test_every_role_is_in_the_table_and_both_lists_are_alphabetical() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert [str(role) for role in Role] == sorted(Role)
    assert [str(permission) for permission in Permission] == sorted(Permission)


def test_nobody_both_proposes_and_approves_a_model() -> None:
    for granted in PERMISSIONS.values():
        assert not {Permission.MODELS_REGISTER, Permission.MODELS_APPROVE} <= granted


def test_nobody_both_records_and_reads() -> None:
    for granted in PERMISSIONS.values():
        assert not {Permission.DECISIONS_RECORD, Permission.DECISIONS_READ} <= granted
