"""The feature dictionary: every language, and manifests that say little or nonsense."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dictionary import feature_dictionary

FEATURE: dict[str, Any] = {
    "name": "channel",
    "label": {"en": "Channel", "de": "Vertriebsweg"},
    "type": "category",
    "unit": "none",
    "group": "application",
    "categories": ["branch", "phone"],
    "values": {"branch": {"en": "at a branch", "de": "in der Filiale"}},
    "bounds": [None, 9],
    "mutability": "any",
    "missing": "refused",
    "protected": False,
    "proxy": True,
    "source": {"en": "application form"},
    "reason": "CHANNEL",
}


def entry(feature: dict[str, Any], language: str = "en") -> Any:
    (found,) = feature_dictionary({"features": [feature]}, language).features
    return found


def test_a_feature_in_its_languages() -> None:
    told = feature_dictionary({"features": [FEATURE, {"name": "late"}]}, "de")
    assert (told.languages, told.untranslated) == (("de", "en"), ("late",))
    channel, late = told.features
    assert (channel.label, channel.language) == ("Vertriebsweg", "de")
    assert channel.values == (("branch", "in der Filiale"), ("phone", "phone"))
    assert (channel.lower, channel.upper, channel.proxy) == (None, 9, True)
    assert channel.source == "application form"
    assert (late.label, late.language, late.protected, late.group) == ("late", "", None, "late")


def test_another_language_stands_in() -> None:
    assert entry(FEATURE, "fr").label == "Channel"
    assert entry({"name": "a", "label": {"it": "Reddito"}}, "fr").language == "it"
    assert entry({"name": "a", "label": "plain text"}).label == "plain text"


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(), max_size=3)
)


@given(
    st.sampled_from(sorted(FEATURE.keys() - {"name"})), values | st.dictionaries(st.text(), values)
)
def test_any_member_can_be_anything(member: str, value: Any) -> None:
    found = entry(FEATURE | {member: value})
    assert found.name == "channel"
    assert isinstance(found.label, str)


@pytest.mark.parametrize("bounds", [[1], "12", [True, "x"], None, {}])
def test_bounds_that_are_none(bounds: Any) -> None:
    found = entry(FEATURE | {"bounds": bounds})
    assert (found.lower, found.upper) == (None, None)
