"""UUIDv7: the vector of RFC 9562 and what is not one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import parse_id, uuid7
from ledger.errors import MalformedError

RFC_9562_A6 = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_the_example_of_rfc_9562() -> None:
    random = bytes.fromhex("0cc318c4dc0c0c07398f")
    assert uuid7(0x017F22E279B0, random) == RFC_9562_A6


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_whatever_is_made_is_accepted(unix_ms: int, random: bytes) -> None:
    made = uuid7(unix_ms, random)
    assert parse_id(made) == made
    assert int(made.replace("-", "")[:12], 16) == unix_ms


@pytest.mark.parametrize(("unix_ms", "random"), [(-1, bytes(10)), (2**48, bytes(10)), (0, b"")])
def test_arguments_out_of_range(unix_ms: int, random: bytes) -> None:
    with pytest.raises(MalformedError):
        uuid7(unix_ms, random)


@pytest.mark.parametrize(
    "text",
    [
        "",
        RFC_9562_A6.upper(),
        RFC_9562_A6 + "\n",
        " " + RFC_9562_A6,
        "{" + RFC_9562_A6 + "}",
        RFC_9562_A6.replace("-", ""),
        RFC_9562_A6.replace("-7", "-4"),
        RFC_9562_A6.replace("-98", "-c8"),
        RFC_9562_A6.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
    ],
)
def test_what_is_not_a_uuid7(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_id(text)


@given(st.text(max_size=40))
def test_any_text_gives_an_id_or_our_error(text: str) -> None:
    with contextlib.suppress(MalformedError):
        assert parse_id(text) == text
