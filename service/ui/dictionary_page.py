"""The page of a model version's features: what each is, where it comes from, in each language."""

from flask import Blueprint, Response, request, url_for

from ledger.roles import Permission
from service.api.routes import runtime
from service.dictionary import DictionaryEntry, feature_dictionary
from service.ui import rendering, wording
from service.ui.model_views import DictionaryPage, FeatureRow, LanguageLink
from service.ui.session import visitor
from service.ui.views import Icon, Tag, Tone

__all__ = ["add_to"]

_PROTECTED = Tag("Protected characteristic", Tone.ADVERSE, Icon.CROSS)
_PROXY = Tag("May stand in for one", Tone.CAUTION, Icon.HOURGLASS)
_NEITHER = Tag("Neither it nor a proxy", Tone.PLAIN, Icon.DASH)
_NO = Tag("No; proxy not stated", Tone.PLAIN, Icon.DASH)
_SILENT = Tag("Not stated", Tone.PLAIN, Icon.DASH)
_CHANGES = {
    "any": "either way",
    "increase": "can rise",
    "decrease": "can fall",
    "fixed": "cannot change",
}


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI this page."""
    blueprint.add_url_rule("/models/<reference>/features", view_func=features)


def features(reference: str) -> Response:
    """What each input of a model version is."""
    visitor().require(Permission.MODELS_READ)
    found = runtime().registry.model(reference)
    language = request.args.get("language") or runtime().settings.language
    told = feature_dictionary(found.manifest, language)
    known = language in told.languages
    value = DictionaryPage(
        name=f"{found.name} {found.version}",
        home=url_for("ui.models"),
        model=url_for("ui.model", reference=found.reference),
        language=language if known else "",
        languages=tuple(
            LanguageLink(
                tag,
                url_for("ui.features", reference=found.reference, language=tag),
                here=tag == language,
            )
            for tag in told.languages
        ),
        rows=tuple(map(_row, told.features)),
        untranslated=wording.counted(len(told.untranslated), "label is", "labels are")
        if known and told.untranslated
        else "",
    )
    return rendering.page("features", value, here="models", exact=False)


def _row(entry: DictionaryEntry) -> FeatureRow:
    unit = entry.unit.replace("_", " ") if entry.unit not in {"", "none"} else ""
    return FeatureRow(
        label=entry.label,
        language=entry.language,
        name=entry.name,
        kind=", ".join(text for text in (entry.type, unit) if text),
        values=_values(entry),
        group="" if entry.group == entry.name else entry.group,
        changes=_CHANGES.get(entry.mutability, ""),
        missing={"allowed": "may be missing", "refused": "must be there"}.get(entry.missing, ""),
        protected=_sensitive(entry),
        source=entry.source,
        reason=entry.reason,
    )


def _values(entry: DictionaryEntry) -> str:
    if entry.values:
        return ", ".join(
            words if words == value else f"{value}: {words}" for value, words in entry.values
        )
    lower, upper = (_bound(each) for each in (entry.lower, entry.upper))
    if lower and upper:
        return f"{lower} to {upper}"
    return f"from {lower}" if lower else f"up to {upper}" if upper else ""


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:,.15g}".replace("-", wording.MINUS)


def _sensitive(entry: DictionaryEntry) -> Tag:
    if entry.protected:
        return _PROTECTED
    if entry.proxy:
        return _PROXY
    if entry.protected is None:
        return _SILENT
    return _NO if entry.proxy is None else _NEITHER
