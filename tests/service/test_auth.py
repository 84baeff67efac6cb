import os
from datetime import UTC, datetime

import pytest

from ledger.errors import PushbackError
from ledger.operate.credentials import ApiKeys
from ledger.storage.database import open_database
from service.auth import bearer
from service.problems import Problem


def test_a_database_that_is_away_says_nothing_about_the_key() -> None:
    engine = open_database("postgresql://nobody@127.0.0.1:1/away")  # nobody listens there
    keys = ApiKeys(engine, lambda: datetime.now(UTC), os.urandom)
    with pytest.raises(PushbackError):
        bearer(f"Bearer dl_{'0' * 16}_{'A' * 43}", keys)
    with pytest.raises(Problem):  # what is no key at all is not looked for
        bearer("Bearer hunter2", keys)
    engine.dispose()
