"""Who stands on letters: the organisation, its review desk, the authorities.

A JSON file that the operator writes once. Members `controller` and `review` are needed;
`data_protection`, `authority`, `agency` and `consumer_report` where a law that a policy
names asks for them::

    {"controller": {"name": "Example Bank", "address": ["1 Main Street", "Springfield"]},
     "review": {"name": "Review desk", "telephone": "+1 555 0100"},
     "authority": {"name": "Data protection authority", "address": ["…"]}}

An organisation is {name, address, telephone?, email?}; an office that answers is {name,
telephone?, email?}; `consumer_report` is the organisation that reported.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.errors import MalformedError, NotFoundError
from reports.documents.letter import ConsumerReport, Contact, Contacts, Organisation

__all__ = ["read_contacts"]

MAX_BYTES: Final = 65_536  # a handful of addresses
_ORGANISATIONS: Final = ("controller", "authority", "agency")
_OFFICES: Final = ("review", "data_protection")


def read_contacts(path: Path) -> Contacts:
    """The contacts in the file.

    Raises:
        NotFoundError: there is no such file.
        MalformedError: it is not in the form above; `member` names the place.
        DocumentError: an office that cannot be reached.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"letters need to know who sends them: write {path.name} beside the ledger's "
            "databases; docs/operating.md shows its form"
        ) from None
    try:
        parsed = canonical.parse(data, max_bytes=MAX_BYTES)
    except MalformedError as error:
        raise MalformedError(f"{path.name}: {error}", member=error.member) from error
    document = _members(
        parsed,
        "contacts",
        {"controller", "review"},
        {"agency", "authority", "consumer_report", "data_protection"},
    )
    parts: dict[str, Any] = {}
    for name, value in document.items():
        if name in _ORGANISATIONS:
            parts[name] = _organisation(value, name)
        elif name in _OFFICES:
            members = _members(value, name, {"name"}, {"email", "telephone"})
            parts[name] = Contact(**{key: _text(text, name) for key, text in members.items()})
        else:
            parts[name] = ConsumerReport(_organisation(value, name))
    return Contacts(**parts)


def _organisation(value: object, member: str) -> Organisation:
    members = dict(_members(value, member, {"address", "name"}, {"email", "telephone"}))
    lines = members.pop("address")
    if not isinstance(lines, list):
        raise MalformedError("give a list of lines", member=f"{member}.address")
    address = tuple(_text(line, f"{member}.address") for line in lines)
    return Organisation(
        address=address, **{name: _text(text, member) for name, text in members.items()}
    )


def _members(
    value: object, member: str, needed: set[str], possible: set[str]
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MalformedError("give an object", member=member)
    for name in sorted(needed - value.keys()):
        raise MalformedError("the member is missing", member=f"{member}.{name}")
    for name in sorted(value.keys() - needed - possible):
        raise MalformedError("there is no such member", member=f"{member}.{name}")
    return value


def _text(value: object, member: str) -> str:
    if not isinstance(value, str):
        raise MalformedError("give a text", member=member)
    return value
