"""Reading the rules of retention: the file that is shipped, and an operator's own beside it.

The form is `ledger/operate/retention_rules.schema.json`. It is read strictly: a member that
nobody knows is an error, because a misspelt rule must not silently be none.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from ledger.errors import MalformedError
from ledger.operate.periods import Period, zone_of
from ledger.operate.retention_rules import (
    ACCESS_LOG,
    DECISION_KINDS,
    EVERYWHERE,
    PLACE,
    Bound,
    Mark,
    RecordKind,
    Regime,
    RetentionClass,
    Rule,
    RuleBook,
    Start,
)

__all__ = ["SHIPPED", "read_rules"]

SHIPPED: Final = "retention_rules.json"
MAX_FILE_BYTES: Final = 1_000_000  # a thousand rules with their sources
MAX_FILES: Final = 100  # of an operator; more is a wrong directory
MAX_LISTED: Final = 1_000  # rules, classes or names in one list

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MAX_TEXT: Final = 1_000
_COVERS: Final = {"access_log": ACCESS_LOG, "decision": DECISION_KINDS}
_MEMBERS: Final = frozenset({"v", "regimes", "rules", "classes", "rely_on"})

_Word = TypeVar("_Word", bound=StrEnum)


def read_rules(directory: Path | None = None) -> RuleBook:
    """The rules that are shipped, and those in the `*.json` of an operator's directory.

    Files are read by name. A rule of a known id replaces the earlier one only if it says why,
    in `replaces`.

    Raises:
        MalformedError: a file cannot be used; the text names it.
        OSError: it cannot be read.
    """
    collected = _Collected()
    collected.add(SHIPPED, files("ledger.operate").joinpath(SHIPPED).read_bytes())
    if directory is not None:
        paths = sorted(directory.iterdir())
        paths = [path for path in paths if path.suffix == ".json"]
        if len(paths) > MAX_FILES:
            raise MalformedError(f"retention: more than {MAX_FILES} files in {directory.name}")
        for path in paths:
            with path.open("rb") as file:
                collected.add(path.name, file.read(MAX_FILE_BYTES + 1))
    return collected.book(stated=directory is not None)


@dataclass(slots=True)
class _Collected:
    """What the files read so far say together."""

    regimes: dict[str, Regime] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    classes: dict[str, RetentionClass] = field(default_factory=dict)
    relied: dict[str, str] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)

    def add(self, name: str, raw: bytes) -> None:
        """Take up one file."""
        try:
            self._take(_document(raw))
        except MalformedError as error:
            where = f" ({error.member})" if error.member else ""
            raise MalformedError(f"{name}: {error}{where}") from error
        self.digests.append(hashlib.sha256(raw).hexdigest())

    def _take(self, document: Mapping[str, Any]) -> None:
        for each in _objects(document, "regimes"):
            regime = _regime(each)
            _once(regime.id, self.regimes)
            self.regimes[regime.id] = regime
        for each in _objects(document, "rules"):
            rule = _rule(each)
            if "replaces" in each:
                _text(each, "replaces")
                if rule.id not in self.rules:
                    raise MalformedError(
                        f"retention: {rule.id} replaces no rule", member="replaces"
                    )
            else:
                _once(rule.id, self.rules)
            self.rules[rule.id] = rule
        for each in _objects(document, "classes"):
            made = _class(each)
            _once(made.id, self.classes)
            self.classes[made.id] = made
        for each in _objects(document, "rely_on"):
            _only(each, {"rule", "reason"})
            self.relied[_text(each, "rule", _NAME)] = _text(each, "reason")

    def book(self, *, stated: bool) -> RuleBook:
        """All of it, once it fits together."""
        for name, reason in self.relied.items():
            if name not in self.rules:
                raise MalformedError(f"retention: there is no rule {name} to rely on")
            self.rules[name] = replace(self.rules[name], relied_on=reason)
        used = {rule.regime for rule in self.rules.values()}
        used = used.union(*(each.regimes for each in self.classes.values()))
        for name in sorted(used - self.regimes.keys()):
            raise MalformedError(f"retention: there is no regime {name}; state it in `regimes`")
        digest = hashlib.sha256("\n".join(self.digests).encode()).hexdigest()
        return RuleBook(self.regimes, self.rules, self.classes, digest, stated)


def _document(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MAX_FILE_BYTES:
        raise MalformedError(f"retention: larger than {MAX_FILE_BYTES:,} bytes")
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise MalformedError("retention: not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise MalformedError("retention: not an object")
    _only(found, _MEMBERS)
    if found.get("v") != 1:
        raise MalformedError("retention: not version 1", member="v")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("retention: a member is there twice")
    return found


def _regime(each: Mapping[str, Any]) -> Regime:
    _only(each, {"id", "title", "note"})
    return Regime(_text(each, "id", _NAME), _text(each, "title"), _optional(each, "note"))


def _rule(each: Mapping[str, Any]) -> Rule:
    _only(each, {"id", "regime", "jurisdiction", "kinds", "bound", "period", "start", "source",
                 "read_on", "mark", "since", "ended", "note", "replaces"})  # fmt: skip
    kinds = frozenset(_word(RecordKind, kind, "kinds") for kind in _texts(each, "kinds"))
    if not kinds:
        raise MalformedError("retention: a rule about nothing", member="kinds")
    return Rule(
        id=_text(each, "id", _NAME),
        regime=_text(each, "regime", _NAME),
        jurisdiction=_place(each),
        kinds=kinds,
        bound=_word(Bound, each.get("bound"), "bound"),
        period=Period.parse(_text(each, "period")),
        start=_word(Start, each.get("start"), "start"),
        source=_text(each, "source"),
        read_on=_day(each, "read_on"),
        mark=_word(Mark, each.get("mark"), "mark"),
        since=_day(each, "since") if "since" in each else None,
        ended=_day(each, "ended") if "ended" in each else None,
        note=_optional(each, "note"),
    )


def _class(each: Mapping[str, Any]) -> RetentionClass:
    _only(each, {"id", "regimes", "jurisdictions", "covers", "ceiling", "buffer", "zone"})
    ceiling = each.get("ceiling")
    if not isinstance(ceiling, dict):
        raise MalformedError("retention: a class without a ceiling", member="ceiling")
    _only(ceiling, {"period", "reason"})
    covers = each.get("covers", "decision")
    if covers not in _COVERS:
        raise MalformedError("retention: neither decision nor access_log", member="covers")
    zone = _text(each, "zone") if "zone" in each else "UTC"
    zone_of(zone)
    return RetentionClass(
        id=_text(each, "id", _NAME),
        regimes=frozenset(_texts(each, "regimes", _NAME)),
        jurisdictions=frozenset(_texts(each, "jurisdictions", PLACE)),
        kinds=_COVERS[covers],
        ceiling=Period.parse(_text(ceiling, "period")),
        reason=_text(ceiling, "reason"),
        buffer=Period.parse(_text(each, "buffer")) if "buffer" in each else None,
        zone=zone,
    )


def _place(each: Mapping[str, Any]) -> str:
    if each.get("jurisdiction") == EVERYWHERE:
        return EVERYWHERE
    return _text(each, "jurisdiction", PLACE)


def _once(name: str, known: Mapping[str, Any]) -> None:
    if name in known:
        raise MalformedError(f"retention: {name} is stated twice", member="id")


def _only(each: Mapping[str, Any], members: Iterable[str]) -> None:
    for name in sorted(each.keys() - set(members)):
        raise MalformedError("retention: a member that nobody knows", member=name[:_MAX_TEXT])


def _objects(document: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    found = document.get(member, [])
    if not isinstance(found, list) or len(found) > MAX_LISTED:
        raise MalformedError(f"retention: not a list of at most {MAX_LISTED:,}", member=member)
    if not all(isinstance(each, dict) for each in found):
        raise MalformedError("retention: not objects", member=member)
    return found


def _texts(
    each: Mapping[str, Any], member: str, pattern: re.Pattern[str] | None = None
) -> list[str]:
    found = each.get(member, [])
    if not isinstance(found, list) or len(found) > MAX_LISTED:
        raise MalformedError(f"retention: not a list of at most {MAX_LISTED:,}", member=member)
    return [_text({member: one}, member, pattern) for one in found]


def _text(each: Mapping[str, Any], member: str, pattern: re.Pattern[str] | None = None) -> str:
    text = each.get(member)
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT:
        raise MalformedError(f"retention: not 1 to {_MAX_TEXT:,} characters", member=member)
    if not text.isprintable() or (pattern is not None and not pattern.fullmatch(text)):
        raise MalformedError("retention: not a name of this form", member=member)
    return text


def _optional(each: Mapping[str, Any], member: str) -> str:
    return _text(each, member) if member in each else ""


def _word(words: type[_Word], value: object, member: str) -> _Word:
    try:
        return words(str(value))
    except ValueError:
        raise MalformedError(f"retention: not one of {', '.join(words)}", member=member) from None


def _day(each: Mapping[str, Any], member: str) -> date:
    text = _text(each, member)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise MalformedError("retention: not a day, as 2026-11-23", member=member)
    return found
