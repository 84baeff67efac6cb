"""Alternatives: the model itself says each one passes, and nothing forbidden is changed."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from explain.counterfactual import Knockouts, Limit, search
from explain.model import Model
from explain.predictor import FeatureSchema, Rows, decode
from explain.rules import fired, read_rules

LIMIT = Limit(500_000, 1)


def test_every_alternative_passes_within_what_may_change(
    model: Model, declined: list[dict[str, Any]]
) -> None:
    found_any = 0
    for one in declined:
        row = model.schema.row(one)
        found = search(model.schema, model.predictor, row, model.background, LIMIT)
        found_any += bool(found)
        assert len(found) <= 3
        for way in found:
            shown = {
                feature.name: decode(feature, float(number))
                for feature, number in zip(model.schema.features, way.row, strict=True)
            }
            again = model.schema.row(
                {
                    **one,
                    **{
                        name: shown[name]
                        for name in shown
                        if one[name] is not None or shown[name] is not None
                    },
                }
            )
            margin = float(model.predictor.margin(again[None, :])[0])
            assert margin == way.margin
            assert round(margin * 1e6) >= 500_000
            assert shown["bankrupt"] == one["bankrupt"]
            assert shown["loan_to_value"] <= one["loan_to_value"]
            assert one["income"] is None or shown["income"] >= one["income"]
            assert 1 <= len(way.changed) <= 3
            assert {type(shown["late"]), type(shown["job"])} == {int, str}
    assert found_any > len(declined) / 2


def test_alternatives_are_different_ways_and_always_the_same(
    model: Model, declined: list[dict[str, Any]]
) -> None:
    for one in declined[:20]:
        row = model.schema.row(one)
        first = search(model.schema, model.predictor, row, model.background, LIMIT)
        again = search(model.schema, model.predictor, row, model.background, LIMIT)
        assert [(way.changed, way.row.tobytes(), way.margin, way.cost) for way in first] == [
            (way.changed, way.row.tobytes(), way.margin, way.cost) for way in again
        ]
        for left in first:
            others = [way for way in first if way is not left]
            assert not any(set(left.changed) <= set(other.changed) for other in others)
        assert [len(way.changed) for way in first] == sorted(len(way.changed) for way in first)


class Sum:
    """A model whose margin is the sum of its columns, missing ones aside."""

    space = "log-odds"

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        return np.nansum(rows, axis=1).astype(np.float64)


ENTRY: dict[str, Any] = {
    "label": {"en": "x"},
    "type": "number",
    "unit": "percent",
    "mutability": "any",
    "missing": "allowed",
    "protected": False,
}


def numbers(**members: Any) -> FeatureSchema:
    return FeatureSchema.from_manifest(
        {"features": [ENTRY | {"name": name} | members for name in ("a", "b", "c")]}
    )


BACKGROUND = np.array([[v, v, v] for v in (0.0, 1.0, 2.04, 3.0)], dtype=np.float32)
ROW = np.zeros(3, dtype=np.float32)


def columns(schema: FeatureSchema, limit: Limit, row: Any = ROW) -> list[tuple[int, ...]]:
    return [way.changed for way in search(schema, Sum(), row, BACKGROUND, limit)]


def test_the_fewest_changes_come_first() -> None:
    assert columns(numbers(), Limit(3_000_000, 1)) == [(0,), (1,), (2,)]
    assert columns(numbers(), Limit(5_000_000, 1)) == [(0, 1), (0, 2), (1, 2)]
    assert columns(numbers(), Limit(9_000_000, 1)) == [(0, 1, 2)]


def test_the_cheapest_value_is_taken_and_rounded_as_shown() -> None:
    (first, *_) = search(numbers(), Sum(), ROW, BACKGROUND, Limit(1_500_000, 1))
    assert first.row.tolist() == [1.5, 0.0, 0.0]
    # 2.02 would pass a limit of 2.02, but a reader is shown 2 %, and 2 does not pass.
    (first, *_) = search(numbers(), Sum(), ROW, BACKGROUND, Limit(2_020_000, 1))
    assert first.row.tolist() == [np.float32(2.1), 0.0, 0.0]


def test_a_change_is_made_in_whole_steps_of_the_feature() -> None:
    (first, *_) = search(numbers(step=0.5), Sum(), ROW, BACKGROUND, Limit(1_200_000, 1))
    assert first.row.tolist() == [1.5, 0.0, 0.0]


def test_none_found_is_an_answer() -> None:
    assert columns(numbers(), Limit(9_100_000, 1)) == []
    assert columns(numbers(mutability="fixed"), Limit(1_000_000, 1)) == []
    assert columns(numbers(protected=True), Limit(1_000_000, 1)) == []
    assert columns(numbers(proxy=True), Limit(1_000_000, 1)) == []
    assert columns(numbers(mutability="decrease"), Limit(1_000_000, 1)) == []
    assert columns(numbers(bounds=[0, 0.9]), Limit(1_000_000, 1)) == []


MUTABILITY = st.sampled_from(["any", "increase", "decrease", "fixed"])
PLACES = st.integers(-40, 40).map(lambda tenths: round(tenths / 10, 1))


@given(
    ways=st.lists(MUTABILITY, min_size=3, max_size=3),
    steps=st.lists(st.sampled_from([None, 0.1, 0.5, 2.0]), min_size=3, max_size=3),
    start=st.lists(PLACES, min_size=3, max_size=3),
    seen=st.lists(st.lists(PLACES, min_size=3, max_size=3), min_size=1, max_size=12),
    limit=st.integers(-60, 90),
    sign=st.sampled_from([1, -1]),
    bar=st.none() | PLACES,
    double=st.booleans(),
)
def test_whatever_is_found_passes_and_is_allowed(  # what can be asked
    *,
    ways: list[str],
    steps: list[float | None],
    start: list[float],
    seen: list[list[float]],
    limit: int,
    sign: int,
    bar: float | None,
    double: bool,
) -> None:
    parts = zip("abc", ways, steps, strict=True)
    entries = [ENTRY | {"name": name, "mutability": way, "step": step} for name, way, step in parts]
    read = FeatureSchema.from_manifest({"features": entries})
    schema = FeatureSchema(read.features, double=double)
    kind: Any = np.float64 if double else np.float32
    row, background = np.array(start, kind), np.array(seen, kind)
    condition = {"feature": "a", "op": ">=", "value": bar}
    rule = {"id": "r", "reason": "R", "when": condition}
    rules = read_rules({"rules": [] if bar is None else [rule]})
    given_values = dict(zip("abc", start, strict=True))
    asked = Limit(limit * 100_000, sign), Knockouts(rules, given_values)
    found = search(schema, Sum(), row, background, *asked)
    again = search(schema, Sum(), row, background, *asked)
    assert [(way.changed, way.row.tobytes()) for way in found] == [
        (way.changed, way.row.tobytes()) for way in again
    ]
    assert len({way.changed for way in found}) == len(found) <= 3
    for way in found:
        changed = tuple(np.flatnonzero(way.row != row).tolist())
        assert changed == way.changed
        shown = {
            schema.names[at]: decode(schema.features[at], float(way.row[at])) for at in changed
        }
        scored = schema.row({**given_values, **shown})
        assert scored.tolist() == way.row.tolist()
        margin = float(Sum().margin(scored[None, :])[0])
        assert (round(margin * 1e6) - limit * 100_000) * sign >= 0
        assert fired(rules, {**given_values, **shown}) == ()
        for at in changed:
            assert ways[at] != "fixed"
            assert ways[at] != "increase" or way.row[at] > row[at]
            assert ways[at] != "decrease" or way.row[at] < row[at]
            step = steps[at]
            if step is not None:
                value = shown[schema.names[at]]
                assert isinstance(value, float)
                assert value / step == pytest.approx(round(value / step))


def test_where_lower_is_favourable_the_search_goes_down() -> None:
    row = np.full(3, 3.0, dtype=np.float32)
    assert columns(numbers(mutability="decrease"), Limit(6_000_000, -1), row) == [(0,), (1,), (2,)]


def test_a_value_nobody_gave_may_be_given_unless_direction_matters() -> None:
    row = np.array([math.nan, 0, 0], dtype=np.float32)
    assert (0,) in columns(numbers(), Limit(3_000_000, 1), row)
    assert (0,) not in columns(numbers(mutability="increase"), Limit(3_000_000, 1), row)


def test_many_values_are_thinned_to_some_that_were_seen() -> None:
    background = np.array([[v / 10, 0, 0] for v in range(1000)], dtype=np.float32)
    (first, *_) = search(numbers(), Sum(), ROW, background, Limit(50_000_000, 1))
    assert first.margin == pytest.approx(50, abs=4)
    assert np.isclose(background[:, 0], first.row[0]).any()
