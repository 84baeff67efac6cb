from tests.ledger.operate.fixtures import (
    _no_waiting_for_the_disk,
    bare,
    founded,
    ledger,
    premises,
)

__all__ = ["_no_waiting_for_the_disk", "bare", "founded", "ledger", "premises"]
