"""A run taken at once leaves an audit where entry by entry would have left it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.entries import MAX_ENTRY_BYTES, Body, HoldSet, SourceCounter, parse_entry
from ledger.errors import MalformedError
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.verify.audit import CheckedTiles, audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.completeness import SourceCounters
from ledger.verify.reader import Claim, StoredRun
from ledger.verify.run_check import check_run
from tests.ledger.verify.audits import honest, log, swapped
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.tile_log import (
    POLICY,
    SIGNER,
    Liar,
    decision,
    edited,
    entries,
    entry_id,
    genesis,
    note,
    rechained,
)

SIZE = 1_100


class Closely(LyingReader):
    """The same log, with a word beside each run that makes an audit look at each entry."""

    def _run(self, indexes: Sequence[int]) -> StoredRun:
        run = super()._run(indexes)
        return replace(run, claims={0: (Claim("itself", leaf_hash(run.raws[0])),)})


def both(liar: Liar, **options: object) -> AuditResult:
    """The audit of a log, which must not depend on how closely its runs were looked at."""
    quickly = audit(LyingReader(liar), POLICY, **options)  # type: ignore[arg-type]
    closely = audit(Closely(liar), POLICY, **options)  # type: ignore[arg-type]
    assert quickly == closely
    return quickly


def of_one_tile(liar: Liar) -> CheckedTiles:
    def checked(start: int, stop: int) -> object:
        reader = LyingReader(liar)
        return (
            next(iter([check_run(run) for run in reader.runs(at, at + 256)]), None)
            for at in range(start, stop, 256)
        )

    return checked  # type: ignore[return-value]


def several(*sizes: int) -> Liar:
    return Liar(log(SIZE), sizes=(*sizes, SIZE))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 512, 513, 1_024, SIZE])
def test_an_honest_log(size: int) -> None:
    assert both(Liar(log(size))).findings == ()


@given(st.sets(st.integers(1, SIZE - 1), max_size=8))
@settings(max_examples=30)
def test_checkpoints_of_any_sizes_are_compared(sizes: set[int]) -> None:
    result = both(several(*sorted(sizes)))
    assert result.findings == ()
    assert result.checkpoints == len(sizes) + 1


@given(st.integers(1, SIZE - 1), st.integers(1, SIZE - 1))
@settings(max_examples=20)
def test_a_signed_root_that_is_wrong_is_found_in_the_middle_of_a_run(at: int, lie: int) -> None:
    other = log(SIZE)
    other[lie] = edited(other[lie])
    notes = {at: note(other, at), SIZE: note(honest(SIZE))}
    result = both(Liar(log(SIZE), notes=notes))
    assert bool(result.findings) == (lie < at)


@st.composite
def liars(draw: st.DrawFn) -> Liar:
    """A log with up to three lies in what is stored, hashed or signed."""
    signed = log(SIZE)
    stored = dict(enumerate(signed))
    hashed = list(signed)
    for _ in range(draw(st.integers(0, 3))):
        at, other = draw(st.integers(0, SIZE - 1)), draw(st.integers(0, SIZE - 1))
        match draw(st.sampled_from(["edit", "edit both", "swap", "delete", "spoil", "fit"])):
            case "edit":
                stored[at] = edited(signed[at])
            case "edit both":
                stored[at] = hashed[at] = edited(signed[at])
            case "swap":
                stored[at], stored[other] = signed[other], signed[at]
            case "delete":
                stored.pop(at, None)
            case "spoil":
                stored[at] = signed[at] + b" "
            case _:
                lie = rechained(swapped(list(signed), max(at, 1), max(other, 1)), max(at, 1))
                stored, hashed = dict(enumerate(lie)), lie
    return Liar(signed, stored or {0: signed[0]}, hashed, sizes=(300, 700, SIZE))


@given(liars())
@settings(max_examples=40)
def test_a_lie_is_found_the_same_way(liar: Liar) -> None:
    result = both(liar)
    assert audit(LyingReader(liar), POLICY, checked=of_one_tile(liar)) == result


@given(liars(), st.integers(2, SIZE))
@settings(max_examples=30)
def test_a_log_that_was_verified_before_is_found_the_same_way(liar: Liar, size: int) -> None:
    kept = audit(LyingReader(Liar(log(size))), POLICY).verified
    result = both(liar, since=kept)
    assert (result.verified is None) == bool(result.findings)
    if result.since is None:
        assert result == audit(LyingReader(liar), POLICY, known=[note(honest(size))])


def other_kinds(index: int) -> Body:
    if index == 0:
        return genesis()
    return HoldSet(entry_id(1), bytes(32)) if index % 3 else decision(index)


def test_runs_of_several_kinds_are_counted() -> None:
    result = both(Liar(entries(600, other_kinds)))
    assert dict(result.counts) == {"log_created": 1, "hold_set": 400, "decision": 199}
    (source,) = result.sources
    assert (source.recorded, source.last) == (199, 597)


def run(start: int, stop: int, raws: Sequence[bytes] | None = None) -> StoredRun:
    return StoredRun(range(start, stop), honest(SIZE)[start:stop] if raws is None else raws)


def _written(moment: str) -> bytes:
    return moment.removesuffix("+00:00").encode() + b"Z"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=24),
    st.integers(1, 6),
)
@settings(max_examples=60)
def test_counters_in_any_order_are_counted_alike(steps: list[tuple[str, int]], width: int) -> None:
    """However the log is cut into runs, what is late, repeated or missing is the same."""

    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        source, counter = steps[index - 1]
        return replace(decision(counter), source=SourceCounter(source, counter))

    class Narrow(LyingReader):
        width = 0

        def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
            end = self.size if stop is None else stop
            for at in range(start, end, self.width):
                yield from super().runs(at, min(at + self.width, end))

    Narrow.width = width
    liar = Liar(entries(len(steps) + 1, body))
    result = audit(Narrow(liar), POLICY)
    assert result == both(liar)
    naive = SourceCounters()
    for index, raw in enumerate(liar.signed):
        naive.add(parse_entry(raw).body, parse_entry(raw).at, index)
    assert result.sources == naive.reports()


def test_a_run_that_is_fine() -> None:
    checked = check_run(run(256, 512))
    assert checked is not None
    assert (checked.first, checked.end, checked.last) == (256, 512, honest(SIZE)[511])
    assert checked.counts == (("decision", 256),)
    began, ended = (parse_entry(honest(SIZE)[at]).at.isoformat() for at in (256, 511))
    assert checked.counters == (("loan-desk", 256, 511, _written(began), _written(ended)),)
    base = Frontier.empty().extend(map(leaf_hash, honest(SIZE)[:256]))
    for size in (256, 257, 300, 384, 511, 512):
        expected = base.extend(map(leaf_hash, honest(SIZE)[256:size]))
        assert checked.frontier(base, size) == expected


def test_counters_of_several_sources_are_joined_by_source() -> None:
    made = [("a", 1), ("b", 7), ("a", 2), ("a", 3), ("b", 9), ("a", 3), ("b", 10)]

    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        source, counter = made[index - 1]
        return replace(decision(counter), source=SourceCounter(source, counter))

    raws = entries(len(made) + 1, body)
    checked = check_run(run(1, len(raws), raws[1:]))
    assert checked is not None
    counted = [each[:3] for each in checked.counters]
    assert sorted(counted) == [("a", 1, 3), ("a", 3, 3), ("b", 7, 7), ("b", 9, 10)]
    assert both(Liar(raws)).findings == ()


def test_a_part_of_a_tile_grows_leaf_by_leaf() -> None:
    checked = check_run(run(300, 310))
    assert checked is not None
    assert checked.above == ()
    base = Frontier.empty().extend(map(leaf_hash, honest(SIZE)[:300]))
    assert checked.frontier(base, 305) == base.extend(map(leaf_hash, honest(SIZE)[300:305]))


Spoil = Callable[[StoredRun], StoredRun]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: replace(run, indexes=[*run.indexes[:-1], run.indexes[-1] + 1]),
        lambda run: replace(run, indexes=range(run.indexes[0] + 1, run.indexes[-1] + 2)),
        lambda run: replace(run, raws=[*run.raws[:-1], b"x" * (MAX_ENTRY_BYTES + 1)]),
        lambda run: replace(run, raws=[*run.raws[:-1], b""]),
        lambda run: replace(run, hashes=[bytes(32)] * len(run.raws)),
        lambda run: replace(run, ids=[b"x"] * len(run.raws)),
        lambda run: replace(run, claims={1: (Claim("elsewhere", bytes(32)),)}),
        lambda run: replace(run, raws=[run.raws[0], edited(run.raws[1]), *run.raws[2:]]),
    ],
)
def test_a_run_that_needs_a_closer_look(spoil: Spoil) -> None:
    assert check_run(run(300, 310)) is not None
    assert check_run(spoil(run(300, 310))) is None


def test_a_subtree_stands_only_where_its_size_divides() -> None:
    with pytest.raises(MalformedError):
        Frontier.empty().append(bytes(32)).extend([bytes(32)], 1)


def test_a_first_entry_that_was_never_read_does_not_vouch_for_a_run() -> None:
    stored = dict(enumerate(log(SIZE)))
    del stored[256]
    result = both(Liar(log(SIZE), stored))
    assert [finding.index for finding in result.findings] == [256]
    assert SIGNER.name == result.origin
    assert parse_entry(honest(SIZE)[1]).seq == 1
