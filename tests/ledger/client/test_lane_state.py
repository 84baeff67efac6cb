"""The state of a lane survives a crash in the middle of writing it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.client.frames import FrameKind, encode_frame
from ledger.client.lane_state import SLOT_BYTES, LaneState, StateFile
from ledger.client.spooled import Gap
from ledger.errors import MalformedError

STATE = LaneState(birth=("b0071d", "17 1234567890123456789"), until=1_024)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_what_was_changed_is_read_back(path: Path) -> None:
    file = StateFile.create(path, STATE)
    for seq in range(5):
        file.change(seq=seq, segment=1, offset=99, skipped=Gap(7, 9, "spool_full"))
    file.sync()
    file.close()
    again = StateFile.open(path)
    expected = replace(STATE, seq=4, segment=1, offset=99, skipped=Gap(7, 9, "spool_full"))
    assert again.state == StateFile.look(path) == expected
    again.change(closed=True)
    assert StateFile.look(path).closed
    again.close()
    with pytest.raises(OSError, match="descriptor"):
        again.change(seq=5)
    assert again.state.seq == 4


def test_a_slot_torn_at_any_byte_leaves_the_state_before(path: Path) -> None:
    file = StateFile.create(path, STATE)
    file.change(seq=1)
    whole = bytearray(path.read_bytes())
    file.change(seq=2)
    newer = path.read_bytes()
    file.close()
    (slot,) = [at for at in (0, SLOT_BYTES) if newer[at : at + 40] != whole[at : at + 40]]
    length = len(newer[slot : slot + SLOT_BYTES].rstrip(b"\0"))
    for cut in range(length):
        torn = bytearray(whole)
        torn[slot : slot + cut] = newer[slot : slot + cut]
        path.write_bytes(torn)
        assert StateFile.look(path).seq in (1, 2)


def test_a_file_without_a_whole_slot_is_refused(path: Path) -> None:
    for content in [b"", bytes(1024), b"x" * 1024]:
        path.write_bytes(content)
        with pytest.raises(MalformedError):
            StateFile.open(path)


def test_another_version_is_refused() -> None:
    document = canonical.decode(STATE.format(1).rstrip(b"\0")[13:], max_bytes=SLOT_BYTES)
    assert isinstance(document, dict)
    for changed in [
        document | {"v": 2},
        document | {"until": "x"},
        {"v": 1},
        [],
        document | {"x": 1},
    ]:
        slot = encode_frame(FrameKind.STATE, canonical.encode(changed)).ljust(SLOT_BYTES, b"\0")
        with pytest.raises(MalformedError):
            LaneState.parse(slot)
    with pytest.raises(MalformedError):
        LaneState.parse(encode_frame(FrameKind.DECISION, b"{}"))


def test_a_state_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MalformedError):
        replace(STATE, birth=("x" * 600, "")).format(1)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_state_or_refused(data: bytes) -> None:
    slot = encode_frame(FrameKind.STATE, data) if len(data) % 2 else data
    try:
        generation, state = LaneState.parse(slot)
    except MalformedError:
        return
    assert state.format(generation) == slot
