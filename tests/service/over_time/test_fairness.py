"""Approval by group: against brute force, and what must never be worked out from what is shown."""

import importlib.util

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.over_time.fairness import (
    NOT_STATED,
    Errors,
    Measures,
    NoMeasures,
    Odds,
    compared,
    errors_compared,
)
from service.over_time.figures import MIN_CASES, Absence, Share

counts = st.dictionaries(
    st.sampled_from(["A", "B", "C", "D", NOT_STATED]),
    st.integers(0, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
)


@given(counts)
@example({"A": (5, 40), "B": (1, 1), NOT_STATED: (0, 0)})
@example({"A": (0, 40), "B": (0, 30)})
@settings(max_examples=60)  # each builds a data frame
def test_shares_hide_and_measures_compare(given_counts: dict[str, tuple[int, int]]) -> None:
    found = compared("sex", "2026", given_counts)
    shown = {name: each for name, each in found.shares if isinstance(each, Share)}
    hidden = [name for name, each in found.shares if each is Absence.TOO_FEW]
    assert set(shown) | set(hidden) == set(given_counts)
    for name, each in shown.items():
        assert (each.part, each.count) == given_counts[name]
        assert each.count >= MIN_CASES
        assert each.low <= each.part / each.count <= each.high
    # Who knows the total can work out those together that are not shown: never fewer than 20.
    together = sum(given_counts[name][1] for name in hidden)
    assert together == 0 or together >= MIN_CASES or not shown

    rates = {n: each.part / each.count for n, each in shown.items() if n != NOT_STATED}
    if len(rates) < 2:
        assert found.measures is NoMeasures.ONE_GROUP
    elif not any(rates.values()):
        assert found.measures is NoMeasures.NOBODY_PASSED
    else:
        assert isinstance(found.measures, Measures)
        low, high = min(rates.values()), max(rates.values())
        assert found.measures.ratio == pytest.approx(low / high)
        assert found.measures.difference == pytest.approx(high - low)
        assert rates[found.measures.lowest] == pytest.approx(low)
        assert rates[found.measures.highest] == pytest.approx(high)
        impact = {each["group"]: each["impact_ratio"] for each in found.to_json()["groups"]}
        assert {name: each for name, each in impact.items() if each is not None} == pytest.approx(
            {name: each / high for name, each in rates.items()}, abs=1e-6
        )


def test_without_the_library_rates_are_shown_and_measures_said_not_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = compared("sex", "2026", {"A": (20, 40), "B": (10, 40)})
    assert found.to_json()["measures"] == {"absent": "not_installed"}
    assert [each["group"] for each in found.to_json()["groups"]] == ["A", "B"]


def rates(each: Errors) -> tuple[float, float]:
    good, bad = each.good_passed + each.good_refused, each.bad_passed + each.bad_refused
    return each.good_passed / good, each.bad_passed / bad


big = st.integers(0, 200)
groups_of_errors = st.dictionaries(
    st.sampled_from("abcde"),
    st.builds(Errors, big, big, big, big).filter(lambda each: each.smaller >= MIN_CASES),
    min_size=2,
)


@given(groups_of_errors)
@example({"a": Errors(0, 30, 20, 9), "b": Errors(0, 40, 9, 20)})
@example({"a": Errors(20, 30, 0, 29), "b": Errors(10, 40, 0, 20)})
@example({"a": Errors(0, 30, 0, 29), "b": Errors(0, 40, 0, 20)})
@settings(max_examples=30)  # each builds data frames
def test_equalised_odds_are_the_worst_difference_and_ratio_of_rates(
    counts: dict[str, Errors],
) -> None:
    found = errors_compared("t", "2026", counts)
    assert dict(found.groups) == counts
    passed, refused = (
        any(getattr(each, f"{what}_{how}") for each in counts.values() for what in ("good", "bad"))
        for how in ("passed", "refused")
    )
    if not passed or not refused:
        assert found.odds is NoMeasures.ONE_DECISION
        return
    assert isinstance(found.odds, Odds)
    pairs = list(zip(*map(rates, counts.values()), strict=True))
    assert found.odds.difference == pytest.approx(max(max(each) - min(each) for each in pairs))
    ratios = [min(each) / max(each) for each in pairs if max(each)]
    assert found.odds.ratio == (pytest.approx(min(ratios)) if len(ratios) == len(pairs) else None)
    shown = found.to_json()["groups"]
    assert {each["group"] for each in shown} == set(counts)


def test_without_fairlearn_odds_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found = errors_compared("t", "2026", {"a": Errors(20, 9, 20, 9), "b": Errors(9, 20, 20, 9)})
    assert found.to_json()["equalised_odds"] == {"absent": "not_installed"}


def test_a_group_with_few_of_one_kind_is_hidden_and_another_with_it() -> None:
    few = Errors(3, 3, 100, 100)
    counts = {"a": few, "b": Errors(40, 0, 40, 0), "c": Errors(99, 9, 99, 9)}
    found = errors_compared("t", "2026", counts)
    assert dict(found.groups) == {"a": Absence.TOO_FEW, "b": Absence.TOO_FEW, "c": counts["c"]}
