"""Values and messages as a reader sees them."""

import re
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explain import features
from explain.catalogue import Catalogue, load_catalogue
from explain.errors import LanguageMissing
from explain.features import Feature
from explain.wording import Wording, alike, typical

EN = load_catalogue("en")
NBSP = "\u00a0"


def feature(**members: Any) -> Feature:
    entry = {
        "name": "x",
        "label": {"en": "X"},
        "type": "number",
        "mutability": "any",
        "missing": "allowed",
        "protected": False,
    }
    return Feature.from_json(entry | members, "features[0]")


@pytest.mark.parametrize(
    ("members", "value", "text"),
    [
        ({"unit": "percent"}, 98.04, f"98{NBSP}%"),
        ({"unit": "percent"}, 33.25, f"33.3{NBSP}%"),
        ({"unit": "percent"}, 80, f"80{NBSP}%"),
        ({"unit": "USD_thousands"}, 89.5, "$89,500"),
        ({"unit": "USD_thousands"}, -1250.0, "\u2212$1,250,000"),
        ({"unit": "USD_per_month"}, 1150.4, "$1,150 a month"),
        ({"unit": "USD_per_month", "decimals": 2}, 17.53, "$17.53 a month"),
        ({"unit": "USD_per_month", "decimals": 1}, 17.5, "$17.50 a month"),
        ({"unit": "USD_per_month", "decimals": 2}, 18.004, "$18 a month"),
        ({"unit": "USD_thousands", "decimals": 5}, -89.50123, "\u2212$89,501.23"),
        ({"unit": "USD_thousands", "decimals": 6}, 0.000125, "$0.125"),
        ({"unit": "USD_thousands", "decimals": 6}, 0.0, "$0"),
        ({"unit": "months"}, 1, "1 month"),
        ({"unit": "months"}, 360.0, "360 months"),
        ({"unit": "years"}, 0.98, "1 year"),
        ({"unit": "years"}, 2.5, "2.5 years"),
        ({"unit": "count", "type": "integer"}, 12, "12"),
        ({}, 1234.567, "1,234.57"),
        ({"decimals": 0}, -3.2, "\u22123"),
        ({}, None, "not given"),
        ({"type": "boolean"}, True, "yes"),
        ({"type": "boolean"}, False, "no"),
        ({"type": "boolean", "values": {"1": {"en": "on file"}}}, True, "on file"),
        ({"type": "boolean", "values": {"false": {"en": "clear"}}}, False, "clear"),
        ({"type": "integer", "values": {"2": {"en": "two or more"}}}, 2, "two or more"),
        ({"values": {"2": {"en": "two"}}}, 2.0, "two"),
        ({"type": "category", "categories": ["a_b"]}, "a_b", "a_b"),
        ({"type": "category", "categories": ["a"], "values": {"a": {"en": "first"}}}, "a", "first"),
        ({}, -1e15, "\u22121,000,000,000,000,000"),
        ({"unit": "USD_thousands", "decimals": 6}, 1e15, "$1,000,000,000,000,000,000"),
    ],
)
def test_a_value_is_written_as_a_person_would(
    members: dict[str, Any], value: Any, text: str
) -> None:
    assert Wording(EN).value(feature(**members), value) == text


@pytest.mark.parametrize(
    ("members", "column", "value"),
    [
        ({"unit": "percent"}, [1.0, 2.04, 3.0, 4.0], 2.0),
        ({"type": "integer"}, [5, 1, 9], 5),
        ({"type": "boolean"}, [1, 0, 0], False),
        ({"type": "boolean"}, [1, 0], False),
        ({"type": "category", "categories": ["a", "b"]}, [1, 1, 0], "b"),
        ({"type": "integer", "values": {"1": {"en": "one"}}}, [1, 1, 0, 5], 1),
        ({}, [np.nan, np.nan, 1.0], None),
        ({}, [np.nan, 2.0, 1.0], 1.0),
    ],
)
def test_what_is_typical_is_a_value_that_somebody_had(
    members: dict[str, Any], column: list[float], value: Any
) -> None:
    assert typical(feature(**members), np.array(column, dtype=np.float32)) == value


def test_numbers_and_lists_follow_the_language() -> None:
    german = Catalogue("de", "hallo = Hallo { $name }\n")
    assert german.number(Decimal("1234.50"), 1) == "1.234,5"
    assert german.signed(Decimal("-0.5"), 1) == "\u22120,5"
    assert german.money(Decimal(1234), "USD") == f"1.234{NBSP}$"
    assert german.listed(["a", "b", "c"]) == "a, b und c"
    assert german.say("hallo", name="Welt") == "Hallo Welt"
    assert [EN.signed(Decimal(text), 1) for text in ("3", "-3", "0")] == [
        "+3.0",
        "\u22123.0",
        "0.0",
    ]


def test_a_message_without_its_parts_is_an_error_not_a_gap() -> None:
    with pytest.raises(LanguageMissing, match="no message"):
        EN.say("unheard-of")
    with pytest.raises(LanguageMissing, match="not given"):
        EN.say("change", label="x", to="1")
    with pytest.raises(LanguageMissing):
        Catalogue("not a language", "")


def test_a_digest_names_the_wording() -> None:
    assert Catalogue("en", "a = b\n").digest != Catalogue("en", "a = c\n").digest
    assert re.fullmatch(r"[0-9a-f]{64}", EN.digest)


def test_every_message_is_used_and_every_used_message_exists() -> None:
    text = (resources.files("explain") / "locale" / "en.ftl").read_text(encoding="utf-8")
    written = set(re.findall(r"^([a-z][a-z-]*) =", text, flags=re.MULTILINE))
    package = Path(str(resources.files("explain")))
    code = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    dynamic = (
        "outcome-",
        "unit-",
        "gate-",
        "summary-",
        "limit-",
        "counterfactual-note-",
        "method-",
        "layer-",
    )
    unused = {name for name in written if f'"{name}"' not in code and not name.startswith(dynamic)}
    assert unused == set()
    asked = set(re.findall(r'\bsay\(\s*"([a-z-]+)"', code))
    assert asked <= written


def test_every_unit_has_its_decimals_and_its_words() -> None:
    assert set(features.DECIMALS) == {
        "percent", "USD_thousands", "USD_per_month", "months", "years", "count", "none"
    }  # fmt: skip
    for unit in features.DECIMALS:
        assert Wording(EN).value(feature(unit=unit), 2.0)


GRADES = {"1": {"en": "low", "de": "niedrig"}, "2": {"en": "low", "de": "hoch"}, "3": {"en": "4"}}


@pytest.mark.parametrize(
    ("members", "one", "other", "same"),
    [
        ({"type": "integer", "values": GRADES}, 1, 2, True),
        ({"type": "integer", "values": GRADES}, 1, 3, False),
        ({"type": "integer", "values": GRADES}, 3, 4, True),
        ({"type": "integer", "values": GRADES}, 5, 4, False),
        ({"type": "category", "categories": ["a", "b"]}, "a", "b", False),
        ({"type": "boolean"}, True, False, False),
        ({"decimals": 2}, 0.125, 0.13, True),
        ({"decimals": 2}, 0.12, 0.13, False),
        ({}, None, 0.0, False),
        ({}, None, None, True),
    ],
)
def test_values_that_somebody_reads_as_the_same_are_alike(
    *, members: dict[str, Any], one: Any, other: Any, same: bool
) -> None:
    assert alike(feature(**members), one, other) is same
    assert alike(feature(**members), other, one) is same
