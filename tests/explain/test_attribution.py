"""Attributions: exact sums, one gate, strict JSON."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.attribution import Attribution, quantise, quantise_rows, to_units
from explain.errors import AdditivityError, SchemaError

GOOD: dict[str, Any] = {
    "engine": "leaf-tables",
    "space": "log-odds",
    "scale": 6,
    "base": 1733001,
    "values": {"age": 5, "income": -812345},
    "residual": 3,
}


def test_base_values_and_residual_add_up_to_the_margin() -> None:
    attribution = Attribution.from_json(GOOD)
    assert attribution.margin == 1733001 + 5 - 812345 + 3
    assert attribution.to_json() == GOOD
    assert attribution.value("age") == 5
    with pytest.raises(SchemaError):
        attribution.value("race")


UNITS = st.integers(-(2**53) + 1, 2**53 - 1)


@given(
    st.dictionaries(st.text(min_size=1, max_size=6), UNITS, min_size=1, max_size=6), UNITS, UNITS
)
def test_it_comes_back_as_it_was_written(values: dict[str, int], base: int, residual: int) -> None:
    written = GOOD | {"values": values, "base": base, "residual": residual}
    read = Attribution.from_json(json.loads(json.dumps(written)))
    assert read.to_json() == written
    assert Attribution.from_json(read.to_json()) == read


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())


@given(
    st.dictionaries(st.sampled_from([*GOOD, "note"]), JUNK | st.just(GOOD["values"]))
    | st.tuples(st.sampled_from(list(GOOD)), JUNK).map(lambda pair: GOOD | {pair[0]: pair[1]})
    | JUNK
)
def test_anything_else_is_our_error(value: object) -> None:
    try:
        attribution = Attribution.from_json(value)
    except SchemaError:
        return
    assert json.dumps(attribution.to_json(), sort_keys=True) == json.dumps(value, sort_keys=True)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 5},
        {"scale": 6.0},
        {"base": 1.0},
        {"base": True},
        {"residual": 2**53},
        {"values": {"age": 1.5}},
        {"values": {}},
        {"values": []},
        {"engine": ""},
        {"engine": "x" * 65},
    ],
)
def test_a_member_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Attribution.from_json(GOOD | change)


def test_order_is_part_of_the_value() -> None:
    with pytest.raises(SchemaError, match="sorted"):
        Attribution("e", "log-odds", 6, 0, (("b", 1), ("a", 1)), 0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.floats(-5, 5), st.floats(-4e-5, 4e-5))
def test_quantised_numbers_add_up_exactly(phi: list[float], base: float, off: float) -> None:
    names = [f"f{at}" for at in range(len(phi))]
    margin = base + sum(phi) + off
    attribution = quantise("e", names, base=base, phi=np.array(phi), margin=margin, tolerance=100)
    assert attribution.margin == to_units(margin)


def test_contributions_that_miss_the_margin_are_refused() -> None:
    phi = np.array([0.5, -0.25])
    quantise("e", "ab", base=1.0, phi=phi, margin=1.25009, tolerance=100)
    with pytest.raises(AdditivityError, match="110 units"):
        quantise("e", "ab", base=1.0, phi=phi, margin=1.25011, tolerance=100)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_none_is_refused(bad: float) -> None:
    for base, phi, margin in ((bad, 0.0, 0.0), (0.0, bad, 0.0), (0.0, 0.0, bad)):
        with pytest.raises(AdditivityError, match="finite"):
            quantise("e", "a", base=base, phi=np.array([phi]), margin=margin, tolerance=100)


@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=2), min_size=2, max_size=9),
    st.floats(-5, 5),
)
def test_many_rows_come_out_as_each_would_alone(phi: list[list[float]], base: float) -> None:
    parts = np.array(phi)
    margins = base + parts.sum(axis=1)
    together = quantise_rows("e", "ba", base=base, phi=parts, margins=margins, tolerance=3)
    alone = [
        quantise("e", "ba", base=base, phi=row, margin=float(margin), tolerance=3)
        for row, margin in zip(parts, margins, strict=True)
    ]
    assert together == alone
    assert list(together[1:]) == alone[1:]
    assert together == quantise_rows(
        "e", "ba", base=np.full(len(phi), base), phi=parts, margins=margins, tolerance=3
    )
    assert hash(together) == hash(tuple(alone))


@pytest.mark.parametrize(
    ("number", "message"), [(np.nan, "finite"), (1e12, "beyond"), (0.1, "100000 units")]
)
def test_one_row_that_is_off_spoils_the_others(number: float, message: str) -> None:
    phi = np.zeros((3, 2))
    phi[1, 0] = number
    with pytest.raises(AdditivityError, match=message):
        quantise_rows("e", "ab", base=0.0, phi=phi, margins=np.zeros(3), tolerance=100)
    with pytest.raises(AdditivityError):
        quantise("e", "ab", base=0.0, phi=phi[1], margin=number if number > 1 else 0.0,
                 tolerance=100)  # fmt: skip


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(SchemaError, match="one value per feature"):
        quantise_rows("e", "ab", base=0.0, phi=np.zeros((3, 3)), margins=np.zeros(3), tolerance=100)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e10, -1e308])
def test_a_margin_that_cannot_be_recorded_is_an_error_of_ours(bad: float) -> None:
    with pytest.raises(AdditivityError, match=r"finite|beyond"):
        to_units(bad)
    assert to_units(9e9) == 9 * 10**15
