"""The producer of decisions: records without waiting, loses none, and keeps the receipts.

`docs/client.md` is the way in. Light to import: HTTP is loaded by the worker.
"""

from ledger.client.acceptance import Ticket
from ledger.client.client import Client
from ledger.client.counters import Counters, State
from ledger.client.segments import SpoolFull
from ledger.client.totals import StatedTotal

__all__ = ["Client", "Counters", "SpoolFull", "State", "StatedTotal", "Ticket"]
