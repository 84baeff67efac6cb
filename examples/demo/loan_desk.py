"""The loan desk: the program that makes predictions and sends each one to the ledger."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from examples.demo.applications import Application
from examples.demo.training import CUT_OFF
from explain.attribution import Attribution
from explain.model import Model

SOURCE = "loan-desk"


@dataclass(frozen=True, slots=True)
class Day:
    """One working day's decisions, sent together after the last of them."""

    closing: datetime
    decisions: tuple[dict[str, Any], ...]
    applications: tuple[Application, ...]


class LoanDesk:
    """Scores applications with the model and records every one of them."""

    def __init__(self, model: Model, model_reference: str, policy_reference: str) -> None:
        self._model = model
        self._model_reference = model_reference
        self._policy_reference = policy_reference
        self.recorded = 0
        self.declined: list[tuple[datetime, Application, Attribution]] = []
        self.largest_residual = 0
        self._groups: list[tuple[str, str, str]] = []

    def days(
        self, applications: Sequence[Application], moments: Sequence[datetime]
    ) -> Iterator[Day]:
        """Yield the days: all rows are scored and explained at once, which gives the same bits."""
        rows = np.vstack([self._model.schema.row(each.input) for each in applications])
        attributions = self._model.attributor.attribute(rows)
        decided = list(zip(moments, applications, attributions, strict=True))
        counter = iter(range(1, len(decided) + 1))
        for _, group in groupby(decided, key=lambda each: each[0].date()):
            today = list(group)
            yield Day(
                closing=today[-1][0] + timedelta(minutes=1),
                decisions=tuple(
                    self._decision(moment, application, attribution, next(counter))
                    for moment, application, attribution in today
                ),
                applications=tuple(application for _, application, _ in today),
            )

    def send(self, client: httpx.Client, day: Day) -> None:
        """Record the day's decisions.

        Raises:
            httpx.HTTPStatusError, RuntimeError: the ledger did not take one of them.
        """
        answer = client.post("/v1/decisions", json={"decisions": day.decisions})
        answer.raise_for_status()
        results = answer.json()["results"]
        for result, application in zip(results, day.applications, strict=True):
            if result["status"] != "recorded":
                raise RuntimeError(f"the ledger refused a decision: {result}")
            self._groups.append((result["id"], application.race, application.sex))
        self.recorded += len(results)

    def write_groups(self, folder: Path) -> Path:
        """Write the groups for the fairness table to a file that is not part of the ledger."""
        path = folder / "groups-kept-apart.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("decision", "race", "sex"))
            writer.writerows(self._groups)
        return path

    def _decision(
        self,
        moment: datetime,
        application: Application,
        attribution: Attribution,
        counter: int,
    ) -> dict[str, Any]:
        outcome = "approved" if attribution.margin >= CUT_OFF else "declined"
        if outcome == "declined":
            self.declined.append((moment, application, attribution))
        self.largest_residual = max(self.largest_residual, abs(attribution.residual))
        return {
            "model": self._model_reference,
            "policy": self._policy_reference,
            "source": {"id": SOURCE, "seq": counter},
            "subject": application.number,
            "input": application.input,
            "output": {
                "margin": attribution.margin,
                "scale": attribution.scale,
                "space": attribution.space,
                "outcome": outcome,
            },
            "attributions": attribution.to_json(),
            "context": {
                "decided_at": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "decision_role": "sole",
                "channel": "branch",
            },
        }
