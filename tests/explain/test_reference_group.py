"""The law's two reference groups, and what is written down about the one that was taken."""

import hashlib
import json
from typing import Any

import pytest

from explain.errors import SchemaError
from explain.reference_group import MIN_ROWS, reference_group
from ledger.canonical import encode

CUT_OFF = 500_000


def scored(count: int, step: int = 1_000) -> tuple[list[dict[str, Any]], list[int]]:
    """Half of them below the limit, each further away than the one before."""
    margins = [CUT_OFF + (at - count // 2) * step for at in range(count)]
    return [{"income": at, "job": None} for at in range(count)], margins


def test_just_above_are_those_at_the_limit_and_up_to_the_band() -> None:
    inputs, margins = scored(1000)
    group = reference_group(inputs, margins, cut_off=CUT_OFF, favourable="higher", band=399_000)
    chosen = json.loads(group.data)
    assert [one["income"] for one in chosen] == list(range(500, 900))
    assert (group.rule, group.rows, group.scored, group.passed) == ("just-above", 400, 1000, 500)
    assert group.sha256 == hashlib.sha256(encode(chosen)).hexdigest()
    assert group.population() == (
        "the 400 of 1,000 applicants whose score was at the limit or better by at most 0.399"
    )


def test_where_lower_is_better_above_is_below() -> None:
    inputs, margins = scored(1000)
    group = reference_group(inputs, margins, cut_off=CUT_OFF, favourable="lower", band=400_000)
    assert [one["income"] for one in json.loads(group.data)] == list(range(100, 501))


@pytest.mark.parametrize(("near", "rule"), [(MIN_ROWS - 1, "all"), (MIN_ROWS, "just-above")])
def test_too_few_just_above_are_everybody(near: int, rule: str) -> None:
    inputs, margins = scored(1000)
    band = (near - 1) * 1_000
    group = reference_group(inputs, margins, cut_off=CUT_OFF, favourable="higher", band=band)
    assert (group.asked, group.rule, group.within) == ("just-above", rule, near)
    assert group.rows == (1000 if rule == "all" else near)
    if rule == "all":
        assert group.population("homeowners") == (
            "all 1,000 homeowners, since fewer than 300 were just above the limit"
        )


def test_all_are_all_and_the_manifest_says_so() -> None:
    inputs, margins = scored(40)
    group = reference_group(inputs, margins, cut_off=CUT_OFF, favourable="higher", rule="all")
    assert group.to_manifest() == {
        "sha256": hashlib.sha256(group.data).hexdigest(),
        "population": "all 40 applicants",
        "rows": 40,
        "selection": {
            "asked": "all",
            "rule": "all",
            "cut_off": CUT_OFF,
            "scale": 6,
            "band": None,
            "scored": 40,
            "passed": 20,
            "within": None,
        },
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"margins": [1]},
        {"margins": [0.5] * 40},
        {"band": None},
        {"band": -1},
        {"rule": "nearby"},
        {"favourable": "above"},
        {"inputs": [{"income": float("nan")}] * 40, "rule": "all"},
        {"inputs": [], "margins": []},
    ],
)
def test_what_is_no_population_or_rule_is_refused(wrong: dict[str, Any]) -> None:
    inputs, margins = scored(40)
    given: dict[str, Any] = {
        "inputs": inputs,
        "margins": margins,
        "cut_off": CUT_OFF,
        "band": 5,
    } | wrong
    given.setdefault("favourable", "higher")
    with pytest.raises(SchemaError):
        reference_group(given.pop("inputs"), given.pop("margins"), **given)
