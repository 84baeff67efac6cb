"""The pages of policy versions: what decides, and what changed from another version."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from flask import Blueprint, Response, request, url_for

from ledger.canonical import JsonValue
from ledger.operate.registry import PolicyVersion
from ledger.roles import Permission
from service.api.routes import runtime
from service.manifest_changes import Change, How, changes
from service.ui import rendering, wording
from service.ui.model_views import ChangeRow, Comparison, PolicyPage, VersionLink
from service.ui.session import visitor
from service.ui.views import Fact, Icon, Tag, Tone

__all__ = ["add_to"]

MAX_VALUE: Final = 300  # characters of one value of a comparison
_HOW: Final[Mapping[How, Tag]] = {
    How.ADDED: Tag("Added", Tone.FAVOURABLE, Icon.TICK),
    How.CHANGED: Tag("Changed", Tone.CAUTION, Icon.HOURGLASS),
    How.REMOVED: Tag("Removed", Tone.ADVERSE, Icon.CROSS),
}


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI this page."""
    blueprint.add_url_rule("/policies/<reference>", view_func=policy)


def policy(reference: str) -> Response:
    """One policy version, compared with another if one was chosen."""
    visitor().require(Permission.MODELS_READ)
    registry = runtime().registry
    found = registry.policy(reference)
    against = request.args.get("against", "")
    compared = _compared(registry.policy(against), found) if against else None
    others = [each for each in registry.policies() if each.digest != found.digest]
    # The versions of the same policy first: another one has little in common with it.
    others.sort(key=lambda each: each.name != found.name)
    value = PolicyPage(
        name=f"{found.name} {found.version}",
        home=url_for("ui.models"),
        facts=tuple(_facts(found)),
        manifest=json.dumps(found.manifest, indent=2, ensure_ascii=False),
        others=tuple(
            VersionLink(
                f"{each.name} {each.version}",
                url_for("ui.policy", reference=found.reference, against=each.reference),
            )
            for each in others
        ),
        compared=compared,
    )
    return rendering.page("policy", value, here="models", exact=False)


def _compared(old: PolicyVersion, new: PolicyVersion) -> Comparison:
    found, total = changes(old.manifest, new.manifest)
    return Comparison(
        against=f"{old.name} {old.version}",
        rows=tuple(map(_row, found)),
        total=wording.counted(total, "difference", "differences"),
        more=wording.number(total - len(found)) if total > len(found) else "",
    )


def _row(change: Change) -> ChangeRow:
    return ChangeRow(
        tag=_HOW[change.how],
        path=change.path,
        before="" if change.how is How.ADDED else _shown(change.before),
        after="" if change.how is How.REMOVED else _shown(change.after),
    )


def _shown(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _facts(found: PolicyVersion) -> Iterator[Fact]:
    manifest: Mapping[str, Any] = found.manifest
    yield Fact("Manifest", "", found.digest)
    cut_off = manifest["cut_off"]  # a policy without is not registered
    yield Fact("Cut-off", f"{wording.number(cut_off['margin'])} millionths, {cut_off['space']}")
    outcomes = manifest["outcomes"]
    favourable = f"{outcomes['pass']} at the cut-off and on its favourable side"
    yield Fact("Outcomes", f"{favourable}, {outcomes['fail']} on the other")
    for label, name in (("Knock-out rules", "rules"), ("Reason codes", "reason_codes")):
        listed = manifest.get(name)
        count = len(listed) if isinstance(listed, list | tuple | Mapping) else 0
        yield Fact(label, wording.number(count))
    for label, name in (("Retention class", "retention_class"), ("Laws", "regimes"),
                        ("Countries", "countries")):  # fmt: skip
        stated = manifest.get(name)
        texts = [stated] if isinstance(stated, str) else stated
        if isinstance(texts, list | tuple) and texts:
            yield Fact(label, ", ".join(map(str, texts)))
