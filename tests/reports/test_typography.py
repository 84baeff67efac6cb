"""A width is never too small, in either weight; what is cut fits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reports.glyphs import drawable
from reports.typography import ELLIPSIS, fit, width
from tests.reports.drawings import advances, measured

characters = st.sampled_from(sorted(map(chr, drawable() & advances("Regular").keys())))


@settings(max_examples=50)
@given(st.text(characters, max_size=40))
def test_no_text_is_wider_than_it_is_taken_for(text: str) -> None:
    assert measured(text, 12) <= width(text, 12) + 1e-9
    assert measured(text, 12, "SemiBold") <= width(text, 12, bold=True) + 1e-9


def test_plain_text_is_measured_exactly() -> None:
    text = "".join(map(chr, range(0x20, 0x7F)))
    assert abs(measured(text, 10) - width(text, 10)) < 1e-9


@settings(max_examples=50)
@given(st.text(characters, max_size=40), st.floats(12, 400))
def test_what_is_cut_fits_and_says_so(text: str, room: float) -> None:
    shown = fit(text, 12, room)
    assert measured(shown, 12) <= room
    assert shown == text or (shown.endswith(ELLIPSIS) and text.startswith(shown[:-1]))
