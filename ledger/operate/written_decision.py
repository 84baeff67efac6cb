"""A decision's canonical bytes: each value is written once, to be sealed and committed to.

Pure. What is committed to is `decision.section_members`, what is sealed `Decision.to_json`;
tests hold the bytes here to both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from ledger.canonical import encode, encode_each
from ledger.commitments import SECTIONS, commit_encoded, in_order
from ledger.entries import Decision as DecisionEntry
from ledger.operate.decision import Decision, section_members

__all__ = ["WrittenDecision"]

_ATTRIBUTIONS: Final = "attributions"
_VALUES: Final = "values."  # how the fields begin that are members of `attributions.values`


@dataclass(frozen=True, slots=True)
class _Section:
    """The names of a section's fields, in their order, and the bytes of each value."""

    name: str
    names: tuple[str, ...]
    values: tuple[bytes, ...]

    @classmethod
    def of(cls, decision: Decision, section: str) -> Self:
        members = section_members(decision, section)
        names = in_order(tuple(members))
        return cls(section, names, tuple(encode_each([members[name] for name in names])))

    def written(self) -> bytes:
        """The section as one JSON object, with the values of attributions in one of theirs."""
        head = _VALUES if self.name == _ATTRIBUTIONS else None
        labels, plain = _labels(self.names, head)
        pairs = [label + value for label, value in zip(labels, self.values, strict=True)]
        members = b",".join(pairs[:plain])
        if plain < len(pairs):  # `values` is behind every other member of attributions
            inner = b",".join(pairs[plain:])
            members += b',"values":{%b}' % inner
        return b"{%b}" % members


@dataclass(frozen=True, slots=True)
class WrittenDecision:
    """A decision and the bytes of its sections."""

    decision: Decision
    sections: Mapping[str, _Section]

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The decision, written.

        Raises:
            MalformedError: a value is not I-JSON.
        """
        return cls(decision, {name: _Section.of(decision, name) for name in SECTIONS})

    def payload(self) -> bytes:
        """What is sealed: the canonical JSON of the whole decision."""
        decision = self.decision
        source = {"id": decision.source.id, "seq": decision.source.seq}
        rest = (decision.id, decision.model, decision.policy, source, decision.subject)
        written = {name: section.written() for name, section in self.sections.items()}
        return (
            b'{"attributions":%b,"context":%b,"id":%b,"input":%b,"model":%b,"output":%b,'
            b'"policy":%b,"source":%b,"subject":%b}'
        ) % _placed(written, encode_each(rest))

    def body(self, key: bytes) -> DecisionEntry:
        """What the log says of it: digests, and commitments under the record's key."""
        commitments = {
            name: commit_encoded(key, name, section.names, section.values)
            for name, section in self.sections.items()
        }
        decision = self.decision
        return DecisionEntry(
            model=decision.model, policy=decision.policy, source=decision.source, **commitments
        )


def _placed(sections: Mapping[str, bytes], rest: list[bytes]) -> tuple[bytes, ...]:
    """The parts of a payload in the order of the members' names."""
    record_id, model, policy, source, subject = rest
    return (
        sections["attributions"], sections["context"], record_id, sections["input"], model,
        sections["output"], policy, source, subject,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _labels(names: tuple[str, ...], head: str | None) -> tuple[tuple[bytes, ...], int]:
    """What stands before each value, and how many names come before those with the head."""
    inner = [] if head is None else [name for name in names if name.startswith(head)]
    plain = len(names) - len(inner)
    bare = (*names[:plain], *(name.removeprefix(head or "") for name in inner))
    return tuple(encode(name) + b":" for name in bare), plain
