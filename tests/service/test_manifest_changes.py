"""What changed between two manifests: nothing for the same, each member once for others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.manifest_changes import MAX_CHANGES, How, changes

leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
manifests = st.dictionaries(st.text(max_size=3), values, max_size=4)


def found(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.path, each.how) for each in changes(old, new)[0]]


@given(manifests, manifests)
def test_the_same_has_no_change_and_the_way_back_undoes(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert changes(old, old) == ((), 0)
    there, back = changes(old, new)[0], changes(new, old)[0]
    turned = {How.ADDED: How.REMOVED, How.REMOVED: How.ADDED, How.CHANGED: How.CHANGED}
    assert sorted((each.path, turned[each.how]) for each in back) == sorted(
        (each.path, each.how) for each in there
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", "changed")]),
        ({"a": 1}, {"a": True}, [("a", "changed")]),
        ({"a": None}, {}, [("a", "removed")]),
        ({"a": []}, {"a": {}}, [("a", "changed")]),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, [("a", "changed")]),
        (
            {"rules": [{"id": "r1", "at": 1}, {"id": "r2", "at": 2}]},
            {"rules": [{"id": "r2", "at": 3}, {"id": "r1", "at": 1}, {"id": "r3"}]},
            [("rules.[r2].at", "changed"), ("rules.[r3]", "added")],
        ),
        ({"rules": []}, {"rules": [{"code": "A"}]}, [("rules.[A]", "added")]),
        # Two of one name are not told apart: the array is compared as it stands.
        ({"r": [{"id": "a"}]}, {"r": [{"id": "a"}, {"id": "a"}]}, [("r", "changed")]),
    ],
)
def test_each_change_is_named(old: Any, new: Any, expected: list[tuple[str, str]]) -> None:
    assert found(old, new) == expected


def test_too_many_are_counted() -> None:
    shown, total = changes({}, {str(at): at for at in range(MAX_CHANGES + 5)})
    assert (len(shown), total) == (MAX_CHANGES, MAX_CHANGES + 5)
