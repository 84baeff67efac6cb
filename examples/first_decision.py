"""From nothing to the first logged decision: train, register, record, explain, verify.

Is a cell sample benign? XGBoost, on scikit-learn's breast cancer data. Run it with `python -m
examples.first_decision`: it writes ./first-decision, prints its commands, serves on PORT (8000).
"""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import xgboost
from sklearn.datasets import load_breast_cancer

from explain.artifacts import open_model

FOLDER = Path("first-decision")
MEASURED = ("radius", "texture", "smoothness", "concavity", "symmetry")
SETTINGS = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
CUT_OFF = 2_197_225  # log-odds in millionths: a chance of 90 %
POLICY = {
    "name": "biopsy-cut-off",
    "version": "1.0.0",
    "cut_off": {"space": "log-odds", "scale": 6, "margin": CUT_OFF},
    "outcomes": {"pass": "routine", "fail": "referred"},
    "points": {"offset": 100, "per_log_odds": "10"},  # how scores read; decides nothing
    "reason_codes": {name.upper(): {"en": f"Cell nuclei: {name}"} for name in MEASURED},
    "regimes": ["gdpr"],  # whose rights a letter states
}


def describe(files: dict[str, bytes], rows: int) -> dict[str, Any]:
    """Return the manifest, no more than explaining needs (docs/formats.md, section 6)."""
    formats = {"model": "xgboost-json", "background": "json-rows"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    feature = {"type": "number", "bounds": [0, None], "missing": "refused", "protected": False}
    feature |= {"decimals": 3, "source": "laboratory", "mutability": "any"}
    return {
        "name": "biopsy-triage",
        "version": "1.0.0",
        "kind": "gradient-boosted trees",
        "artefacts": {
            name: {"sha256": digests[name], "format": formats[name], "bytes": len(content)}
            for name, content in files.items()
        },
        # Whom a case is compared with: `population` stands in the explanation.
        "background": {"population": "the samples of the training data", "rows": rows}
        | {"sha256": digests["background"]},
        "explainer": {"engine": "leaf-tables", "space": "log-odds", "scale": 6, "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "benign"},
        "features": [
            feature | {"name": name, "label": {"en": f"Mean {name}"}, "reason": name.upper()}
            for name in MEASURED
        ],
    }


def run(module: str, *arguments: str) -> str:
    """Run `python -m module` and return what it printed; decision-ledger is service.cli."""
    print("$", {"service.cli": "decision-ledger"}.get(module, f"python -m {module}"), *arguments)
    return subprocess.check_output([sys.executable, "-m", module, *arguments], text=True)


def main() -> None:
    """Take every step once."""
    FOLDER.mkdir()  # nothing is overwritten: a ledger is made once
    os.environ["LEDGER_DATA"] = f"{FOLDER}/ledger"
    data = load_breast_cancer(as_frame=True)
    table = data.data[[f"mean {name}" for name in MEASURED]].set_axis(MEASURED, axis=1)
    case, *training = table.to_dict("records")  # the first sample is the case to decide
    booster = xgboost.train(SETTINGS, xgboost.DMatrix(table[1:].to_numpy(), data.target[1:]), 40)
    files = {"model": bytes(booster.save_raw("json")), "background": json.dumps(training).encode()}
    manifest = describe(files, len(training))
    texts = {"manifest": json.dumps(manifest).encode(), "policy": json.dumps(POLICY).encode()}
    for name, content in (files | texts).items():
        (FOLDER / f"{name}.json").write_bytes(content)

    run("service.cli", "init", "--origin", "ledger.example/clinic")
    artefacts = [f"--artefact={name}={FOLDER}/{name}.json" for name in files]
    run("service.cli", "model", "register", f"{FOLDER}/manifest.json", *artefacts)
    run("service.cli", "policy", "register", f"{FOLDER}/policy.json")
    key = run("service.cli", "key", "issue", "--name", "triage", "--role", "source").strip()

    # Wherever your model predicts: open it as the ledger does, and take its output apart.
    model = open_model(manifest, files)
    (attribution,) = model.attributor.attribute(model.schema.row(case)[None, :])
    outcome = {"outcome": "routine" if attribution.margin >= CUT_OFF else "referred"}
    decision = {
        "model": "biopsy-triage@1.0.0",
        "policy": "biopsy-cut-off@1.0.0",
        "source": {"id": "triage", "seq": 1},  # one more with every prediction
        "subject": "SAMPLE-1",
        "input": case,
        "output": {"margin": attribution.margin, "scale": 6, "space": "log-odds"} | outcome,
        "attributions": attribution.to_json(),
        "context": {"decided_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        | {"decision_role": "advisory"},  # a person decides, seeing the score: letters say so
    }
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/v1/decisions"
    patient = httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60)  # while it starts
    server = subprocess.Popen([sys.executable, "-m", "service.cli", "serve"])
    try:
        answer = patient.post(url, json=decision, headers={"Authorization": f"Bearer {key}"})
    finally:
        server.terminate()
        server.wait()
    answer.raise_for_status()  # answer.text says which member breaks which rule
    receipt = FOLDER / "receipt.tlog-proof"
    receipt.write_text(answer.json()["receipt"])
    print(receipt.read_text(), run("service.cli", "explain", answer.json()["id"]), sep="\n")
    print(run("ledger.verify", f"{receipt}", f"--policy={FOLDER}/ledger/policy.txt"))


if __name__ == "__main__":
    main()
