"""A model that is only asked: how close the approximation comes, and what it says of that."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from explain.coalitions import by_orders, by_subsets, drawn_order
from explain.engines import attributor_for
from explain.errors import AdditivityError, SchemaError
from tests.explain.shapley_oracle import shapley_by_definition

NAMES = ("a", "b", "c", "d")


class Curved:
    """Not additive, not a tree, nothing to take apart."""

    space = "probability"

    def margin(self, rows: Any) -> NDArray[np.float64]:
        inner = np.tanh(rows[:, 0] * rows[:, 1]) + rows[:, 2] ** 2 - rows[:, 3] * rows[:, 0]
        return np.asarray(1 / (1 + np.exp(-inner)))


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    return np.random.default_rng(11).normal(size=(40, 4))


def engine(kind: str, rows: NDArray[np.float64], **parameters: object) -> Any:
    return attributor_for(kind, Curved(), rows[:30], NAMES, parameters=parameters)


def test_every_set_tried_is_the_definition(rows: NDArray[np.float64]) -> None:
    for row, found in zip(
        rows[30:], engine("all-subsets", rows).approximate(rows[30:]), strict=True
    ):
        wanted = shapley_by_definition(Curved().margin, row, rows[:30])
        got = [found.attribution.value(name) for name in NAMES]
        np.testing.assert_allclose(got, wanted * 1e6, atol=1)
        assert found.largest_error == 0


def test_an_approximation_is_named_one_and_is_as_close_as_it_says(
    rows: NDArray[np.float64],
) -> None:
    exact = engine("all-subsets", rows).attribute(rows[30:])
    rough = engine("permutation-approximate", rows, orders=24, seed=5).approximate(rows[30:])
    off = []
    for right, found in zip(exact, rough, strict=True):
        assert found.attribution.engine == "permutation-approximate"
        assert found.attribution.space == "probability"
        assert found.attribution.margin == right.margin
        for name, error in found.errors:
            gap = abs(found.attribution.value(name) - right.value(name))
            assert gap <= 5 * error + 2
            off.append((gap, error))
    # Not by claiming more error than there is: it is about what the values are off by.
    gaps, errors = np.array(off).T
    assert 0.3 < gaps.mean() / errors.mean() < 2


def test_more_orders_come_closer(rows: NDArray[np.float64]) -> None:
    few = engine("permutation-approximate", rows, orders=4).approximate(rows[30:])
    many = engine("permutation-approximate", rows, orders=64).approximate(rows[30:])
    assert sum(one.largest_error for one in many) < sum(one.largest_error for one in few) / 2


def test_the_same_row_gives_the_same_numbers_whatever_is_beside_it(
    rows: NDArray[np.float64],
) -> None:
    made = engine("permutation-approximate", rows)
    together = made.attribute(rows[30:])
    again = engine("permutation-approximate", rows)
    assert tuple(again.attribute(row[None, :])[0] for row in rows[30:]) == together
    other = engine("permutation-approximate", rows, seed=1)
    assert other.attribute(rows[30:31]) != together[:1]


def test_orders_are_the_same_in_every_version() -> None:
    # Written down once: a change would change what is replayed.
    assert drawn_order(6, 0, 0).tolist() == [0, 3, 1, 5, 2, 4]
    assert drawn_order(6, 7, 3).tolist() == [0, 5, 3, 1, 2, 4]


@given(st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_a_split_adds_up_whatever_the_game(players: int, seed: int) -> None:
    worth = np.random.default_rng(seed).normal(size=1 << players)

    def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        return worth[sets @ (1 << np.arange(players))]

    for split in (by_subsets(players, game), by_orders(players, game, orders=2, seed=seed)):
        assert split.base == worth[0]
        assert split.base + split.values.sum() == pytest.approx(worth[-1], abs=1e-9)
        assert (split.error >= 0).all()


def test_a_model_that_answers_the_same_row_differently_gives_no_numbers(
    rows: NDArray[np.float64],
) -> None:
    class Fickle(Curved):
        asked = 0

        def margin(self, rows: Any) -> NDArray[np.float64]:
            self.asked += 1
            return super().margin(rows) + 0.001 * self.asked

    made = attributor_for("permutation-approximate", Fickle(), rows[:30], NAMES)
    with pytest.raises(AdditivityError):
        made.attribute(rows[30:31])


@pytest.mark.parametrize(
    "parameters", [{"orders": 1}, {"orders": 20_000}, {"orders": True}, {"seed": -1}, {"seed": "7"}]
)
def test_parameters_are_whole_numbers_of_a_sensible_size(
    rows: NDArray[np.float64], parameters: dict[str, object]
) -> None:
    with pytest.raises(SchemaError):
        engine("permutation-approximate", rows, **parameters)


def test_what_cannot_be_enumerated_or_held_is_refused(rows: NDArray[np.float64]) -> None:
    names = tuple(f"f{at}" for at in range(17))
    with pytest.raises(SchemaError, match="up to 16 features"):
        attributor_for("all-subsets", Curved(), np.zeros((3, 17)), names)
    with pytest.raises(SchemaError, match="differ in number"):
        attributor_for("all-subsets", Curved(), np.zeros((3, 3)), NAMES)
    with pytest.raises(SchemaError, match="1 to 10,000 rows"):
        attributor_for("all-subsets", Curved(), rows[:0], NAMES)
    wide = np.zeros((400, 16))
    for kind, orders in (("all-subsets", 2), ("permutation-approximate", 9_000)):
        with pytest.raises(SchemaError, match="more than 20,000,000 times"):
            attributor_for(kind, Curved(), wide, names[:16], parameters={"orders": orders})
    for split in (by_subsets, lambda players, game: by_orders(players, game, orders=2, seed=0)):
        with pytest.raises(SchemaError):
            split(0, lambda sets: np.zeros(len(sets)))
