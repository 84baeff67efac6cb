import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MalformedError, NotFoundError
from reports.errors import DocumentError
from service.contacts import read_contacts

BANK = {"name": "Harbour Bank", "address": ["1 Example Street", "Boston"]}
GOOD: dict[str, Any] = {
    "controller": BANK,
    "review": {"name": "Review desk", "telephone": "+1 617 555 0100"},
    "consumer_report": BANK | {"name": "Bureau"},
}


def written(folder: Path, value: Any) -> Path:
    path = folder / "contacts.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_everyone_is_read(tmp_path: Path) -> None:
    found = read_contacts(written(tmp_path, GOOD))
    assert found.controller.address == ("1 Example Street", "Boston")
    assert found.review.telephone == "+1 617 555 0100"
    assert found.authority is None
    assert found.consumer_report is not None
    assert found.consumer_report.agency.name == "Bureau"


def test_letters_need_the_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"contacts\.json"):
        read_contacts(tmp_path / "contacts.json")


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"controller": None}, "controller"),
        ({"controller": {"name": "x"}}, "controller.address"),
        ({"controller": BANK | {"address": "x"}}, "controller.address"),
        ({"controller": BANK | {"address": [1]}}, "controller.address"),
        ({"review": {"name": "x", "fax": "1"}}, "review.fax"),
        ({"review": {"name": 1, "email": "x"}}, "review"),
        ({"king": BANK}, "contacts.king"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], member: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_contacts(written(tmp_path, GOOD | change))
    assert caught.value.member == member


def test_an_office_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        read_contacts(written(tmp_path, GOOD | {"review": {"name": "Review desk"}}))


def test_no_json_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        read_contacts(written(tmp_path, "{"))


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match=r"contacts\.json: JSON"):
        read_contacts(written(tmp_path, '{"controller": 1'))
