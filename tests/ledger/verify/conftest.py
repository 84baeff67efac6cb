"""Each liar's log is audited as a database and as a directory of tiles."""

from pathlib import Path

import pytest

from ledger.verify.audit_result import AuditResult
from tests.ledger.verify.audits import (
    Write,
    audited,
)
from tests.ledger.verify.tile_log import (
    Liar,
)


@pytest.fixture(params=["sqlite", "directory"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    def sqlite(liar: Liar) -> AuditResult:
        return audited(liar.sqlite(tmp_path / "ledger.db"))

    def directory(liar: Liar) -> AuditResult:
        return audited(liar.directory(tmp_path / "tiles"))

    return sqlite if request.param == "sqlite" else directory
