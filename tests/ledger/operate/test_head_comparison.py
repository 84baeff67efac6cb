"""What others hold of a log, held against the log: more, other, less, or nothing to be had."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ledger.errors import ForkSuspected, SignatureError
from ledger.operate.head_comparison import Heard, KnownHead, Tree, ask_witnesses, hold_against
from ledger.operate.witness_exchange import MAX_ANSWER_BYTES, Answer, NoAnswer
from ledger.operate.witness_state import origin_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy, Witness
from ledger.tlog.tile import Tile
from tests.ledger.operate.witnessed import NOON, ORIGIN, Leaves, new_keys


@dataclass
class Here:
    """A log of some of the leaves."""

    leaves: Leaves
    entries: int
    newest: str = ""

    @property
    def origin(self) -> str:
        return self.leaves.keys.origin

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        return self.leaves.keys.verifier_keys(lambda: NOON)

    def size(self) -> int:
        return self.entries

    def tile(self, tile: Tile) -> bytes:
        first = tile.index * 256
        return b"".join(self.leaves.node(8 * tile.level, first + at) for at in range(tile.width))

    def own_checkpoint(self) -> str:
        if not self.newest:  # ML-DSA signs otherwise each time
            self.newest = self.leaves.note(self.entries)
        return self.newest


@pytest.fixture(scope="module")
def here() -> Here:
    return Here(Leaves(new_keys(ORIGIN)), 7)


def forked(here: Here) -> Leaves:
    return Leaves(here.leaves.keys, "false")


def head(here: Here, note: str) -> KnownHead:
    return KnownHead.read("an auditor", note, here.keys)


@pytest.mark.parametrize("size", [0, 1, 4, 6, 7])
def test_what_the_log_contains_is_no_fork(here: Here, size: int) -> None:
    hold_against(head(here, here.leaves.note(size)), here)


def test_more_than_the_log_has_is_a_fork_with_its_evidence(here: Here) -> None:
    note = here.leaves.note(9)
    with pytest.raises(ForkSuspected, match="there are 7 here: 2 missing") as raised:
        hold_against(head(here, note), here)
    assert (raised.value.size, raised.value.origin) == (9, ORIGIN)
    assert raised.value.notes == (note, here.own_checkpoint())


@pytest.mark.parametrize("size", [1, 6, 7])
def test_another_root_is_a_fork(here: Here, size: int) -> None:
    with pytest.raises(ForkSuspected, match=f"not the first {size} here: two histories"):
        hold_against(head(here, forked(here).note(size)), here)


def test_a_head_of_another_log_or_key_is_none(here: Here) -> None:
    with pytest.raises(SignatureError):
        head(here, Leaves(new_keys(ORIGIN)).note(3))
    text = here.leaves.text(3).replace(ORIGIN, "other.example/log", 1)
    from ledger.tlog.note import sign_note

    with pytest.raises(SignatureError):
        head(here, sign_note(text, here.leaves.keys.signers(lambda: NOON)[:1]))


def heard(here: Tree, keys: Sequence[VerifierKey], *answers: Answer | Exception) -> list[Heard]:
    """What becomes of one witness for each of these answers."""
    given = {}
    listed = []
    for at, answer in enumerate(answers):
        url = f"https://w{at}.example/x/"
        key = new_keys(f"w{at}.example").cosigners(1)[0].verifier_key
        listed.append(Witness(f"w{at}", key, url))
        given[f"https://w{at}.example/x/{origin_hash(ORIGIN)}/checkpoint"] = answer

    def fetch(url: str) -> Answer:
        answer = given[url]
        if isinstance(answer, Exception):
            raise answer
        return answer

    policy = Policy((), tuple(listed))
    return list(ask_witnesses([(here, keys)], policy, fetch=fetch))


def shown(note: str) -> Answer:
    return Answer(200, "text/plain", note.encode())


def test_every_witness_is_looked_at_whatever_the_others_do(here: Here) -> None:
    found = heard(
        here,
        here.keys,
        shown(here.leaves.note(5)),
        NoAnswer("it cannot be reached"),
        Answer(404, "text/plain", b"nothing"),
        shown(here.leaves.note(9)),
        Answer(500, "text/plain", b""),
        Answer(200, "text/plain", b"x" * (MAX_ANSWER_BYTES + 1)),
        Answer(200, "text/plain", b"\xff"),
        shown("noise"),
        shown(Leaves(new_keys(ORIGIN)).note(99)),
        shown(forked(here).note(5)),
    )
    assert [each.head.checkpoint.size if each.head else None for each in found] == [
        5, None, None, 9, None, None, None, None, None, 5,
    ]  # fmt: skip
    assert [each.fork is not None for each in found] == [False] * 3 + [True] + [False] * 5 + [True]
    troubles = [each.trouble for each in found]
    assert troubles[1:3] == ["it cannot be reached", "it shows no checkpoint of this log"]
    assert troubles[4] == "it answered with status 500"
    assert troubles[6] == "its answer is not text"
    assert all(troubles[at] for at in (5, 7, 8))  # what it says is not signed by this log
    assert not any(troubles[at] for at in (0, 3, 9))


def test_without_witnesses_nobody_is_asked(here: Here) -> None:
    assert heard(here, here.keys) == []
