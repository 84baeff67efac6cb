"""How firmly reasons stand against another draw of the reference group."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explain.attribution import Attribution, to_units
from explain.model import Model
from explain.predictor import FeatureSchema, Row, Rows
from explain.reason_codes import Ranking, rank
from explain.stability import Stability, stability

NAMES = ("a", "b", "c", "d", "e", "f")


class Pairs:
    """A model whose items act alone and in pairs, and never more than two together."""

    space = "log-odds"

    def __init__(self, weights: tuple[float, ...], together: float = 0.0) -> None:
        self.weights = np.array(weights)
        self.together = together

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        wide = rows.astype(np.float64)
        return np.asarray(wide @ self.weights + self.together * wide[:, 0] * wide[:, 1])


class Oracle:
    """Shapley values by their definition, over every order of the items."""

    def __init__(self, predictor: Pairs, background: Rows) -> None:
        self.predictor = predictor
        self.background = background

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        return tuple(self._of(row) for row in rows)

    def _of(self, row: Row) -> Attribution:
        width = len(row)
        phi = np.zeros(width)
        for order in itertools.permutations(range(width)):
            mixed = self.background.copy()
            before = self.predictor.margin(mixed).mean()
            for column in order:
                mixed[:, column] = row[column]
                after = self.predictor.margin(mixed).mean()
                phi[column] += after - before
                before = after
        phi /= math.factorial(width)
        base = to_units(float(self.predictor.margin(self.background).mean()))
        values = tuple((name, to_units(part)) for name, part in zip(NAMES, phi, strict=False))
        return Attribution("oracle", "log-odds", 6, base, values, 0)


def schema(width: int) -> FeatureSchema:
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
                for name in NAMES[:width]
            ]
        }
    )


def judged(predictor: Pairs, row: list[float], rows: int = 200) -> tuple[Ranking, Stability]:
    background = np.random.default_rng(5).normal(size=(rows, len(row))).astype(np.float32)
    features = schema(len(row))
    oracle = Oracle(predictor, background)
    model = Model(features, predictor, oracle, background, 100)
    case = np.array(row, dtype=np.float32)
    # A linear model's Shapley values are known in closed form; the oracle is for pairs.
    if predictor.together:
        (attribution,) = oracle.attribute(case[None, :])
    else:
        phi = predictor.weights * (case - background.astype(np.float64).mean(axis=0))
        values = tuple((name, to_units(part)) for name, part in zip(NAMES, phi, strict=False))
        attribution = Attribution("oracle", "log-odds", 6, 0, values, 0)
    ranking = rank(features, attribution, codes=[name.upper() for name in NAMES])
    return ranking, stability(model, case, ranking, sign=1)


def test_reasons_far_apart_are_firm() -> None:
    ranking, found = judged(Pairs((1, 2, 3, 4, 0.1, 0.05)), [-9, -9, -9, -9, 0, 0])
    assert [push.group for push in ranking.reasons] == ["d", "c", "b", "a"]
    assert (found.agreed, found.doubtful, found.ties, found.firm) == (100, (), (), True)


def test_reasons_that_are_nearly_the_same_are_named_as_a_tie() -> None:
    ranking, found = judged(Pairs((1, 1, 5, 0.01)), [-2, -2, -2, 0])
    first, second, third = (push.group for push in ranking.reasons[:3])
    assert first == "c"
    assert (second, third) in found.ties
    assert found.firm


def test_a_fourth_and_a_fifth_that_are_nearly_the_same_are_not_firm() -> None:
    ranking, found = judged(Pairs((3, 3, 3, 1, 1.0, 0)), [-5, -5, -5, -1, -1, 0])
    assert [one.why for one in ranking.left] == ["beyond_limit"]
    assert found.agreed is not None
    assert found.agreed < 90
    assert not found.firm
    assert found.doubtful == (ranking.reasons[3].group,)


def test_a_reason_that_could_have_helped_is_not_firm() -> None:
    average = float(np.random.default_rng(5).normal(size=(200, 4)).astype(np.float32)[:, 1].mean())
    ranking, found = judged(Pairs((0.2, 1.0, 0, 0)), [-1, average - 0.03, 0, 0])
    assert {push.group for push in ranking.reasons} == {"a", "b"}
    assert found.doubtful == ("b",)


def test_the_question_is_of_the_model_and_right_where_items_act_in_pairs() -> None:
    """The share of each item, averaged over the group, is its Shapley value by definition."""
    from explain.stability import _shares  # what the draws are made of

    predictor = Pairs((1.0, -2.0, 0.5), together=1.5)
    background = np.random.default_rng(6).normal(size=(40, 3)).astype(np.float32)
    model = Model(schema(3), predictor, Oracle(predictor, background), background, 100)
    row = np.array([-2.0, 1.0, -3.0], dtype=np.float32)
    (attribution,) = model.attributor.attribute(row[None, :])
    ranking = rank(model.schema, attribution, codes=["A", "B", "C"])
    pushes = [*ranking.reasons, *ranking.helped]
    shares = _shares(model, row, pushes).mean(axis=0)
    for push, share in zip(pushes, shares, strict=True):
        assert to_units(float(share)) == pytest.approx(push.amount, abs=5)


def test_a_small_group_tells_nothing_and_no_reasons_are_always_firm() -> None:
    _, found = judged(Pairs((1, 2)), [-9, -9], rows=29)
    assert (found.agreed, found.firm) == (None, False)
    _, found = judged(Pairs((1, 2)), [9, 9], rows=29)
    assert found == Stability(100)


def test_it_is_the_same_every_time(model: Model, declined: list[dict[str, Any]]) -> None:
    for one in declined[:5]:
        row = model.schema.row(one)
        (attribution,) = model.attributor.attribute(row[None, :])
        ranking = rank(model.schema, attribution, codes=["LOAN_TO_VALUE"])
        first = stability(model, row, ranking, sign=1)
        assert first == stability(model, row, ranking, sign=1)
