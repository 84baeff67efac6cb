"""What KServe's payload logger sends, sent by hand: `python -m examples.ways_in.kserve_events`.

In a cluster this is no program but a line of the InferenceService, `logger: {mode: all, url: …}`;
`events.json` says which model and policy stand behind its name.
"""

import time
import uuid

import httpx

from examples.ways_in import clinic
from ledger.verify.verifier import verify_receipt


def main() -> None:
    _, (row, *_), (margin, *_) = clinic.scored("biopsy-kserve", 1)
    asked = {"instances": [list(row.values())]}  # in the order of the model's features
    answered = {"predictions": [margin / 1e6]}
    event = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),  # the same for both
        "ce-source": "biopsy-kserve-predictor-5d8f",
        "ce-namespace": "default",
        "ce-inferenceservicename": "biopsy",
        "ce-component": "predictor",
        "ce-endpoint": "default",
        "Authorization": f"Bearer {(clinic.FOLDER / 'desk.key').read_text()}",
    }
    for half, body in (("request", asked), ("response", answered)):
        event["ce-type"] = f"org.kubeflow.serving.inference.{half}"
        event["ce-time"] = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}Z"
        taken = httpx.post(f"{clinic.URL}/v1/events", headers=event, json=body, timeout=60)
        print(half, taken.status_code, taken.text)
        taken.raise_for_status()
    (decision,) = taken.json()["decisions"]
    auditor = {"Authorization": f"Bearer {(clinic.FOLDER / 'auditor.key').read_text()}"}
    with httpx.Client(base_url=f"{clinic.URL}/v1/decisions", headers=auditor, timeout=60) as ledger:
        told = ledger.get(f"/{decision}").json()
        while told["attributions"]["computed"] == "pending":  # some seconds: see docs/operating.md
            time.sleep(0.2)
            told = ledger.get(f"/{decision}").json()
        print("attributions:", told["attributions"]["computed"])
        receipt = ledger.get(f"/{decision}/proof", headers={"Accept": "text/plain"}).text
    (clinic.FOLDER / f"{decision}.tlog-proof").write_text(receipt)
    verified = verify_receipt(receipt, clinic.policy())
    print(f"RESULT: fine: entry {verified.entry.seq} of the log is this decision")


if __name__ == "__main__":
    main()
