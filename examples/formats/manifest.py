"""What a manifest of each format has in common: digests, features, golden rows."""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.artifacts import open_model
from explain.attribution import to_units

NAMES = ("income", "debt", "years")
POINTS = 40
GOLDEN = 8  # rows whose answers are compared whenever the file is opened

Table = NDArray[np.float64]


def applicants() -> Table:
    """Return made-up people, in numbers that 32 bits hold: every library compares the same."""
    made = np.random.default_rng(7).uniform((20, 0, 0), (150, 60, 30), (200, len(NAMES)))
    return made.astype(np.float32).astype(np.float64)


def repaid(rows: Table) -> NDArray[np.int64]:
    """Return whether they repaid: what the models learn."""
    return (rows[:, 0] - 1.5 * rows[:, 1] + rows[:, 2] > POINTS).astype(np.int64)


def manifest_of(
    model: bytes, model_format: str, space: str = "log-odds", engine: str = "none"
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the files of a version; the golden rows are asked of its file.

    With the engine `none` it is for scoring only, and has no contributions.
    """
    rows = applicants()
    inputs = [dict(zip(NAMES, row, strict=True)) for row in rows.tolist()]
    files = {"model": model, "background": json.dumps(inputs).encode()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    feature = {"type": "number", "mutability": "any", "missing": "refused", "protected": False}
    manifest: dict[str, Any] = {
        "name": model_format,
        "version": "1.0.0",
        "artefacts": {
            "model": {"sha256": digests["model"], "format": model_format, "bytes": len(model)},
            "background": {"sha256": digests["background"], "format": "json-rows"},
        },
        "background": {"sha256": digests["background"], "population": "all", "rows": len(rows)},
        "explainer": {"engine": engine, "space": space, "scale": 6, "tolerance": 10},
        "output": {"space": space, "favourable": "higher", "target": "repaid"},
        "features": [feature | {"name": name, "label": {"en": name}} for name in NAMES],
    }
    manifest["golden_rows"] = golden_rows(manifest, files, inputs[:GOLDEN])
    return manifest, files


def golden_rows(
    manifest: dict[str, Any], files: dict[str, bytes], inputs: list[dict[str, float]]
) -> list[dict[str, Any]]:
    """Return what the file and its engine answer for these rows today."""
    model = open_model(manifest, files)
    rows = np.stack([model.schema.row(one) for one in inputs])
    margins = map(to_units, model.predictor.margin(rows).tolist())
    golden: list[dict[str, Any]] = [
        {"input": one, "margin": margin} for one, margin in zip(inputs, margins, strict=True)
    ]
    if manifest["explainer"]["engine"] != "none":
        for one, told in zip(golden, model.attributor.attribute(rows), strict=True):
            one["values"] = dict(told.values)
    return golden
