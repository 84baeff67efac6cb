"""A manifest that is not finished: what was found out, and what somebody still has to say.

Pure. A draft names no person, whatever the platform says: a manifest cannot be erased.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ledger.canonical import JsonValue
from ledger.errors import MalformedError

__all__ = [
    "MAX_FILE_BYTES",
    "Draft",
    "Gap",
    "address",
    "amount",
    "artefact",
    "digest",
    "gaps",
    "listed",
    "scalars",
    "section",
    "text",
]

MAX_FILE_BYTES: Final = 8_000_000  # of one file from a platform; its metadata takes some kB
MAX_LISTED: Final = 200  # data sets, files or tags of one run
MAX_MEMBERS: Final = 500  # parameters or metrics of one run
MAX_CHARACTERS: Final = 1_000  # of one text; a longer one is no name, address or setting

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

# What a version has to say: docs/formats.md, section 6. The first part is needed to register it and
# to explain and replay its decisions, the second stands in the file that a regulator asks for.
_NEEDED: Final = (
    *("name", "version", "kind", "artefacts.model", "artefacts.background"),
    *("background.population", "explainer.engine", "explainer.tolerance", "output.favourable"),
    *("features", "golden_rows"),
)
_FOR_PEOPLE: Final = (
    *("training_data", "code.repository", "code.commit", "parameters", "metrics", "purpose"),
    *("legal_role", "annex_iii_point", "regimes", "owner", "team", "approver", "run.reference"),
    *("run.duration_seconds", "run.cost.amount", "run.cost.currency"),
)
_OF_DATA: Final = ("sha256", "source", "period", "rows", "types")
_OF_FEATURE: Final = ("label", "type", "mutability", "missing", "protected")
_OF_FEATURE_FOR_PEOPLE: Final = ("unit", "source")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a run says of the model that it made.

    Attributes:
        manifest: members of a manifest (`docs/formats.md` §6), as far as they are known.
        notes: what a person should know before finishing it, a sentence each.
    """

    manifest: Mapping[str, JsonValue]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A member that a draft does not have; `needed` if no decision could be explained without."""

    member: str
    needed: bool


def gaps(manifest: Mapping[str, Any]) -> tuple[Gap, ...]:
    """What is missing, in the order of the format; what is needed stands first."""
    needed = [Gap(each, needed=True) for each in _NEEDED if not _found(manifest, each)]
    named = (each for each in _FOR_PEOPLE if not _found(manifest, each))
    people = [Gap(each, needed=False) for each in named]
    parts = _missing_in(manifest, "features", _OF_FEATURE)
    needed += [Gap(each, needed=True) for each in parts]
    for name, members in (("features", _OF_FEATURE_FOR_PEOPLE), ("training_data", _OF_DATA)):
        people += [Gap(each, needed=False) for each in _missing_in(manifest, name, members)]
    return (*needed, *people)


def artefact(path_name: str, data: bytes) -> dict[str, JsonValue]:
    """The `artefacts` member of a file: its digest and size; the format as its name tells it."""
    formats = {".json": "xgboost-json", ".ubj": "xgboost-ubj"}
    suffix = path_name[path_name.rfind(".") :] if "." in path_name else ""
    found: dict[str, JsonValue] = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    return found | ({"format": formats[suffix]} if suffix in formats else {})


def section(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path, empty where there is none."""
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def listed(value: object, what: str) -> Sequence[Any]:
    """The array, empty where there is none.

    Raises:
        MalformedError: it has more members than a run can have.
    """
    found = value if isinstance(value, list | tuple) else ()
    if len(found) > MAX_LISTED:
        raise MalformedError(f"run: more than {MAX_LISTED} members", member=what)
    return found


def text(value: object) -> str:
    """The text without blanks around it; empty for anything else or too long a one."""
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS:
        return ""
    found = value.strip()
    return found if found.isprintable() else ""


def amount(value: object) -> str:
    """A number, or a number in a text, as the shortest text; empty for anything else."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    found = text(value)
    return found if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", found) else ""


def scalars(value: Mapping[str, Any], what: str) -> dict[str, JsonValue]:
    """Names and values as texts; a list becomes a text with commas, anything else is left out.

    Raises:
        MalformedError: there are more than a run can have.
    """
    if len(value) > MAX_MEMBERS:
        raise MalformedError(f"run: more than {MAX_MEMBERS} members", member=what)
    shown: dict[str, JsonValue] = {}
    for name, each in sorted(value.items()):
        parts = each if isinstance(each, list | tuple) else (each,)
        words = ", ".join(_written(part) for part in parts[:MAX_LISTED])
        if text(name) and text(words):
            shown[name] = words
    return shown


def address(value: object) -> str:
    """An address without a password, and without whatever stands behind its `?`."""
    found = text(value)
    try:
        parts = urlsplit(found)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def digest(value: object) -> str:
    """A SHA-256 in hex; empty for anything else."""
    found = text(value).lower()
    return found if _DIGEST.fullmatch(found) else ""


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value if isinstance(value, str) else ""


def _found(manifest: Mapping[str, Any], path: str) -> bool:
    *outer, last = path.split(".")
    return section(manifest, *outer).get(last) not in (None, "", [], {}, ())


def _missing_in(manifest: Mapping[str, Any], name: str, members: Sequence[str]) -> Iterator[str]:
    """What members of an array lack, as `features[].label (12 of 15)`."""
    items = [each for each in manifest.get(name, ()) if isinstance(each, Mapping)]
    for member in members:
        without = sum(1 for each in items if not _found(each, member))
        if without:
            yield f"{name}[].{member} ({without} of {len(items)})"
