"""`--state` of a log whose keys were rotated: before, in between and after."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.note import NoteSigner
from ledger.tlog.policy import Policy
from ledger.verify import kept_state
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.findings import Code
from ledger.verify.kept_state import KeptLog
from ledger.verify.key_history import KeptKeys
from ledger.verify.reader import StoredCheckpoint
from ledger.verify.verified import Verified
from tests.ledger.verify.audits import found
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.test_key_rotation import (
    AT,
    BOTH,
    NEW,
    OLD,
    THIRD,
    Plan,
    liar,
    note,
    policy,
    raws,
    rotation,
)
from tests.ledger.verify.tile_log import Liar

LONG: dict[int, Sequence[NoteSigner]] = {
    **dict.fromkeys((1, 2, 3), OLD), **dict.fromkeys((4, 5, 6), BOTH),
    **dict.fromkeys((7, 8, 9, 10, 11, 12), NEW),
}  # fmt: skip


def upto(size: int, plan: Plan = LONG, of: Sequence[bytes] = ()) -> Liar:
    of = of or raws(size=12)
    return liar({at: who for at, who in plan.items() if at <= size}, of[:size])


def first(size: int, trusted: Policy, plan: Plan = LONG, of: Sequence[bytes] = ()) -> Verified:
    result = audit(LyingReader(upto(size, plan, of)), trusted)
    assert result.findings == ()
    assert result.verified is not None
    return result.verified


def then(liar: Liar, trusted: Policy, since: Verified) -> AuditResult:
    return audit(LyingReader(liar), trusted, since=since)


@pytest.mark.parametrize("size", [AT, AT + 1, AT + 2, AT + 3])
@pytest.mark.parametrize("trusted", [OLD, OLD[1:], BOTH], ids=["old", "one of them", "both"])
def test_an_audit_goes_on_over_a_rotation(size: int, trusted: Sequence[NoteSigner]) -> None:
    kept = first(size, policy(*trusted))
    for until in (size, 12):
        result = then(upto(until), policy(*trusted), kept)
        assert result.findings == ()
        # Keys are not believed for being in the state: who has the old ones reads everything.
        led = trusted is not BOTH and size > AT and until == 12
        assert result.since is (None if led else kept)
        assert result.rotations == audit(LyingReader(upto(until)), policy(*trusted)).rotations


def test_it_goes_on_after_the_overlap_and_over_the_next_rotation() -> None:
    of = raws({8: rotation(NEW, THIRD)}, size=12)
    plan = LONG | {9: (*NEW, *THIRD), 10: (*NEW, *THIRD), 11: THIRD, 12: THIRD}
    kept = first(8, policy(*NEW), plan, of)
    assert [each.vouched for each in kept.keys.rotations] == [True]
    result = then(upto(12, plan, of), policy(*NEW), kept)
    assert (result.findings, result.since) == ((), kept)
    assert [each.followed for each in result.rotations] == [False, True]
    # Whom a rotation leads to is not believed for being in the state: everything is read.
    assert result.verified is not None
    again = then(upto(12, plan, of), policy(*NEW), result.verified)
    assert (again.findings, again.since) == ((), None)
    assert again.rotations == result.rotations


def test_a_checkpoint_of_retired_keys_is_seen() -> None:
    kept = first(8, policy(*BOTH))
    result = then(upto(12, LONG | {10: OLD}), policy(*BOTH), kept)
    assert found(result) == {(Code.KEY_RETIRED, None)}
    result = then(upto(12, LONG | {12: NEW[:1]}), policy(*BOTH), kept)
    assert (Code.CHECKPOINT_REFUSED, None) in found(result)


def test_a_state_that_names_foreign_keys_makes_nobody_believe_them() -> None:
    kept = first(8, policy(*NEW))
    (rotated,) = kept.keys.rotations
    stranger = replace(rotated, new=tuple(each.verifier_key for each in (*NEW, *THIRD)))
    changed = replace(kept, keys=replace(kept.keys, rotations=(stranger,)))
    result = then(upto(12, LONG | dict.fromkeys((9, 10, 11, 12), THIRD)), policy(*NEW), changed)
    assert (Code.CHECKPOINT_REFUSED, None) in found(result)


def test_a_checkpoint_of_a_stranger_in_the_state_could_not_be_checked() -> None:
    kept = first(8, policy(*NEW))
    foreign = replace(kept, note=note(raws(size=12), 8, THIRD))
    with pytest.raises(SignatureError, match="kept elsewhere of size 8 is refused"):
        then(upto(12), policy(*NEW), foreign)


def test_one_from_elsewhere_that_nothing_leads_to_is_judged_by_the_whole_log() -> None:
    kept = first(8, policy(*NEW))
    other = note(raws(size=12), 10, THIRD)
    with pytest.raises(SignatureError, match="size 10 is refused"):
        audit(LyingReader(upto(12)), policy(*NEW), since=kept, known=[other])


def test_timestamped_checkpoints_are_compared_from_there_on() -> None:
    of = raws(size=12)
    kept = first(8, policy(*BOTH))
    dated = [StoredCheckpoint(size, note(of, size, LONG[size])) for size in (3, 10)]
    reader = LyingReader(upto(12))
    result = audit(reader, policy(*BOTH), since=kept, stamped=lambda: dated)
    assert (result.findings, result.since) == ((), kept)
    lie = raws({9: rotation(NEW, THIRD)}, size=12)
    dated = [StoredCheckpoint(10, note(lie, 10, NEW))]
    result = audit(reader, policy(*BOTH), since=kept, stamped=lambda: dated)
    assert (Code.CHECKPOINT_FORKED, None) in found(result)


def test_a_published_log_with_old_timestamps_is_no_wrong_rotation() -> None:
    of = raws(size=12)
    dated = [StoredCheckpoint(size, note(of, size, LONG[size])) for size in (2, 10)]
    published = LyingReader(liar({12: NEW}, of))
    result = audit(published, policy(*NEW), stamped=lambda: dated)
    assert result.findings == ()
    assert [each.vouched for each in result.rotations] == [False]


def test_the_file_keeps_the_keys() -> None:
    kept = first(8, policy(*NEW))
    log = KeptLog(kept.checkpoint.origin, "digest", kept.entry.at, kept)
    assert KeptLog.from_json(log.to_json()) == log
    assert kept_state.VERSION == 1


def test_kept_keys_that_no_log_has_are_refused() -> None:
    kept = first(8, policy(*NEW))
    (rotated,) = kept.keys.rotations
    for keys in (
        {"first": ()},
        {"rotations": (replace(rotated, index=0),)},
        {"rotations": (replace(rotated, new=()),)},
        {"rotations": (replace(rotated, old=rotated.new),)},
        {"rotations": (rotated, rotated)},
        {"rotations": (rotated,) * 300},
    ):
        with pytest.raises(MalformedError, match="what was kept of keys"):
            replace(kept.keys, **keys)
    for rotations in ((), (replace(rotated, index=8),)):
        with pytest.raises(MalformedError, match="what was kept of keys"):
            replace(kept, keys=KeptKeys(kept.keys.first, rotations))
