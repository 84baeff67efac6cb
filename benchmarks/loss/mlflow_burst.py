from __future__ import annotations

from pathlib import Path

from benchmarks.loss.burst import Outcome


def show(python: Path, folder: Path, count: int, ours: Outcome) -> None:
    raise NotImplementedError
