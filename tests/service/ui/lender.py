"""A small lender with a real ledger: one model of 12 trees, one policy, some decisions."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from flask import Flask

from explain.artifacts import open_model
from ledger.entries import SourceCounter
from ledger.operate.decisions import Decision
from ledger.roles import Role
from service.assembly import assemble
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings

START = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)
COUNT = 31  # more than one page of a list
SUBJECT = "MTG-000123"
MISSING = 7  # a counter that the source never sent

Values = dict[str, Any]


def _feature(name: str, label: Values, kind: str, reason: str, **members: Any) -> Values:
    return {
        "name": name,
        "label": label,
        "type": kind,
        "unit": "none",
        "mutability": "any",
        "missing": "refused",
        "protected": False,
        "source": "application form",
        "reason": reason,
    } | members


FEATURES = [
    _feature(
        "loan_to_value",
        {"en": "Loan as a share of the price", "de": "Anteil des Darlehens am Preis"},
        "number", "LTV",
        unit="percent", bounds=[0, 200], mutability="decrease",
    ),
    _feature("late", {"en": "Late payments", "de": "Verspätete Zahlungen"}, "integer", "LATE",
             unit="count", bounds=[0, 9]),
    _feature("bankrupt", {"en": "Bankruptcy on file", "de": "Vermerkte Insolvenz"}, "boolean",
             "BANKRUPT", mutability="fixed"),
]  # fmt: skip
POLICY: Values = {
    "name": "mortgage-cutoff",
    "version": "1.0.0",
    "cut_off": {"space": "log-odds", "scale": 6, "margin": 0},
    "outcomes": {"pass": "approved", "fail": "declined"},
    "points": {"offset": 600, "per_log_odds": "28.85"},
    "rules": [],
    "reason_codes": {
        "LTV": {"en": "The loan is a large share of the price",
                "de": "Das Darlehen ist ein großer Teil des Preises"},
        "LATE": {"en": "Payments were late", "de": "Zahlungen kamen verspätet"},
        "BANKRUPT": {"en": "A bankruptcy is on file", "de": "Eine Insolvenz ist vermerkt"},
    },
    "retention_class": "credit",
    "regimes": ["gdpr_15"],
}  # fmt: skip


class Lender:
    """A founded ledger in `directory`, with keys by role and a clock that the test moves."""

    def __init__(self, directory: Path, settings: Settings | None = None) -> None:
        self.now = START
        self.settings = settings or Settings(data=directory, origin="ledger.example/demo")
        found(self.settings, self.clock)
        self.runtime = Runtime.open(self.settings, self.clock)
        self.keys = {
            role: self.runtime.api_keys.issue(f"One {role.value}", role)[0] for role in Role
        }
        self.ids: list[str] = []
        self._counter = 0

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def app(self) -> Flask:
        return assemble(self.runtime)

    def record(self, count: int) -> None:
        """Register the model and the policy, and record decisions some days apart."""
        rows = _applicants(max(count, 40))
        manifest, artefacts = _model(rows)
        model = self.runtime.registry.register_model(manifest, artefacts)
        policy = self.runtime.registry.register_policy(POLICY)
        opened = open_model(model.manifest, artefacts)
        for row in rows[:count]:
            self.now += timedelta(days=2, minutes=7)
            self._counter += 2 if self._counter == MISSING - 1 else 1
            (attribution,) = opened.attributor.attribute(opened.schema.row(row)[None, :])
            passed = attribution.margin >= 0
            decision = Decision(
                id=self.runtime.decisions.new_id(),
                model=model.digest,
                policy=policy.digest,
                source=SourceCounter("loan-desk", self._counter),
                subject=SUBJECT if len(self.ids) % 10 == 3 else f"MTG-1{len(self.ids):05d}",
                input=row,
                output={"margin": attribution.margin, "scale": 6, "space": "log-odds",
                        "outcome": "approved" if passed else "declined"},
                attributions=attribution.to_json(),
                context={"decided_at": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "decision_role": "sole"},
            )  # fmt: skip
            self.runtime.decisions.record([decision])
            self.ids.append(decision.id)


def _applicants(count: int) -> list[Values]:
    chance = np.random.default_rng(11)
    return [
        {
            "loan_to_value": round(float(chance.uniform(30, 110)), 1),
            "late": int(chance.integers(0, 5)),
            "bankrupt": bool(chance.random() < 0.3),
        }
        for _ in range(count)
    ]


def _model(rows: list[Values]) -> tuple[Values, dict[str, bytes]]:
    table = np.array([[float(row[f["name"]]) for f in FEATURES] for row in rows], np.float32)
    good = [95 - r["loan_to_value"] - 8 * r["late"] - 30 * r["bankrupt"] > 0 for r in rows]
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "nthread": 1, "seed": 1},
        xgboost.DMatrix(table, np.array(good)),
        12,
    )
    files = {"model": bytes(booster.save_raw("json")), "background": json.dumps(rows).encode()}
    digest: Callable[[str], str] = lambda name: hashlib.sha256(files[name]).hexdigest()  # noqa: E731
    manifest: Values = {
        "name": "mortgage-approval",
        "version": "1.0.0",
        "kind": "gradient-boosted trees",
        "artefacts": {
            "model": {"sha256": digest("model"), "format": "xgboost-json"},
            "background": {"sha256": digest("background"), "format": "json-rows"},
        },
        "background": {"population": "all applicants of the training period"},
        "explainer": {"engine": "leaf-tables", "space": "log-odds", "scale": 6, "tolerance": 100,
                      "versions": {"xgboost": xgboost.__version__}},
        "output": {"space": "log-odds", "favourable": "higher", "target": "approved"},
        "features": FEATURES,
        "golden_rows": [],
        "purpose": "Decide on mortgage applications",
        "owner": "Credit risk",
    }  # fmt: skip
    opened = open_model(manifest, files)
    for row in rows[:8]:
        (attribution,) = opened.attributor.attribute(opened.schema.row(row)[None, :])
        values = dict(attribution.values)
        golden = {"input": row, "margin": attribution.margin, "values": values}
        manifest["golden_rows"].append(golden)
    return manifest, files
