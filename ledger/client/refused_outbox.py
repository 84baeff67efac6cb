"""Decisions that the ledger refused, sent once more after somebody has seen to the reason."""

from collections.abc import Sequence

from ledger.client.lanes import Lane
from ledger.client.outbox import Item, read_refusals
from ledger.client.spooled import Gap, Refusal
from ledger.private_files import sync_directory, write_synced

__all__ = ["RefusedOutbox"]


class RefusedOutbox:
    """An outbox over what is kept aside in a lane: each decision is tried once."""

    def __init__(self, lane: Lane) -> None:
        self.source = lane.source
        self._lane = lane
        self._tried: set[str] = set()
        self._batch: tuple[str, ...] = ()

    def batch(self, most: int, most_bytes: int) -> tuple[Item, ...]:
        """The oldest refused decisions that were not tried yet.

        Raises:
            LedgerError, OSError: what is there cannot be read.
        """
        items: list[Item] = []
        size = 0
        for refusal in read_refusals(self._lane.directory):
            decision = refusal.decision
            if decision.id in self._tried:
                continue
            size += len(decision.sealed)
            if len(items) == most or (items and size > most_bytes):
                break
            items.append(Item(decision, decision.body(self.source, self._lane.cipher)))
        self._batch = tuple(item.decision.id for item in items)
        return tuple(items)

    def settle(self, refusals: Sequence[Refusal]) -> None:
        """Forget those of the last batch that were recorded; keep the others as before.

        Raises:
            OSError: it could not be noted down, so all of them are kept.
        """
        again = {each.decision.id: each for each in refusals}
        left = [
            again.get(each.decision.id, each)
            for each in read_refusals(self._lane.directory)
            if each.decision.id not in self._batch or each.decision.id in again
        ]
        self._tried |= again.keys()
        path = self._lane.directory / "refused"
        if left:
            beside = path.with_suffix(".new")
            frames = [each.decision.refused(each.problem) for each in left]
            write_synced(beside, b"".join(frames))
            beside.replace(path)
        else:
            path.unlink(missing_ok=True)
        sync_directory(path.parent)

    def gaps(self) -> tuple[Gap, ...]:
        """None: those of refused decisions were declared when they were refused."""
        return ()

    def gaps_declared(self, declared: Sequence[Gap]) -> None:
        """There are none."""
