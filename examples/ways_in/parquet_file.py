"""A data team's Parquet file is imported by a mapping: `python -m examples.ways_in.parquet_file`.

The columns are called as the team calls them; the mapping says which is what.
"""

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from examples.ways_in import clinic
from ledger.client.__main__ import main as ledger_client
from ledger.entries import UUID7_RANDOM_BYTES, uuid7

MAPPING = {
    "policy": clinic.POLICY,
    "id": "uuid",  # may be left out: then it follows from the file and the row
    "subject": "sample_no",
    "decided_at": "scored_at",
    "margin": "raw_score",
    "outcome": "route",
    "input": {name: f"mean_{name}" for name in clinic.MEASURED},
    "constants": {"decision_role": "advisory"},
}


def main() -> None:
    version, rows, margins = clinic.scored("biopsy-parquet", 50)
    file, spool = clinic.FOLDER / "scored.parquet", clinic.FOLDER / "spools" / "parquet"
    ids = [uuid7(time.time_ns() // 1_000_000, os.urandom(UUID7_RANDOM_BYTES)) for _ in rows]
    columns: dict[str, Any] = {
        f"mean_{name}": [row[name] for row in rows] for name in clinic.MEASURED
    }
    columns |= {"uuid": ids, "sample_no": list(range(1, len(rows) + 1))}
    columns |= {"scored_at": [datetime(2026, 5, 14, 9, 31, tzinfo=UTC)] * len(rows)}
    columns |= {"raw_score": [margin / 1e6 for margin in margins]}
    columns |= {"route": [clinic.outcome(margin) for margin in margins]}
    parquet.write_table(pa.table(columns), file, row_group_size=20)
    mapping = clinic.FOLDER / "mapping.json"
    mapping.write_text(json.dumps({"model": version, **MAPPING}, indent=1))
    command = ["import", str(spool), str(file), "--source", "parquet", "--mapping", str(mapping)]
    command += ["--url", clinic.URL, "--key-file", f"{clinic.FOLDER}/desk.key"]
    command += ["--policy", f"{clinic.FOLDER}/ledger/policy.txt"]
    for how in (["--dry-run"], []):
        print("$ python -m ledger.client", *command, *how)
        if ledger_client([*command, *how]):
            raise SystemExit(1)
    with clinic.client("parquet") as client:
        clinic.prove(client, ids[-1])


if __name__ == "__main__":
    main()
