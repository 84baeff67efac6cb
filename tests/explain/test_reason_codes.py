"""Principal reasons: grouped, adverse, ranked, at most four, none dropped in silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.attribution import Attribution
from explain.predictor import FeatureSchema
from explain.reason_codes import Ranking, beside, rank

NAMES = ("f1", "f2", "f3", "f4", "f5", "f6")


def schema(**changes: dict[str, Any]) -> FeatureSchema:
    return FeatureSchema.from_manifest(
        {
            "features": [
                {
                    "name": name,
                    "label": {"en": name},
                    "type": "number",
                    "mutability": "any",
                    "missing": "allowed",
                    "protected": False,
                    "reason": name.upper(),
                }
                | changes.get(name, {})
                for name in NAMES
            ]
        }
    )


CODES = frozenset(name.upper() for name in NAMES)


def ranked(*values: int, features: FeatureSchema | None = None, **options: Any) -> Ranking:
    pairs = tuple(zip(NAMES, values, strict=True))
    attribution = Attribution("leaf-tables", "log-odds", 6, 0, pairs, 0)
    return rank(features or schema(), attribution, **{"codes": CODES, **options})


def codes(ranking: Ranking) -> list[str]:
    return [push.code for push in ranking.reasons]


def test_adverse_groups_are_ranked_and_the_fifth_is_recorded() -> None:
    ranking = ranked(-10_000, -50_000, 70_000, -30_000, -40_000, -20_000)
    assert codes(ranking) == ["F2", "F5", "F4", "F6"]
    assert [(push.group, push.code) for push in ranking.helped] == [("f3", "")]
    assert [(left.push.code, left.why) for left in ranking.left] == [("F1", "beyond_limit")]
    assert ranking.stable


def test_ties_go_by_schema_order() -> None:
    assert codes(ranked(0, -5_000, -5_000, -5_000, 0, -9_000)) == ["F6", "F2", "F3", "F4"]


def test_less_than_two_percent_is_no_principal_reason() -> None:
    ranking = ranked(-98_000, -1_999, 0, 0, 0, 0)
    assert codes(ranking) == ["F1"]
    assert [(left.push.code, left.why) for left in ranking.left] == [("F2", "small")]
    assert codes(ranked(-98_000, -2_000, 0, 0, 0, 0)) == ["F1", "F2"]


def test_groups_are_summed_with_their_signs_before_ranking() -> None:
    grouped = schema(f1={"group": "history"}, f2={"group": "history"}, f3={"group": "history"})
    ranking = ranked(-60_000, 50_000, -20_000, -40_000, 0, 0, features=grouped)
    assert [(push.group, push.amount) for push in ranking.reasons] == [
        ("f4", -40_000),
        ("history", -30_000),
    ]
    assert ranking.reasons[1].leading == "f1"
    assert ranking.reasons[1].features == ("f1", "f2", "f3")


def test_where_lower_is_favourable_the_signs_turn() -> None:
    ranking = ranked(10_000, -50_000, 0, 0, 0, 0, favourable="lower")
    assert codes(ranking) == ["F1"]
    assert [push.group for push in ranking.helped] == ["f2"]


def test_a_protected_reason_blocks_and_stays() -> None:
    ranking = ranked(-50_000, -10_000, 0, 0, 0, 0, features=schema(f1={"protected": True}))
    assert codes(ranking) == ["F1", "F2"]
    assert [(block.group, block.why) for block in ranking.blocks] == [("f1", "protected")]
    helped = ranked(50_000, -10_000, 0, 0, 0, 0, features=schema(f1={"protected": True}))
    assert helped.blocks == ()


@pytest.mark.parametrize(("reason", "known"), [(None, CODES), ("F1", CODES - {"F1"})])
def test_a_reason_without_a_text_blocks(reason: str | None, known: frozenset[str]) -> None:
    ranking = ranked(-5_000, 0, 0, 0, 0, 0, features=schema(f1={"reason": reason}), codes=known)
    assert [(block.group, block.why) for block in ranking.blocks] == [("f1", "unmapped")]


def test_a_value_nobody_gave_has_its_own_code() -> None:
    assert codes(ranked(-5_000, 0, 0, 0, 0, 0, missing=["f1"])) == ["F1_NOT_GIVEN"]
    own = schema(f1={"reason_missing": "F2"})
    assert codes(ranked(-5_000, 0, 0, 0, 0, 0, features=own, missing=["f1"])) == ["F2"]
    unnamed = schema(f1={"reason": None})
    ranking = ranked(-5_000, 0, 0, 0, 0, 0, features=unnamed, missing=["f1"])
    assert [block.why for block in ranking.blocks] == ["unmapped"]


def test_a_close_fifth_is_called_unstable() -> None:
    assert not ranked(-5_000, -5_000, -5_000, -5_999, -5_000, 0).stable
    assert ranked(-6_000, -6_000, -6_000, -6_000, -5_000, 0).stable
    assert ranked(-5_000, -5_000, -5_000, -5_000, 0, 0).stable


@given(st.lists(st.integers(-(10**6), 10**6), min_size=6, max_size=6))
def test_every_group_is_accounted_for_once(values: list[int]) -> None:
    ranking = ranked(*values)
    told = [*ranking.reasons, *ranking.helped, *(left.push for left in ranking.left)]
    assert sorted(push.group for push in told) == [
        name for name, value in zip(NAMES, values, strict=True) if value
    ]
    assert len(ranking.reasons) <= 4
    sizes = [push.amount for push in ranking.reasons]
    assert sizes == sorted(sizes)
    assert all(size < 0 for size in sizes)
    weakest = max(sizes, default=0)
    assert all(left.push.amount >= weakest for left in ranking.left)
    assert ranked(*values) == ranking
    assert sum(push.amount for push in told) == sum(values)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=6, max_size=6),
    st.lists(st.sampled_from(["x", "y", "z"]), min_size=6, max_size=6),
)
def test_a_group_is_the_signed_sum_of_its_members(values: list[int], groups: list[str]) -> None:
    features = schema(**{name: {"group": group} for name, group in zip(NAMES, groups, strict=True)})
    ranking = ranked(*values, features=features)
    told = [*ranking.reasons, *ranking.helped, *(left.push for left in ranking.left)]
    sums = dict.fromkeys(groups, 0)
    for group, value in zip(groups, values, strict=True):
        sums[group] += value
    assert {push.group: push.amount for push in told} == {
        group: total for group, total in sums.items() if total
    }
    for push in told:
        assert push.leading in push.features
        assert bool(push.code) == (push.amount < 0)


@given(
    values=st.lists(st.integers(-(10**5), 10**5), min_size=6, max_size=6),
    rules=st.lists(st.sampled_from([name.upper() for name in NAMES]), max_size=6),
    failed=st.booleans(),
)
def test_rules_take_places_and_lose_nothing(
    *, values: list[int], rules: list[str], failed: bool
) -> None:
    ranking = ranked(*values)
    told = beside(ranking, rules, failed=failed, schema=schema(), codes=CODES)
    assert len(told.reasons) + len(rules) <= max(4, len(rules))
    assert not {push.code for push in told.reasons} & set(rules)
    kept = [*told.reasons, *(left.push for left in told.left)]
    before = [*ranking.reasons, *(left.push for left in ranking.left)]
    assert sorted(push.group for push in kept) == sorted(push.group for push in before)
    assert told.helped == ranking.helped
    if not failed:
        assert told.reasons == ()


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ({"proxy": True}, "proxy"),
        ({"protected": True}, "protected"),
        ({"reason": None}, "unmapped"),
    ],
)
def test_a_group_that_moves_up_beside_a_rule_is_checked(member: dict[str, Any], why: str) -> None:
    features = schema(f2={"reason": "F1"}, f5=member)
    ranking = ranked(-90_000, -80_000, -70_000, -60_000, -50_000, -40_000, features=features)
    assert ranking.blocks == ()
    told = beside(ranking, ["F1"], failed=True, schema=features, codes=CODES)
    assert [push.group for push in told.reasons] == ["f3", "f4", "f5"]
    assert [(block.group, block.why) for block in told.blocks] == [("f5", why)]


def test_a_group_that_moves_up_does_not_repeat_a_rule() -> None:
    features = schema(f5={"reason": "F1"})
    ranking = ranked(-90_000, -80_000, -70_000, -60_000, -50_000, -40_000, features=features)
    told = beside(ranking, ["F1"], failed=True, schema=features, codes=CODES)
    assert [push.group for push in told.reasons] == ["f2", "f3", "f4"]
    assert [left.push.group for left in told.left if left.why == "same_reason"] == ["f1", "f5"]
