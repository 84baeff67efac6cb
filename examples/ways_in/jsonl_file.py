"""A batch job's file of JSON lines is imported: `python -m examples.ways_in.jsonl_file`.

Each line is a decision as the interface takes it, but for `source`: the import counts.
"""

import json
import os
import time

from examples.ways_in import clinic
from ledger.client.__main__ import main as ledger_client
from ledger.entries import UUID7_RANDOM_BYTES, uuid7


def main() -> None:
    version, rows, margins = clinic.scored("biopsy-jsonl", 50)
    file, spool = clinic.FOLDER / "decisions.jsonl", clinic.FOLDER / "spools" / "jsonl"
    ids = [uuid7(time.time_ns() // 1_000_000, os.urandom(UUID7_RANDOM_BYTES)) for _ in rows]
    with file.open("w") as lines:
        for number, (name, row, margin) in enumerate(zip(ids, rows, margins, strict=True), 1):
            decision = {
                "id": name,  # may be left out: then it follows from the file and the line
                "model": version,
                "policy": clinic.POLICY,
                "subject": f"SAMPLE-{number}",
                "input": row,
                "output": {
                    "margin": margin,
                    "scale": 6,
                    "space": "log-odds",
                    "outcome": clinic.outcome(margin),
                },
                "context": {"decided_at": "2026-05-14T09:31:07Z", "decision_role": "advisory"},
            }
            lines.write(json.dumps(decision) + "\n")
    command = ["import", str(spool), str(file), "--source", "jsonl", "--url", clinic.URL]
    command += ["--key-file", f"{clinic.FOLDER}/desk.key"]
    command += ["--policy", f"{clinic.FOLDER}/ledger/policy.txt"]
    for _ in range(2):  # the second time there is nothing left to do
        print("$ python -m ledger.client", *command)
        if ledger_client(command):
            raise SystemExit(1)
    with clinic.client("jsonl") as client:
        clinic.prove(client, ids[-1])


if __name__ == "__main__":
    main()
