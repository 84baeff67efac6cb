"""From nothing to the first logged decision: train, register, record, explain, verify.

`python -m examples.first_decision` writes ./first-decision, and serves it on PORT (8000).
"""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import xgboost
from sklearn.datasets import load_breast_cancer

from explain.artifacts import open_model
from service.cli import main as decision_ledger

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
        "background": {"sha256": digests["background"], "population": "all samples", "rows": rows},
        "explainer": {"engine": "leaf-tables", "space": "log-odds", "scale": 6, "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "benign"},
        "features": [
            feature | {"name": name, "label": {"en": f"Mean {name}"}, "reason": name.upper()}
            for name in MEASURED
        ],
    }


def ledger(*arguments: str) -> str:
    """Give one command to the ledger, as at a terminal, and return what it printed."""
    print("$ decision-ledger", *arguments)
    with redirect_stdout(StringIO()) as said:
        decision_ledger.main(arguments, standalone_mode=False)
    return said.getvalue()


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
    ledger("init", "--origin", "ledger.example/clinic")
    artefacts = [f"--artefact={name}={FOLDER}/{name}.json" for name in files]
    ledger("model", "register", f"{FOLDER}/manifest.json", *artefacts)
    ledger("policy", "register", f"{FOLDER}/policy.json")
    key = ledger("key", "issue", "--name", "triage", "--role", "source").strip()
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
    with subprocess.Popen([sys.executable, "-m", "service.cli", "serve"]) as server:
        try:
            answer = patient.post(url, json=decision, headers={"Authorization": f"Bearer {key}"})
        finally:
            server.terminate()
    answer.raise_for_status()  # answer.text says which member breaks which rule
    (FOLDER / "receipt.tlog-proof").write_text(answer.json()["receipt"])
    print(answer.json()["receipt"])
    print(ledger("explain", answer.json()["id"]))
    print(ledger("verify", f"{FOLDER}/receipt.tlog-proof", f"--policy={FOLDER}/ledger/policy.txt"))


if __name__ == "__main__":
    main()
