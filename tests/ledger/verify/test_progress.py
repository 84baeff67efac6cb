"""The line that says how far an audit is."""

import io

from ledger.verify.progress import CLEAR_TO_END, ProgressLine


def test_it_says_how_fast_and_how_long_still() -> None:
    terminal, now = io.StringIO(), iter([0.0, 0.05, 1.0, 2.0, 3.0])
    line = ProgressLine("a log", terminal, lambda: next(now))
    line(256, 1_000_000)  # nothing to judge by yet
    line(512, 1_000_000)  # too soon after
    line(10_256, 1_000_000)
    line(20_256, 90_000_000)
    line(30_256, 1_256)
    shown = terminal.getvalue().split("\r")[1:]
    assert shown == [
        f"a log: 256 of 1,000,000 entries{CLEAR_TO_END}",
        f"a log: 10,256 of 1,000,000 entries, 10,000 a second, 1 min 39 s left{CLEAR_TO_END}",
        f"a log: 20,256 of 90,000,000 entries, 10,000 a second, 2 h 29 min left{CLEAR_TO_END}",
        f"a log: 30,256 of 1,256 entries, 10,000 a second, 0 s left{CLEAR_TO_END}",
    ]
