"""A run of retention that is cut short before any of its commits: planned, or done in the end."""

import pytest

from ledger.errors import PushbackError
from ledger.operate.erasure import UNDER_WAY, Stage
from ledger.operate.expiry import Scope
from tests.faults.test_erasing_steps import MANY, Death, on_postgres, on_sqlite, served
from tests.ledger.operate.eraser import ANN, BEN
from tests.ledger.operate.expirer import Expirer
from tests.ledger.operate.premises import Premises

__all__ = ["on_postgres", "on_sqlite"]  # fixtures


def test_every_step_of_a_run_on_sqlite(on_sqlite: Premises) -> None:
    cut_short_everywhere(on_sqlite)


@pytest.mark.postgres
def test_every_step_of_a_run_on_postgresql(on_postgres: Premises) -> None:
    cut_short_everywhere(on_postgres)


def cut_short_everywhere(premises: Premises) -> None:
    expirer = Expirer(premises, premises.found())
    death = Death(premises.engine, premises.vault_engine)
    stages = set()
    for commits in range(1, MANY):
        ids = expirer.record(3, f"MTG-{commits}", explained=1)
        expirer.pass_by(40)
        plan = expirer.expiring.dry_run(ANN, Scope.DECISIONS)
        assert plan.count("listed") == 3
        death.left = commits
        try:
            expirer.expiring.run(BEN, plan.run)
        except PushbackError:
            death.left = 0
        else:
            break
        expirer = Expirer(premises, premises.open())  # as a start does
        stage = expirer.erasing.read(plan.run).stage
        stages.add(stage)
        if stage is Stage.REQUESTED:
            assert {served(expirer, each) for each in ids} == {"read"}
            assert expirer.erasing.under_way() == ()
            expirer.expiring.run(BEN, plan.run)
        elif stage in UNDER_WAY:
            expirer.erasing.resume(plan.run)
        assert {served(expirer, each) for each in ids} == {"gone"}
        assert expirer.expiring.outcome(plan.run)["expired"] == 3
    assert stages == {Stage.REQUESTED, *UNDER_WAY}
