"""Explaining: our engines against the booster's own call and against shap's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from benchmarks import lender
from benchmarks.measuring import (
    Measured,
    at_least,
    at_most,
    percentile,
    rate_ratios,
    time_ratios,
    timed,
)
from examples.demo.training import CUT_OFF
from explain.boosters import XGBoostPredictor
from explain.contributions import OwnContributions
from explain.counterfactual import Limit, search
from explain.model import Model
from explain.predictor import Rows
from explain.shapley import ShapTrees
from explain.trees import parse
from ledger.canonical import encode

BATCH = 10_000
DECLINED = 40  # applications for which another outcome is searched
PREDICTIONS = 100


def measure() -> Iterator[Measured]:
    model = lender.trained().model
    predictor = XGBoostPredictor(lender.trained().artefacts["model"])
    rows = np.stack([model.schema.row(each.input) for each in lender.data().held_out])
    yield Measured("explain_single", at_most(1.5), _single(model, predictor, rows[:1]))
    yield Measured("explain_vs_native", at_least(0.9), _batch(model, predictor, rows))
    yield Measured("reasons_vs_shap", at_most(0.05), _reasons(model, predictor, rows[:1]))
    yield Measured("counterfactual", at_most(1), _counterfactuals(model, rows))


def _single(model: Model, predictor: XGBoostPredictor, row: Rows) -> tuple[float, ...]:
    """One row attributed, held to the model's margin and encoded, against one native call."""

    def ours() -> bytes:
        (attribution,) = model.attributor.attribute(row)
        return encode(attribution.to_json())

    return _warm(time_ratios, ours, lambda: predictor.contributions(row), times=50, runs=9)


def _batch(model: Model, predictor: XGBoostPredictor, rows: Rows) -> tuple[float, ...]:
    """The same numbers, but held to the margin and exact to the unit, in one call of 10,000."""
    many = np.tile(rows, (BATCH // len(rows) + 1, 1))[:BATCH]
    engine = OwnContributions("xgboost-contributions", predictor, model.schema.names)
    return _warm(
        rate_ratios,
        lambda: engine.attribute(many),
        lambda: predictor.contributions(many),
        times=1,
        runs=9,
    )


def _reasons(model: Model, predictor: XGBoostPredictor, row: Rows) -> tuple[float, ...]:
    """One row against the whole reference group of 889."""
    theirs = ShapTrees(
        predictor.booster,
        parse(lender.trained().artefacts["model"], binary=False).forest(),
        predictor,
        model.background,
        model.schema.names,
    )
    return _warm(
        time_ratios,
        lambda: model.attributor.attribute(row),
        lambda: theirs.attribute(row),
        times=5,
        runs=7,
    )


def _counterfactuals(model: Model, rows: Rows) -> tuple[float, ...]:
    """The slowest twentieth of searches, against 100 predictions of one row."""
    limit = Limit(CUT_OFF, 1)
    declined = rows[~limit.passed(model.predictor.margin(rows))][:DECLINED]

    def searches() -> Iterable[Callable[[], object]]:
        return [
            partial(search, model.schema, model.predictor, row, model.background, limit)
            for row in declined
        ]

    one = rows[:1]
    predictions = timed(lambda: model.predictor.margin(one), PREDICTIONS)
    return time_ratios(percentile(0.95, searches), predictions, 11)


def _warm(
    ratios: Callable[..., tuple[float, ...]],
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    times: int,
    runs: int,
) -> tuple[float, ...]:
    """Compare after each was called once: engines build their tables on the first call."""
    ours()
    theirs()
    return ratios(timed(ours, times), timed(theirs, times), runs)
