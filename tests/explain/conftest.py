"""One small lender for all tests: 400 made-up applications, 40 trees, a policy."""

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from explain.artifacts import open_model
from explain.model import Model
from explain.predictor import FeatureSchema

Input = dict[str, Any]


def _feature(name: str, label: str, kind: str, **members: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": {"en": label},
        "type": kind,
        "unit": "none",
        "mutability": "any",
        "missing": "refused",
        "protected": False,
        "reason": name.upper(),
    } | members


FEATURES = [
    _feature(
        "loan_to_value",
        "Loan as a share of the price",
        "number",
        unit="percent",
        bounds=[0, 200],
        mutability="decrease",
        adverse_when="higher",
        phrase={"en": "the loan is {value} of the purchase price"},
    ),
    _feature(
        "income",
        "Yearly income",
        "number",
        unit="USD_thousands",
        bounds=[0, 1000],
        mutability="increase",
        missing="allowed",
    ),
    _feature("late", "Late payments", "integer", unit="count", bounds=[0, 9], group="history"),
    _feature("bankrupt", "Bankruptcy on file", "boolean", mutability="fixed", group="history"),
    _feature(
        "job",
        "Kind of work",
        "category",
        categories=["employed", "retired", "self_employed"],
        values={"self_employed": {"en": "self-employed"}},
    ),
]


@pytest.fixture(scope="session")
def applications() -> list[Input]:
    chance = np.random.default_rng(7)
    jobs = ("employed", "retired", "self_employed")
    return [
        {
            "loan_to_value": round(float(chance.uniform(30, 110)), 1),
            "income": None if chance.random() < 0.1 else round(float(chance.uniform(20, 150)), 1),
            "late": int(chance.integers(0, 5)),
            "bankrupt": bool(chance.random() < 0.2),
            "job": jobs[int(chance.integers(0, 3))],
        }
        for _ in range(400)
    ]


@pytest.fixture(scope="session")
def schema() -> FeatureSchema:
    return FeatureSchema.from_manifest({"features": FEATURES})


@pytest.fixture(scope="session")
def booster(applications: list[Input], schema: FeatureSchema) -> Any:
    def approved(one: Input) -> bool:
        points = 90 - one["loan_to_value"] + (one["income"] or 50) / 3 - 12 * one["late"]
        return bool(points - 40 * one["bankrupt"] + 10 * (one["job"] == "employed") > 0)

    rows = np.stack([schema.row(one) for one in applications])
    return xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "nthread": 1, "seed": 1},
        xgboost.DMatrix(rows, np.array([approved(one) for one in applications])),
        40,
    )


@pytest.fixture(scope="session")
def model_json(booster: Any) -> bytes:
    return bytes(booster.save_raw("json"))


@pytest.fixture(scope="session")
def model_ubj(booster: Any) -> bytes:
    return bytes(booster.save_raw("ubj"))


@pytest.fixture(scope="session")
def artefacts(model_json: bytes, applications: list[Input]) -> dict[str, bytes]:
    return {"model": model_json, "background": json.dumps(applications[:200]).encode()}


@pytest.fixture(scope="session")
def bare_manifest(artefacts: dict[str, bytes]) -> dict[str, Any]:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in artefacts.items()}
    return {
        "name": "mortgage-approval",
        "version": "1.0.0",
        "artefacts": {
            "model": {"sha256": digests["model"], "format": "xgboost-json"},
            "background": {"sha256": digests["background"], "format": "json-rows"},
        },
        "background": {"population": "all 200 applicants of the training period"},
        "explainer": {"engine": "leaf-tables", "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "approved"},
        "features": FEATURES,
        "golden_rows": [],
    }


@pytest.fixture(scope="session")
def model(bare_manifest: dict[str, Any], artefacts: dict[str, bytes]) -> Model:
    return open_model(bare_manifest, artefacts)


@pytest.fixture(scope="session")
def manifest(
    bare_manifest: dict[str, Any], model: Model, applications: list[Input]
) -> dict[str, Any]:
    golden = []
    for one in applications[:8]:
        (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
        golden.append(
            {"input": one, "margin": attribution.margin, "values": dict(attribution.values)}
        )
    return bare_manifest | {"golden_rows": golden}


@pytest.fixture(scope="session")
def policy() -> dict[str, Any]:
    texts = {
        "LOAN_TO_VALUE": "Loan amount is high for the price of the home",
        "INCOME": "Income is low",
        "LATE": "Payments were late",
        "BANKRUPT": "A bankruptcy is on file",
        "JOB": "Kind of work",
    }
    return {
        "cut_off": {"space": "log-odds", "scale": 6, "margin": 500_000},
        "outcomes": {"pass": "approved", "fail": "declined"},
        "points": {"offset": 600, "per_log_odds": "28.85"},
        "reason_codes": {code: {"en": text} for code, text in texts.items()},
    }


@pytest.fixture(scope="session")
def declined(model: Model, applications: list[Input]) -> list[Input]:
    """Applications below the policy's limit, from outside the reference group."""
    rest = applications[200:]
    margins = model.predictor.margin(np.stack([model.schema.row(one) for one in rest]))
    return [one for one, margin in zip(rest, margins, strict=True) if margin < 0.5]


# Fitted models: three numbers for each applicant, and whether they paid.


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    columns = {name: chance.normal(size=240) for name in ("income", "debt", "age")}
    return pd.DataFrame(columns) * [40, 1, 10] + [60, 0, 40]


@pytest.fixture(scope="session")
def good(table: pd.DataFrame) -> Any:
    noise = np.random.default_rng(4).normal(size=len(table))
    return (table["income"] / 40 - table["debt"] + noise > 1.5).to_numpy().astype(int)


@pytest.fixture(scope="session")
def coded(table: pd.DataFrame) -> pd.DataFrame:
    jobs = np.array(["employed", "retired", "trainee"])[np.arange(len(table)) % 3]
    return table.assign(job=jobs, income=table["income"].where(table.index != 5))
