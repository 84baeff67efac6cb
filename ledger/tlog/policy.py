"""Trust policies: which logs and how many witnesses a relying party accepts.

Format: c2sp.org/tlog-policy. A policy reaches its user by a way of its own, never from
the server that is being checked.
"""

from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint, parse_decimal
from ledger.tlog.cosignature import Opened, open_note
from ledger.tlog.note import ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, VerifierKey

__all__ = ["MAX_POLICY_LENGTH", "Group", "Log", "Policy", "Witness"]

MAX_POLICY_LENGTH: Final = 1_000_000  # characters; 32 logs and 32 witnesses take 130,000
MAX_LINES: Final = 4_096  # comments included
MAX_NAMES: Final = 256  # logs, witnesses and groups; the specification asks for 32 of each
_NONE: Final = "none"
_LOG_KINDS: Final = (ED25519, MLDSA44_COSIGNATURE)
_WITNESS_KINDS: Final = (ED25519_COSIGNATURE, MLDSA44_COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted, by one of its keys; `url` may be empty."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness, under a name that means something in this policy only."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """`threshold` of its members, which are witnesses or groups defined before it."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses, groups and the quorum, in the order of the file."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = _NONE

    def __post_init__(self) -> None:
        """Refuse duplicates, names that are not defined, and keys of the wrong kind."""
        words = [each.name for each in self.witnesses] + [each.name for each in self.groups]
        urls = [each.url for each in self.logs] + [each.url for each in self.witnesses]
        if not all(map(_is_word, [*words, *filter(None, urls)])):
            raise MalformedError("policy: a name or an address is empty or has blanks in it")
        if len(self.logs) + len(self.witnesses) + len(self.groups) > MAX_NAMES:
            raise MalformedError("policy: too many logs, witnesses and groups")
        _check_keys([log.key for log in self.logs], _LOG_KINDS)
        _check_keys([witness.key for witness in self.witnesses], _WITNESS_KINDS)
        names = {witness.name for witness in self.witnesses}
        if len(names) != len(self.witnesses):
            raise MalformedError("policy: two witnesses of one name")
        used: set[str] = set()
        for group in self.groups:
            _check_group(group, names, used)
            names.add(group.name)
            used.update(group.members)
        if _NONE in names or (self.quorum != _NONE and self.quorum not in names):
            raise MalformedError("policy: the quorum is not a witness or group of this policy")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the policy of a file. Comments, blank lines and extra blanks are allowed.

        Raises:
            MalformedError: not a tlog-policy.
        """
        lines = text.split("\n")
        if len(text) > MAX_POLICY_LENGTH or len(lines) > MAX_LINES:
            raise MalformedError("policy: too long")
        if lines[-1] or any(_is_control(each) for each in text):  # the last line ends too
            raise MalformedError("policy: not lines of plain text, each with its end")
        reading = _Reading([], [], [], [], {_NONE})
        for line in lines:
            words = [word for word in line.replace("\t", " ").split(" ") if word]
            if words and not words[0].startswith("#"):
                reading.take(words)
        if len(reading.quorums) != 1:
            raise MalformedError("policy: not exactly one quorum line")
        return cls(
            tuple(reading.logs),
            tuple(reading.witnesses),
            tuple(reading.groups),
            reading.quorums[0],
        )

    def format(self) -> str:
        """Return the policy as a file without comments."""
        lines = [
            *(("log", log.key.vkey(), log.url) for log in self.logs),
            *(("witness", each.name, each.key.vkey(), each.url) for each in self.witnesses),
            *(("group", each.name, str(each.threshold), *each.members) for each in self.groups),
            ("quorum", self.quorum),
        ]
        # An address may be absent; no other word is empty.
        return "".join(" ".join(filter(None, words)) + "\n" for words in lines)

    @property
    def needs_witnesses(self) -> bool:
        """Whether a log's own signature is not enough."""
        return self.quorum != _NONE

    def check(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note that this policy accepts.

        Every signature of a known key must verify, one of them by a log whose key name is
        the checkpoint's origin, and the witnesses must reach the quorum.

        Raises:
            MalformedError: not a signed checkpoint.
            SignatureError: not accepted.
        """
        keys = [log.key for log in self.logs] + [each.key for each in self.witnesses]
        opened = open_note(note, keys)
        checkpoint = Checkpoint.parse(opened.text)
        signed = {each.key for each in opened.signatures}
        if not any(log.key in signed and log.key.name == checkpoint.origin for log in self.logs):
            raise SignatureError("checkpoint: not signed by a log of this policy")
        self.check_quorum(opened)
        return checkpoint

    def check_quorum(self, opened: Opened) -> None:
        """Return if the witnesses that signed a note reach the quorum, whoever else signed it.

        Raises:
            SignatureError: they do not.
        """
        if not self._reached(self.quorum, opened):
            raise SignatureError("checkpoint: too few witnesses of this policy cosigned it")

    def _reached(self, name: str, opened: Opened) -> bool:
        if name == _NONE:
            return True
        signed = {each.key for each in opened.signatures}
        reached = {each.name for each in self.witnesses if each.key in signed}
        for group in self.groups:  # each after its members: one pass is enough
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return name in reached


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the lines so far have defined."""

    logs: list[Log]
    witnesses: list[Witness]
    groups: list[Group]
    quorums: list[str]
    defined: set[str]

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self.logs.append(Log(VerifierKey.parse(vkey), "".join(url)))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self.witnesses.append(Witness(name, VerifierKey.parse(vkey), "".join(url)))
                self.defined.add(name)
            case ["group", name, threshold, first, *rest]:
                members = (first, *rest)
                self._check_defined(members)
                self.groups.append(Group(name, _threshold(threshold, len(members)), members))
                self.defined.add(name)
            case ["quorum", name]:
                self._check_defined((name,))
                self.quorums.append(name)
            case _:
                raise MalformedError("policy: a line is not log, witness, group or quorum")

    def _check_defined(self, names: tuple[str, ...]) -> None:
        if not self.defined.issuperset(names):
            raise MalformedError("policy: a name is used before it is defined")


def _threshold(text: str, members: int) -> int:
    if text in ("all", "any"):
        return members if text == "all" else 1
    number = parse_decimal(text)
    if number > members:
        raise MalformedError("policy: a group's threshold exceeds its members")
    return number


def _check_keys(keys: list[VerifierKey], kinds: tuple[int, ...]) -> None:
    if len({key.public_key for key in keys}) != len(keys):
        raise MalformedError("policy: one public key twice")
    if any(key.kind not in kinds for key in keys):
        raise MalformedError("policy: a key of a type that its role does not use")


def _check_group(group: Group, names: set[str], used: set[str]) -> None:
    if group.name in names:
        raise MalformedError("policy: a name is defined twice")
    if not 1 <= group.threshold <= len(group.members):
        raise MalformedError("policy: a group's threshold exceeds its members")
    if len(set(group.members)) != len(group.members) or used & set(group.members):
        raise MalformedError("policy: a name is a member twice")
    if not names.issuperset(group.members):
        raise MalformedError("policy: a group's member is not defined before it")


def _is_word(text: str) -> bool:
    return bool(text) and not any(each in " \t\n" or _is_control(each) for each in text)


def _is_control(character: str) -> bool:
    return (character < " " and character not in "\n\t") or character == "\x7f"
