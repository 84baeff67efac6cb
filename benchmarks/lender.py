"""The demo's lender: a real model of 120 trees, 15 features, and its decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from examples.demo import applications, training
from examples.demo.clock import office_hours
from examples.demo.loan_desk import LoanDesk

ROOT = Path(__file__).parents[1]


@cache
def data() -> applications.Applications:
    return applications.read()


@cache
def trained() -> training.TrainedModel:
    return training.train(data(), ROOT, "benchmarks")


@cache
def decisions() -> tuple[dict[str, Any], ...]:
    """Return the bodies of 1,100 decisions, ready for POST /v1/decisions but for an id."""
    now = datetime.now(UTC).replace(microsecond=0)
    then = now - timedelta(days=30)
    name = f"{training.MODEL}@{training.VERSION}"
    desk = LoanDesk(trained().model, name, f"{training.POLICY}@{training.VERSION}")
    moments = office_hours(then, now, len(data().held_out))
    days = desk.days(data().held_out, moments)
    return tuple(chain.from_iterable(day.decisions for day in days))
