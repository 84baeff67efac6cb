"""Which keys a log says may sign it, and from which entry on.

The first entry names keys, and each `log_key_rotated` entry names those that follow. An
entry is only what the log says of itself: whether to believe it is decided by who signed
the checkpoints over it (`ledger.verify.heads`). Pure.
"""

from dataclasses import dataclass, replace

from ledger.entries import LogCreated, LogKeyRotated
from ledger.errors import MalformedError
from ledger.tlog.note import ED25519, MLDSA44_COSIGNATURE, VerifierKey
from ledger.tlog.policy import Policy
from ledger.verify.findings import Code, Findings

__all__ = ["MAX_ROTATIONS", "KeptKeys", "KeyHistory", "Rotation"]

MAX_ROTATIONS = 256  # that are followed: one a month for twenty years; each names 8 keys at most
_KINDS = (ED25519, MLDSA44_COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Rotation:
    """An entry that puts other keys in force.

    Attributes:
        index: the entry.
        old: the keys before it.
        new: the keys from it on.
        vouched: True if a checkpoint over it was seen that all old and new keys signed.
        followed: True if the policy names none of the new keys, and they are believed
            because keys that it does name lead to them.
    """

    index: int
    old: tuple[VerifierKey, ...]
    new: tuple[VerifierKey, ...]
    vouched: bool = False
    followed: bool = False


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """The keys of a log that an audit found to be fine.

    Attributes:
        first: those that the first entry names.
        rotations: each change of them, with what was known of it.
    """

    first: tuple[VerifierKey, ...]
    rotations: tuple[Rotation, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no log without findings has."""
        if not self.first or len(self.rotations) > MAX_ROTATIONS:
            raise MalformedError("what was kept of keys names none, or too many")
        before, index = self.first, 0
        for each in self.rotations:
            if each.index <= index or each.old != before or not each.new:
                raise MalformedError("what was kept of keys does not follow one from the other")
            before, index = each.new, each.index


class KeyHistory:
    """The keys of one log while it is being read.

    Attributes:
        in_force: the keys that the entries so far put in force; () if that is not known.
        since: the entry that did.
        rotations: the rotations so far, as they were read.
    """

    def __init__(self, origin: str, policy: Policy, findings: Findings) -> None:
        """The history of the log `origin`, of whose keys the policy names some."""
        self._origin = origin
        self._findings = findings
        keys = frozenset(log.key for log in policy.logs)
        self._policy = keys
        self._named = frozenset(key for key in keys if key.name == origin)
        self._told: set[VerifierKey] = set()  # every key that an entry named
        self._trusted: set[VerifierKey] = set()  # those that the policy's keys lead to
        self._open: list[int] = []  # positions of the rotations nobody is known to vouch for
        self._sure = 0  # how many rotations are under a checkpoint that is believed
        self._broken = False  # a rotation does not follow from what was before
        self._first: tuple[VerifierKey, ...] = ()
        self._kept = 0  # how many rotations an earlier audit left
        self._resumed = False
        self.in_force: tuple[VerifierKey, ...] = ()
        self.since = 0
        self.rotations: list[Rotation] = []

    @property
    def candidates(self) -> frozenset[VerifierKey]:
        """Every key whose signature is looked at: the policy's, and those that entries name."""
        return self._policy | self._told

    def created(self, body: LogCreated) -> None:
        """Take the first entry."""
        keys = self._read(body.vkeys)
        if keys is None:
            self._findings.add(Code.GENESIS_WRONG, 0, "it names a key that cannot be the log's")
            return
        self.in_force = self._first = keys
        self._told |= set(keys)

    def resume(self, kept: KeptKeys) -> None:
        """Go on after what an earlier audit found.

        No key is believed because of it: only keys of the policy are, until entries that are
        read here put others in force.
        """
        self._resumed = True
        self._first = self.in_force = kept.first
        self.rotations = list(kept.rotations)
        self._kept = len(self.rotations)
        self._told = {*kept.first, *(key for each in kept.rotations for key in each.new)}
        self._open = [at for at, each in enumerate(self.rotations) if not each.vouched]
        if self.rotations:
            self.in_force, self.since = self.rotations[-1].new, self.rotations[-1].index

    def kept(self) -> KeptKeys:
        """What the next audit may go on from; only of a log without findings."""
        return KeptKeys(self._first, self.finish())

    def rotated(self, body: LogKeyRotated, index: int) -> None:
        """Take an entry that puts other keys in force."""
        old, new = self._read(body.old_vkeys), self._read(body.new_vkeys)
        wrong = self._wrong(old, new)
        if wrong:
            self._broken = True
            self._findings.add(Code.ROTATION_WRONG, index, wrong)
        if old is None or new is None or len(self.rotations) == MAX_ROTATIONS:
            self.in_force = ()  # nobody can tell any more
            return
        if not wrong:
            self._open.append(len(self.rotations))
        self.rotations.append(Rotation(index, old, new))
        self.in_force, self.since = new, index
        self._told |= {*old, *new}

    def retired(self, signed: frozenset[VerifierKey], size: int, *, fits: bool) -> Rotation | None:
        """The rotation that took the keys of a checkpoint's signatures out of force, if one did.

        What the entries say counts if the checkpoint fits them, or one that is believed did.
        """
        if fits and signed & set(self.in_force):
            return None
        among = self.rotations if fits else self.rotations[: self._sure]
        among = [each for each in among if each.index < size]
        if not signed or not among:
            return None
        out = {key for each in among for key in each.old} - set(among[-1].new)
        if not signed <= out:
            return None
        return next(each for each in reversed(among) if signed & set(each.old))

    def lacks(self, signed: frozenset[VerifierKey]) -> bool:
        """Whether a key is missing of those that a rotation put in force: all have to sign."""
        return bool(self.rotations) and not signed >= set(self.in_force)

    def believes(self, signed: frozenset[VerifierKey]) -> bool:
        """Whether one of these keys is the policy's, or one that its keys lead to."""
        return bool(signed & (self._named | self._trusted))

    def says(self, signed: frozenset[VerifierKey]) -> bool:
        """Whether the entries themselves name these keys as those in force, all of them."""
        return bool(self.in_force) and signed >= set(self.in_force)

    def covered(self, size: int, signed: frozenset[VerifierKey], *, first: bool) -> None:
        """Judge the rotations under a checkpoint that fits the entries.

        With `first`, none before it is over a rotation that was not judged yet.
        """
        left = []
        for at in self._open:
            rotation = self.rotations[at]
            if signed >= {*rotation.old, *rotation.new}:
                self.rotations[at] = replace(rotation, vouched=True)
            elif first or size == rotation.index + 1:
                detail = (
                    f"the first checkpoint over it, of size {size}, is not signed by all of"
                    " the old and all of the new keys"
                )
                self._findings.add(Code.ROTATION_WRONG, rotation.index, detail)
            else:
                left.append(at)
        self._open = left

    def believe(self) -> None:
        """Believe the keys in force: one that is believed signed the entries that name them."""
        self._sure = len(self.rotations)
        if not self._broken and (not self._resumed or len(self.rotations) > self._kept):
            self._trusted |= set(self.in_force)

    def finish(self) -> tuple[Rotation, ...]:
        """The rotations, each with what was found out about it."""
        if self._first and not self._told & self._named:
            self._findings.add(Code.GENESIS_WRONG, 0, "it names no key that the policy trusts")
        return tuple(
            replace(
                each,
                followed=each.followed
                or (self._trusted >= set(each.new) and not self._named & set(each.new)),
            )
            for each in self.rotations
        )

    def _wrong(
        self, old: tuple[VerifierKey, ...] | None, new: tuple[VerifierKey, ...] | None
    ) -> str:
        if old is None or new is None:
            return "it names a key that cannot be the log's"
        if len(self.rotations) == MAX_ROTATIONS:
            return f"more than {MAX_ROTATIONS} rotations of keys are not followed"
        if self.in_force and set(old) != set(self.in_force):
            return "its old keys are not those that were in force"
        if set(new) & (self._told - set(self.in_force)):
            return "it puts a retired key in force again"
        return "it changes no key" if set(old) == set(new) else ""

    def _read(self, vkeys: tuple[str, ...]) -> tuple[VerifierKey, ...] | None:
        """The keys, None if one of them cannot sign this log's checkpoints."""
        try:
            keys = tuple(map(VerifierKey.parse, vkeys))
        except MalformedError:
            return None
        fit = all(key.name == self._origin and key.kind in _KINDS for key in keys)
        return keys if fit else None
