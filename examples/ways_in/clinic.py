"""The clinic that all these programs work for: its samples, its policy, its ledger.

Registering is the ledger's business, not that of whoever predicts: here it stands apart, and
each program is left with what it adds.
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from sklearn.datasets import load_breast_cancer

from ledger.client import Client, CutOff
from ledger.tlog.policy import Policy
from ledger.verify.verifier import verify_receipt

FOLDER = Path("ways-in")
URL = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
MEASURED = ("radius", "texture", "smoothness", "concavity", "symmetry")
POLICY = "biopsy-cut-off@1.0.0"
POLICY_MANIFEST: dict[str, Any] = {
    "name": "biopsy-cut-off",
    "version": "1.0.0",
    "cut_off": {"space": "log-odds", "scale": 6, "margin": 2_197_225},  # a chance of 90 %
    "outcomes": {"pass": "routine", "fail": "referred"},
    "points": {"offset": 100, "per_log_odds": "10"},
    "reason_codes": {name.upper(): {"en": f"Cell nuclei: {name}"} for name in MEASURED},
    "regimes": ["gdpr"],
}
OUTCOME = CutOff.of(POLICY_MANIFEST)
EVENTS = {  # LEDGER_EVENTS: which model and policy stand behind a model server
    "services": {
        "default/biopsy": {
            "model": "biopsy-kserve@1.0.0",
            "policy": POLICY,
            "source": "kserve.biopsy",
            "context": {"decision_role": "advisory"},
        }
    }
}


def samples() -> tuple[pd.DataFrame, "pd.Series[int]"]:
    """What was measured of each sample, and whether it was benign."""
    data = load_breast_cancer(as_frame=True)
    table = data.data[[f"mean {name}" for name in MEASURED]].set_axis(MEASURED, axis=1)
    return table, data.target


def register(name: str, engine: str, files: dict[str, tuple[str, bytes]]) -> str:
    """Register a model version with its files, each with its format; return its reference."""
    feature = {"type": "number", "bounds": [None, None], "missing": "refused", "protected": False}
    feature |= {"decimals": 3, "source": "laboratory", "mutability": "any"}
    rows = json.dumps(samples()[0][1:].to_dict("records")).encode()
    files = files | {"background": ("json-rows", rows)}
    digests = {each: hashlib.sha256(data).hexdigest() for each, (_, data) in files.items()}
    manifest = {
        "name": name,
        "version": "1.0.0",
        "artefacts": {
            each: {"sha256": digests[each], "format": form, "bytes": len(data)}
            for each, (form, data) in files.items()
        },
        "background": {"sha256": digests["background"], "population": "all samples", "rows": 568},
        "explainer": {"engine": engine, "space": "log-odds", "scale": 6, "tolerance": 100},
        "output": {"space": "log-odds", "favourable": "higher", "target": "benign"},
        "features": [
            feature | {"name": each, "label": {"en": f"Mean {each}"}, "reason": each.upper()}
            for each in MEASURED
        ],
    }
    artefacts = {each: base64.b64encode(data).decode() for each, (_, data) in files.items()}
    httpx.post(
        f"{URL}/v1/models",
        json={"manifest": manifest, "artefacts": artefacts},
        headers={"Authorization": f"Bearer {(FOLDER / 'owner.key').read_text()}"},
        timeout=60,
    ).raise_for_status()
    return f"{name}@1.0.0"


def scored(name: str, count: int) -> tuple[str, list[dict[str, float]], list[int]]:
    """A registered model's reference, and rows with the margins that it gave them.

    It stands for whatever scores elsewhere: a batch job, a model server.
    """
    import xgboost

    table, benign = samples()
    classifier = xgboost.XGBClassifier(n_estimators=40, max_depth=3, n_jobs=1)
    classifier.fit(table[count:], benign[count:])
    files = {"model": ("xgboost-json", bytes(classifier.get_booster().save_raw("json")))}
    version = register(name, "xgboost-contributions", files)
    margins = classifier.predict(table[:count], output_margin=True)
    rows = [
        {str(key): float(value) for key, value in row.items()}
        for row in table[:count].to_dict("records")
    ]
    return version, rows, [round(float(margin) * 10**6) for margin in margins]


def outcome(margin: int) -> str:
    """What the policy makes of a margin."""
    return OUTCOME.passed if margin >= OUTCOME.margin else OUTCOME.failed


def policy() -> Policy:
    """Whose signatures count. In production it comes from a place of its own."""
    return Policy.parse((FOLDER / "ledger" / "policy.txt").read_text())


def client(source: str, **choices: Any) -> Client:
    """The client of one system that predicts."""
    spool = FOLDER / "spools" / source
    return Client(URL, FOLDER / "desk.key", source=source, spool=spool, policy=policy(), **choices)


def prove(client: Client, decision: str) -> None:
    """Wait until the ledger has the decision, and check its receipt as anyone would."""
    if not client.flush(60):
        raise SystemExit(f"not delivered: {client.counters().reason}")
    receipt = client.receipt(decision)
    path = FOLDER / f"{decision}.tlog-proof"
    path.write_text(receipt)
    verified = verify_receipt(receipt, policy())
    print(f"RESULT: fine: entry {verified.entry.seq} of the log is this decision")
    print(f"$ python -m ledger.verify {path} --policy {FOLDER}/ledger/policy.txt")
