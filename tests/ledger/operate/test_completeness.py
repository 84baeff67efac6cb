"""Gaps in the sources' counters, as the log grows."""

from ledger.operate.completeness import Completeness
from ledger.verify.completeness import Gap
from tests.ledger.operate.premises import Open, Premises


def test_gaps_open_and_close_as_the_log_grows(premises: Premises, ledger: Open) -> None:
    completeness = Completeness(ledger.log, ledger.writer)
    assert completeness.report() == ()
    ledger.decisions.record([premises.decision(seq) for seq in (4, 5, 9)])
    (report,) = completeness.report()
    assert (report.source, report.first, report.last, report.recorded) == ("loan-desk", 4, 9, 3)
    assert report.gaps == (Gap(6, 8, None),)
    ledger.decisions.record([premises.decision(7)])
    (report,) = completeness.report()
    assert report.gaps == (Gap(6, 6, None), Gap(8, 8, None))
    assert completeness.report() == Completeness(ledger.log, ledger.writer).report()
