"""Replay: reproduced, drifted by how much and where, or impossible and why."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explain.attribution import Attribution
from explain.contributions import OwnContributions
from explain.errors import ArtefactRefused
from explain.model import Model
from explain.predictor import Rows
from explain.replay import Replay, replay_margin
from explain.replay import replay as run


def recorded(model: Model, one: dict[str, Any]) -> Attribution:
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    return attribution


def replayed(model: Model, one: dict[str, Any], attribution: Attribution) -> Replay:
    row = model.schema.row(one)
    return run(model.predictor, model.attributor, row, attribution, tolerance=100)


def moved(attribution: Attribution, feature: str, by: int) -> Attribution:
    values = tuple((name, value + by * (name == feature)) for name, value in attribution.values)
    return replace(attribution, values=values, residual=attribution.residual - by)


def test_the_same_model_reproduces_every_number(model: Model, declined: list[Any]) -> None:
    for one in declined[:20]:
        outcome = replayed(model, one, recorded(model, one))
        assert (outcome.verdict, outcome.exact, outcome.differences) == ("reproduced", True, ())


def test_grades_say_how_well_it_came_out(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    attribution = recorded(model, one)
    assert replayed(model, one, attribution).grade == "A"
    within = replayed(model, one, moved(attribution, "income", 100))
    assert (within.grade, within.largest) == ("B", 100)
    beyond = replayed(model, one, moved(attribution, "income", 101))
    assert (beyond.grade, beyond.largest) == ("C", 101)
    assert "32-bit" in within.tolerance_reason
    assert Replay.impossible(1, "gone").grade == ""


def test_other_reasons_are_drift_even_within_the_tolerance(
    model: Model, declined: list[Any]
) -> None:
    one = declined[0]
    attribution = recorded(model, one)
    changed = moved(attribution, "income", 1)
    row = model.schema.row(one)

    def ranked(each: Attribution) -> tuple[str, ...]:
        return ("late", "income") if each == changed else ("income", "late")

    ask = partial(run, model.predictor, model.attributor, row, tolerance=100, ranked=ranked)
    assert (ask(attribution).verdict, ask(attribution).grade) == ("reproduced", "A")
    drifted = ask(changed)
    assert (drifted.verdict, drifted.grade) == ("drifted", "C")
    assert "the reasons or their order are others" in drifted.why


def test_a_margin_alone_is_graded_too(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    row, margin = model.schema.row(one), recorded(model, one).margin
    grades = [replay_margin(model.predictor, row, margin + off, 100).grade for off in (0, 100, 101)]
    assert grades == ["A", "B", "C"]

    class Gone:
        space = "log-odds"

        def margin(self, rows: Rows) -> NDArray[np.float64]:
            raise ArtefactRefused(f"{len(rows)} rows, and no model")

    gone = replay_margin(Gone(), row, margin, 100)
    assert (gone.verdict, gone.margin) == ("impossible", None)


def test_a_margin_that_is_no_number_cannot_be_replayed(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    row, attribution = model.schema.row(one), recorded(model, one)

    class Undefined:
        space = "log-odds"

        def margin(self, rows: Rows) -> NDArray[np.float64]:
            return np.full(len(rows), np.nan)

    alone = replay_margin(Undefined(), row, attribution.margin, 100)
    whole = run(Undefined(), model.attributor, row, attribution, tolerance=100)
    for found in (alone, whole):
        assert (found.verdict, found.margin) == ("impossible", None)
        assert "finite" in found.why


@pytest.mark.parametrize(("by", "verdict"), [(100, "reproduced"), (101, "drifted")])
def test_the_tolerance_is_the_line(
    model: Model, declined: list[Any], by: int, verdict: str
) -> None:
    one = declined[0]
    outcome = replayed(model, one, moved(recorded(model, one), "income", by))
    assert (outcome.verdict, outcome.exact) == (verdict, False)
    assert [(part.part, part.size) for part in outcome.differences] == [("income", by)]


def test_drift_says_where_largest_first(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    attribution = moved(moved(recorded(model, one), "late", 500), "income", -900)
    outcome = replayed(model, one, replace(attribution, base=attribution.base + 7))
    assert [(part.part, part.size) for part in outcome.differences] == [
        ("income", 900),
        ("late", 500),
        ("base", 7),
    ]
    assert "900 units" in outcome.why


def test_another_margin_is_drift(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    attribution = recorded(model, one)
    outcome = replayed(model, one, replace(attribution, residual=attribution.residual + 500))
    assert outcome.verdict == "drifted"
    assert outcome.margin is not None
    assert outcome.recorded_margin - outcome.margin == 500


def test_another_engine_or_another_feature_is_impossible(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    attribution = recorded(model, one)
    other = replayed(model, one, replace(attribution, engine="oracle"))
    assert (other.verdict, other.margin) == ("impossible", None)
    assert "oracle" in other.why
    fewer = replace(attribution, values=attribution.values[1:])
    assert replayed(model, one, fewer).verdict == "impossible"


class Moved:
    """A model that no longer scores what its engine explains."""

    space = "log-odds"

    def __init__(self, model: Model) -> None:
        self._model = model

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        return self._model.predictor.margin(rows) + 1.151

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        predictor: Any = self._model.predictor
        contributions: NDArray[np.float64] = predictor.contributions(rows)
        return contributions


def test_an_engine_that_no_longer_adds_up_is_impossible(model: Model, declined: list[Any]) -> None:
    one = declined[0]
    liar: Any = Moved(model)
    engine = OwnContributions("xgboost-contributions", liar, model.schema.names)
    outcome = run(liar, engine, model.schema.row(one), recorded(model, one), tolerance=100)
    assert outcome.verdict == "impossible"
    assert "miss the model's own margin" in outcome.why


def test_a_replay_is_plain_json(model: Model, declined: list[Any]) -> None:
    plain = replayed(model, declined[0], recorded(model, declined[0])).to_json()
    assert isinstance(plain, dict)
    assert plain["verdict"] == "reproduced"
    assert plain["differences"] == []
