"""However a log is cut into batches, its sources are counted as an audit counts them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import Body, SourceCounter, SourceGap, SourceTotal, parse_entry
from ledger.errors import MalformedError
from ledger.operate.source_fold import SourceFold
from ledger.verify.completeness import SourceCounters
from tests.ledger.verify.tile_log import decision, entries, genesis

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["a", "b.xxxxxxxx"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(["gap", "total"]), st.integers(0, 9)),
    ),
    max_size=30,
)


def log(drawn: list[tuple[str, int]]) -> list[bytes]:
    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        kind, number = drawn[index - 1]
        if kind == "gap":
            return SourceGap("a", number, number + 1, "outage")
        if kind == "total":
            return SourceTotal("a", 0, number, number)
        return replace(decision(number), source=SourceCounter(kind, number))

    return entries(len(drawn) + 1, body)


@given(steps, st.lists(st.integers(0, 31), max_size=6))
def test_batches_do_not_matter(drawn: list[tuple[str, int]], cuts: list[int]) -> None:
    raws = log(drawn)
    fold, naive = SourceFold(), SourceCounters()
    for cut in (*sorted(cuts), len(raws)):
        fold.take(raws[fold.size : cut])
    for index, raw in enumerate(raws):
        naive.add(parse_entry(raw).body, parse_entry(raw).at, index)
    assert fold.counters.kept() == naive.kept()
    assert fold.counters.totals() == naive.totals()
    sources = [kind for kind, _ in drawn if kind not in {"gap", "total"}]
    assert (fold.size, fold.decisions) == (len(raws), len(sources))
    every = range(len(raws) + 5)
    assert fold.count(every, ["a", "nobody"]) == sources.count("a")
    assert fold.without(every) == dict.fromkeys(set(sources), 0)
    assert fold.without([]) == {name: sources.count(name) for name in set(sources)}


def test_an_entry_that_is_none_stops_it_and_can_be_tried_again() -> None:
    raws = log([("a", 1), ("a", 3), ("a", 2)])
    fold = SourceFold()
    with pytest.raises(MalformedError):
        fold.take([*raws[:2], b"{}", *raws[2:]])
    fold.take(raws[fold.size :])
    whole = SourceFold()
    whole.take(raws)
    assert fold.counters.kept() == whole.counters.kept()
