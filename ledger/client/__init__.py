"""The producer of decisions: records without waiting, loses none, and keeps the receipts.

`docs/client.md` is the way in. Light to import: HTTP is loaded by the worker, and what stands
around a model or an application is no more than the standard library.
"""

from ledger.client.acceptance import Ticket
from ledger.client.asgi import AsgiRequests
from ledger.client.client import Client
from ledger.client.counters import Counters, State
from ledger.client.mlflow_models import logged_pyfunc
from ledger.client.occasion import occasion
from ledger.client.predictions import CutOff, Stated
from ledger.client.segments import SpoolFull
from ledger.client.totals import StatedTotal
from ledger.client.watching import logged, watch
from ledger.client.wsgi import WsgiRequests

__all__ = [
    "AsgiRequests",
    "Client",
    "Counters",
    "CutOff",
    "SpoolFull",
    "State",
    "Stated",
    "StatedTotal",
    "Ticket",
    "WsgiRequests",
    "logged",
    "logged_pyfunc",
    "occasion",
    "watch",
]
