"""Whatever is sent, in whatever order: what a witness cosigned is one history, and it only grows."""

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConflictError, MalformedError, VerificationError
from ledger.operate.witness import Witness
from ledger.operate.witness_state import WitnessState
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import tree_root
from tests.ledger.operate.witnessed import NOON, ORIGIN, Leaves, new_keys

LOG = new_keys(ORIGIN)
WITNESS = new_keys("authority.example/w1")
HISTORIES = ("true", "false")
MAX_ENTRIES = 9


@cache
def request(history: str, old: int, size: int) -> bytes:
    return Leaves(LOG, history).request(old, size)


SENT = st.tuples(
    st.sampled_from(HISTORIES), st.integers(0, MAX_ENTRIES), st.integers(0, MAX_ENTRIES)
).filter(lambda sent: sent[1] <= sent[2])


@settings(max_examples=60)
@given(st.lists(SENT, min_size=2, max_size=12))
def test_only_one_growing_history_is_cosigned(sent: list[tuple[str, int, int]]) -> None:
    cosigned: list[tuple[str, int]] = []
    with tempfile.TemporaryDirectory() as directory:
        for history, old, size in sent:
            # Taken up anew each time: nothing but its files carries over.
            witness = Witness(
                WITNESS, Leaves(LOG).logs, WitnessState(Path(directory)), lambda: NOON
            )
            try:
                witness.add_checkpoint(request(history, old, size))
            except (ConflictError, VerificationError, MalformedError):
                continue
            cosigned.append((history, size))
            (seen,) = witness.seen()
            root = tree_root(size, Leaves(LOG, history).node)
            assert seen.checkpoint == Checkpoint(ORIGIN, size, root)
    sizes = [size for _, size in cosigned]
    assert sizes == sorted(sizes)
    assert len({history for history, size in cosigned if size}) <= 1
