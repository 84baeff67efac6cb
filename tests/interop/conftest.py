"""Programs of other people, built where their tools are."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ledger.operate.fixtures import _no_waiting_for_the_disk, bare, premises

__all__ = ["_no_waiting_for_the_disk", "bare", "premises", "sumdb"]

SOURCE = Path(__file__).parent / "sumdb"
BUILD_SECONDS = 150  # the first build on a machine compiles the standard library too


@pytest.fixture(scope="session")
def sumdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program of `sumdb/`, compiled; skips where there is no Go or not its module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is absent: the independent check on golang.org/x/mod was not made")
    environ = os.environ | {"GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [go, *arguments],
            cwd=SOURCE,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )

    had = run("mod", "download")
    if had.returncode:
        reason = had.stderr.strip().splitlines()[-1:]
        pytest.skip(f"golang.org/x/mod cannot be had, the independent check was not made: {reason}")
    program = tmp_path_factory.mktemp("sumdb") / "sumdb"
    built = run("build", "-buildvcs=false", "-o", str(program), ".")
    assert built.returncode == 0, built.stderr  # a program that no longer compiles is a failure
    return program
