"""Tallies: the same numbers however the decisions are cut into parts, and through JSON."""

from hypothesis import given
from hypothesis import strategies as st

from reports.distributions import cell
from service.over_time.tally import CONTRIBUTION_STEPS, Tally

amounts = st.integers(-(2**53), 2**53)
cases = st.lists(
    st.tuples(st.booleans(), amounts, st.dictionaries(st.sampled_from("abc"), amounts)),
    max_size=25,
)

Case = tuple[bool, int, dict[str, int]]


def tally_of(given_cases: list[Case]) -> Tally:
    tally = Tally()
    for passed, margin, contributions in given_cases:
        tally.decided += 1
        tally.passed += passed
        tally.failed += not passed
        tally.scores[cell(margin, 32)] += 1
        tally.explained += not passed
        tally.reasons.update(name.upper() for name in contributions if not passed)
        for name, amount in contributions.items():
            tally.contribute(name, amount)
    return tally


@given(cases, st.integers(0, 25))
def test_parts_add_up_to_the_whole(given_cases: list[Case], cut: int) -> None:
    joined = tally_of(given_cases[cut:])
    joined.join(tally_of(given_cases[:cut]))
    assert joined == tally_of(given_cases)


@given(cases)
def test_a_tally_reads_back_as_it_was_written(given_cases: list[Case]) -> None:
    tally = tally_of(given_cases)
    assert Tally.from_json(tally.to_json()) == tally


@given(cases)
def test_a_spread_has_the_sums_of_its_amounts(given_cases: list[Case]) -> None:
    spread = tally_of(given_cases).features.get("a")
    values = [contributions["a"] for _, _, contributions in given_cases if "a" in contributions]
    assert (spread is None) == (not values)
    if spread is not None:
        assert spread.count == len(values)
        assert spread.total == sum(map(abs, values))
        assert spread.squares == sum(value * value for value in values)
        assert sum(spread.cells.values()) == len(values)
        assert min(spread.cells) == cell(min(values), CONTRIBUTION_STEPS)
