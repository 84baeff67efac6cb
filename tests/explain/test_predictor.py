"""Rows: only what the schema describes gets in, and errors name the place, not the value."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import LanguageMissing, SchemaError
from explain.features import Feature, LocalText
from explain.predictor import FeatureSchema, decode, encode

GOOD = {"loan_to_value": 80.5, "income": None, "late": 2, "bankrupt": True, "job": "retired"}
ENTRY: dict[str, Any] = {
    "name": "income",
    "label": {"en": "Income"},
    "type": "number",
    "bounds": [0, 10],
    "mutability": "any",
    "missing": "refused",
    "protected": False,
}


def test_a_row_is_float32_in_schema_order(schema: FeatureSchema) -> None:
    row = schema.row(GOOD)
    assert row.dtype == np.float32
    assert row.tolist() == [80.5, pytest.approx(math.nan, nan_ok=True), 2.0, 1.0, 1.0]
    assert schema.row(dict(reversed(GOOD.items()))).tobytes() == row.tobytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loan_to_value", None),
        ("loan_to_value", True),
        ("loan_to_value", "80.5"),
        ("loan_to_value", 200.1),
        ("loan_to_value", -0.1),
        ("loan_to_value", math.nan),
        ("loan_to_value", math.inf),
        ("loan_to_value", 10**400),
        ("late", 1.0),
        ("late", True),
        ("bankrupt", 1),
        ("bankrupt", None),
        ("job", "pilot"),
        ("job", 1),
        ("job", ["retired"]),
    ],
)
def test_another_value_is_refused_by_name(schema: FeatureSchema, name: str, value: object) -> None:
    with pytest.raises(SchemaError) as refused:
        schema.row(GOOD | {name: value})
    assert refused.value.member == f"input.{name}"
    assert str(value) not in str(refused.value)


def test_missing_and_unknown_features_are_named(schema: FeatureSchema) -> None:
    with pytest.raises(SchemaError) as refused:
        schema.row({name: value for name, value in GOOD.items() if name != "late"})
    assert (refused.value.member, str(refused.value)) == ("input.late", "feature is missing")
    with pytest.raises(SchemaError) as refused:
        schema.row(GOOD | {"race": "x"})
    assert (refused.value.member, str(refused.value)) == ("input.race", "unknown feature")


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
) | st.lists(st.integers(), max_size=2)


@given(
    st.fixed_dictionaries(
        {}, optional={name: ANYTHING | st.just(value) for name, value in GOOD.items()}
    )
)
def test_any_input_is_a_row_or_our_error(schema: FeatureSchema, values: dict[str, Any]) -> None:
    try:
        row = schema.row(values)
    except SchemaError as error:
        refused = error
    else:
        assert row.shape == (5,)
        assert not np.isinf(row).any()
        assert set(values) == set(GOOD)
        return
    assert refused.member is not None
    assert refused.member.startswith("input.")


@given(st.integers(0, 2000))
def test_a_value_at_display_precision_survives_the_model_s_precision(tenths: int) -> None:
    feature = Feature.from_json(ENTRY | {"bounds": [0, 200], "unit": "percent"}, "f")
    value = tenths / 10
    assert decode(feature, float(np.float32(encode(feature, value)))) == value


def test_decoding_gives_back_each_type(schema: FeatureSchema) -> None:
    row = schema.row(GOOD)
    assert [
        decode(feature, float(number)) for feature, number in zip(schema.features, row, strict=True)
    ] == list(GOOD.values())


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", ""),
        ("name", "x" * 65),
        ("label", {}),
        ("label", {"en": ""}),
        ("label", "Income"),
        ("type", "float"),
        ("bounds", [1]),
        ("bounds", ["0", "1"]),
        ("bounds", [True, 2]),
        ("bounds", [2, 1]),
        ("mutability", "sometimes"),
        ("missing", True),
        ("protected", None),
        ("adverse_when", "up"),
        ("categories", ["a", "a"]),
        ("categories", "ab"),
        ("values", ["yes"]),
        ("values", {"1": "yes"}),
        ("phrase", {"en": 1}),
        ("decimals", 7),
        ("decimals", 1.0),
        ("unit", 5),
        ("group", 5),
    ],
)
def test_a_wrong_manifest_entry_is_refused(member: str, value: object) -> None:
    with pytest.raises(SchemaError):
        FeatureSchema.from_manifest({"features": [ENTRY | {member: value}]})


def test_a_manifest_needs_a_list_of_different_features() -> None:
    for features in (None, [], [ENTRY, ENTRY], ["income"], [ENTRY | {"type": "category"}]):
        with pytest.raises(SchemaError):
            FeatureSchema.from_manifest({"features": features})


def test_what_a_manifest_leaves_out_has_a_sensible_value() -> None:
    feature = Feature.from_json(ENTRY | {"bounds": [None, 5], "note": "ignored"}, "f")
    assert (feature.lower, feature.upper, feature.group, feature.reason) == (
        None,
        5.0,
        "income",
        "",
    )
    assert feature.unit == "none"
    assert feature.decimals == 2


def test_a_text_in_a_language_nobody_wrote_is_an_error() -> None:
    with pytest.raises(LanguageMissing):
        LocalText.from_json({"en": "Income"}, "label").speak("fi")


def test_an_unknown_column_is_named(schema: FeatureSchema) -> None:
    with pytest.raises(SchemaError) as refused:
        schema.index("race")
    assert refused.value.member == "input.race"
