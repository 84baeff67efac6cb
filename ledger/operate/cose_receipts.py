"""COSE receipts of one log (RFC 9942), made when somebody asks for one.

A second kind of signature by the key of the checkpoints, so it must never say more than they
do: what is signed is only ever the root of the checkpoint in the lock, and only after that
checkpoint's own signature by this very key was verified. Whoever can write to the lock, the
database or the cosigned file, and has no key, gets nothing signed.
"""

from collections.abc import Callable

from ledger.errors import NotFoundError, SignatureError, StoppedError
from ledger.operate.sequencer import Sequencer
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import (
    ConsistencyProof,
    CoseReceipt,
    CoseSigner,
    InclusionProof,
    sign_root,
)
from ledger.tlog.cosignature import open_note


class CoseReceipts:
    """Makes the COSE receipts of one log; safe to use from many threads."""

    def __init__(self, log: Sequencer, signer_of: Callable[[str], CoseSigner]) -> None:
        """Receipts of a log; `signer_of` a checkpoint's note is what holds the key to sign with."""
        self._log = log
        self._signer_of = signer_of

    def of_entry(self, entry_id: str) -> CoseReceipt:
        """The proof that the entry is in the log, with the entry's bytes in it.

        Raises:
            NotFoundError: it is not in the log, or it is the only entry (RFC 9942 has no
                empty path).
            StoppedError: the log has stopped, or its newest checkpoint is not its own.
            VerificationError: what is stored does not prove it: raise the alarm.
        """
        receipt = self._log.bare_receipt(entry_id)
        signer, checkpoint = self._signed(receipt.checkpoint_note)
        if not receipt.proof:
            raise NotFoundError("COSE receipt: a log of one entry has none")
        proof = InclusionProof(checkpoint.size, receipt.index, receipt.proof)
        return sign_root(checkpoint, proof, signer, receipt.entry)

    def of_growth(self, older: Checkpoint) -> CoseReceipt:
        """The proof that the newest checkpoint grew out of an older one.

        Raises:
            NotFoundError: the older one is empty, or as long as the newest: nothing grew.
            InconsistencyError: the older one is not of this log's history.
            StoppedError: the log has stopped, or its newest checkpoint is not its own.
        """
        signer, checkpoint = self._signed(self._log.own_checkpoint())
        if older.origin != checkpoint.origin or not 0 < older.size < checkpoint.size:
            raise NotFoundError("COSE receipt: there is no growth of this log to prove")
        path = self._log.growth(older.size, checkpoint)
        receipt = sign_root(checkpoint, ConsistencyProof(older.size, checkpoint.size, path), signer)
        receipt.root(older.root_hash)  # theirs may be another history than ours
        return receipt

    def _signed(self, note: str) -> tuple[CoseSigner, Checkpoint]:
        """What signs, and the checkpoint of the note, which the same key has signed already."""
        self._log.check_running()
        signer = self._signer_of(note)
        try:
            opened = open_note(note, [signer.verifier_key])
        except SignatureError as error:
            raise StoppedError("log: its newest checkpoint is not signed by its key") from error
        return signer, Checkpoint.parse(opened.text)
