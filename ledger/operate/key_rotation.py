"""Rotating a log's keys: the entry that puts new ones in force, signed over by old and new.

The steps, each of which a crash may part from the next:

1. the new keys are made beside the old ones; nothing is different yet;
2. the entry is appended, under a checkpoint that old and new keys sign — from here on the
   new keys are in force, and the old ones sign beside them;
3. the trust policy is published anew, by whoever calls this;
4. some day the old keys are retired, and the new ones sign alone.

Each step done again finds what was done, and goes on from there.
"""

from ledger.entries import LogKeyRotated
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_service import RemoteKey
from ledger.operate.sequencer import Draft, Sequencer

__all__ = ["rotate"]


def rotate(
    log: Sequencer, ring: KeyRing, entry_id: str, *, ed25519: RemoteKey | None = None
) -> str:
    """Put new keys in force, unless a rotation is under way; return a checkpoint of the overlap.

    Args:
        log: the log, which signs with `ring`.
        ring: its keys.
        entry_id: id of the entry, if it has to be appended.
        ed25519: a key of a service to use in place of a new one.

    Raises:
        ConflictError: a rotation to another key is under way.
        PushbackError: the database or the key service does not answer. Do it again.
        StoppedError: the log may not be written, or a signature was wrong.
    """
    with log.turn():
        note = log.own_checkpoint()
        if not ring.overlaps(note):
            ring.make_next(ed25519)
            body = LogKeyRotated(
                old_vkeys=tuple(key.vkey() for key in ring.old_keys()),
                new_vkeys=tuple(key.vkey() for key in ring.new_keys()),
            )
            log.append([Draft.of(entry_id, body)])
            note = log.own_checkpoint()
        elif ed25519 is not None:
            ring.make_next(ed25519)  # says so if another key is being rotated to
        return note
