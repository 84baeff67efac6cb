"""Removing what a crash left in the vault: keys of records that never reached the log.

The vault commits before the log. If the process dies between the two, keys and index
rows stand there for a record that does not exist. Nobody was answered, so nothing is
lost by removing them.
"""

from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault


def sweep(log: Sequencer, vault: Vault) -> int:
    """Settle every record of the log and discard the rest; return how many were discarded."""
    with log.turn():  # no writer is between its two commits while we look
        unsettled = vault.unsettled(log.origin)
        places = log.locate(unsettled)
        vault.settle(places)
        orphans = set(unsettled) - places.keys()
        vault.discard(log.origin, orphans)
    return len(orphans)


def settle(log: Sequencer, vault: Vault) -> None:
    """Settle every record that is in the log; discard nothing, wait for nobody."""
    vault.settle(log.locate(vault.unsettled(log.origin)))
