"""The officers of a ledger that is taken up: they ask for erasures and holds, and agree."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ledger.operate.erasing import Erasing
from ledger.operate.erasure import Erasure, Ground, Hold, HoldTerms
from ledger.operate.holds import Holds
from ledger.roles import Principal, Role
from tests.ledger.operate.premises import Open, Premises

ANN: Final = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN: Final = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)
ZERO, ONE = "0" * 64, "1" * 64


@dataclass
class Eraser:
    """The erasures and holds of a ledger."""

    premises: Premises
    ledger: Open

    def __post_init__(self) -> None:
        one, two = self.ledger, self.premises
        self.erasing = Erasing(one.log, one.writer, one.vault, two.engine, two.clock, two.random)
        self.holds = Holds(one.log, one.writer, one.vault, two.clock, two.random)

    def record(self, count: int = 1, subject: str = "MTG-7", explained: int = 1) -> list[str]:
        """Decisions about a person; that many of them with an explanation."""
        decisions = [self.premises.decision(seq, subject=subject) for seq in range(count)]
        ids = [each.id for each in self.ledger.decisions.record(decisions)]
        for each in ids[:explained]:
            self.explain(each)
        return ids

    def explain(self, record_id: str) -> str:
        """Attach an explanation; its entry's id."""
        told = {"language": "en", "summary": "You asked for too much."}
        return self.ledger.decisions.attach_explanation(record_id, told, ZERO, ONE).id

    def request(self, subject: str = "MTG-7") -> Erasure:
        return self.erasing.request(ANN, Ground.OBJECTION, subject=subject)[0]

    def erase(self, *records: str, subject: str | None = None) -> Erasure:
        """Erase records or a person, agreed to."""
        asked, _ = self.erasing.request(ANN, Ground.OBJECTION, subject=subject, records=records)
        return self.erasing.approve(BEN, asked.id)

    def terms(self, days: int = 90) -> HoldTerms:
        review = self.premises.clock() + timedelta(days=days)
        return HoldTerms("Other v Bank, 12 O 34/26", "defence of a claim", "legal", review)

    def hold(self, *records: str, subject: str | None = None) -> Hold:
        return self.holds.set(ANN, self.terms(), subject=subject, records=records)

    def release(self, hold: Hold) -> Hold:
        self.holds.release(ANN, hold.id, "settled")
        return self.holds.release(BEN, hold.id, "settled")
