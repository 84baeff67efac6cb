"""The officers of a ledger whose records come to the end of their time."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger.commitments import commit
from ledger.entries import Review
from ledger.operate.erasing import Erasing
from ledger.operate.expiring import Expiring
from ledger.operate.expiry import Scope
from ledger.operate.records import Records
from ledger.operate.retention_file import read_rules
from ledger.roles import Principal
from tests.ledger.operate.eraser import Eraser
from tests.ledger.operate.premises import Open, Premises
from tests.ledger.operate.retention_samples import file_of, retention_class, rule, written

LOOKS = retention_class(
    id="staff",
    covers="access_log",
    regimes=["access_log"],
    ceiling={"period": "P2Y", "reason": "r"},
)
SHORT = (rule(period="P30D"),)


class Expirer(Eraser):
    """Expires the decisions of a ledger after 30 days, and its access log after a year."""

    def __init__(
        self,
        premises: Premises,
        ledger: Open,
        rules: Sequence[Mapping[str, Any]] = SHORT,
        classes: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(premises, ledger)
        stated = file_of(rules, [retention_class(), LOOKS] if classes is None else classes)
        self.rules = written(premises.directory / "rules", stated)
        self.reports = premises.directory / "retention"
        self.looks = Erasing(
            ledger.access_log.log, ledger.access_writer, ledger.vault, premises.engine,
            premises.clock, premises.random, access=True,
        )  # fmt: skip
        self.expiring = Expiring(
            read_rules(self.rules),
            ledger.registry,
            {Scope.DECISIONS: self.erasing, Scope.ACCESS: self.looks},
            {"decisions": ledger.log, "access": ledger.access_log.log},
            (premises.engine, premises.vault_engine),
            premises.clock,
            self.reports,
        )

    def pass_by(self, days: int) -> None:
        self.premises.clock.now += timedelta(days=days)

    def review(self, record_id: str, state: str) -> None:
        """Note that the review of a decision reached a state."""
        one, two = self.ledger, self.premises
        records = Records(one.log, one.writer, one.vault, two.clock, two.random)
        detail = {"state": state}

        def body(key: bytes) -> Review:
            return Review(record_id, state, commit(key, "detail", detail))

        count = sum(1 for _ in one.log.referring(record_id))
        records.attach(record_id, "detail", detail, body, count=count)

    def look(self, principal: Principal, record_id: str) -> str:
        """Read a decision; the id of the access."""
        return self.ledger.access_log.record(
            principal, purpose="audit", case="", records=[record_id], fields=["input"], size=1
        ).id


def report_on_disk(directory: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / f"{run}.json").read_bytes())
    return found
