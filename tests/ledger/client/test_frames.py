"""Frames: what was written is read back, and nothing that was cut or changed passes for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.client import frames
from ledger.client.frames import Damage, Frame, FrameKind, encode_frame, frame_at, read_frames
from ledger.errors import MalformedError

KINDS = st.sampled_from(FrameKind)
CONTENT = st.lists(st.tuples(KINDS, st.binary(max_size=40)), max_size=6)


def written(content: list[tuple[FrameKind, bytes]]) -> bytes:
    return b"".join(encode_frame(kind, payload) for kind, payload in content)


@given(CONTENT)
def test_frames_are_read_back_in_order(content: list[tuple[FrameKind, bytes]]) -> None:
    found = list(read_frames(written(content)))
    assert [(f.kind, f.payload) for f in found if isinstance(f, Frame)] == content
    assert len(found) == len(content)


@given(st.binary(max_size=200), st.integers(-2, 210))
def test_any_bytes_are_frames_and_damage_without_a_hole(data: bytes, start: int) -> None:
    end = max(start, 0)
    for each in read_frames(data, end):
        assert each.start == end < each.end
        end = each.end
    assert end == max(start, 0, len(data)) or end >= len(data)
    assert frame_at(data, -1) is None


@given(CONTENT.filter(bool), st.data())
def test_a_changed_byte_spoils_one_frame_and_no_other(
    content: list[tuple[FrameKind, bytes]], data: st.DataObject
) -> None:
    whole = bytearray(written(content))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found = [(f.kind, f.payload) for f in read_frames(bytes(whole)) if isinstance(f, Frame)]
    assert len(found) == len(content) - 1
    assert all(each in content for each in found)


def test_a_frame_torn_at_any_byte_is_recognised_and_those_before_it_are_kept() -> None:
    first = encode_frame(FrameKind.DECISION, b'{"input":{}}')
    last = encode_frame(FrameKind.DECISION, b'{"input":{"a":1}}')
    for cut in range(1, len(last)):
        kept, torn = read_frames(first + last[:cut])
        assert isinstance(kept, Frame)
        assert torn == Damage(len(first), len(first) + cut)


def test_frames_behind_damage_are_found() -> None:
    good = encode_frame(FrameKind.SKIPPED, b"x")
    damage, found = read_frames(good[:-1] + good)
    assert isinstance(damage, Damage)
    assert isinstance(found, Frame)


def test_an_unknown_kind_is_damage() -> None:
    data = bytearray(encode_frame(FrameKind.DECISION, b"x"))
    payload, kind = b"x", 99
    crc = frames._crc(kind, payload)
    data[8:13] = crc.to_bytes(4, "big") + bytes([kind])
    assert list(read_frames(bytes(data))) == [Damage(0, len(data))]


def test_a_payload_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encode_frame(FrameKind.DECISION, b"12345")
    monkeypatch.setattr(frames, "MAX_PAYLOAD_BYTES", 4)
    with pytest.raises(MalformedError):
        encode_frame(FrameKind.DECISION, b"12345")
    assert frame_at(good, 0) is None
