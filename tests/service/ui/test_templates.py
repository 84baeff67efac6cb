"""Templates print values and nothing else: escaped, without inline code, without addresses."""

import dataclasses
import re
from enum import StrEnum
from typing import Any

import pytest
from flask import g

from service.reading import Caller
from service.ui import rendering
from service.ui.session import Visit
from tests.service.ui import samples
from tests.service.ui.lender import START, Lender

HOSTILE = "\"'><script>alert(1)</script>&lt;{{ 7*7 }}</title><img src=x onerror=alert(1)>"
EXTERNAL = re.compile(r"""(?:src|href|action|url\()\s*=?\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)


def poisoned(value: Any) -> Any:
    """The same page with the hostile text in every place that can hold text."""
    if isinstance(value, StrEnum):
        return value
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {f.name: poisoned(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **members)
    return value


def rendered(lender: Lender, name: str, page: object, visitor: str = "One auditor") -> str:
    app = lender.app()
    with app.test_request_context("/"):
        principal = lender.runtime.api_keys.authenticate(next(iter(lender.keys.values())))
        principal = dataclasses.replace(principal, name=visitor)
        g.visit = Visit(Caller(principal, "audit", ""), START)
        return rendering.page(name, page).get_data(as_text=True)


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_hostile_text_stays_text(lender: Lender, name: str) -> None:
    text = rendered(lender, name, poisoned(samples.PAGES[name]), HOSTILE)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "49" not in re.findall(r"&lt;(\d+)", text)
    assert "&lt;script&gt;alert(1)" in text
    # A quotation mark that got out of an attribute would let the next word be one.
    assert not re.search(r"""[a-z]="[^"]*"'><""", text)


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_nothing_inline_and_nothing_from_elsewhere(lender: Lender, name: str) -> None:
    text = rendered(lender, name, samples.PAGES[name])
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text) == []
    assert EXTERNAL.findall(text) == []


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_every_page_has_one_heading_a_language_and_unique_ids(lender: Lender, name: str) -> None:
    text = rendered(lender, name, samples.PAGES[name])
    assert '<html lang="en">' in text
    assert len(re.findall(r"<h1[ >]", text)) == 1
    assert text.count("Times are in UTC") == 1
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for name_of in re.findall(r'(?:aria-labelledby|aria-describedby|for)="([^"]+)"', text):
        assert name_of in ids


def test_empty_pages_say_so(lender: Lender) -> None:
    overview = rendered(lender, "overview", samples.EMPTY_OVERVIEW)
    assert "No decision has been recorded yet" in overview
    assert "No source has sent a decision yet" in overview
    assert "No model is registered yet" in overview
    listed = rendered(lender, "decisions", samples.EMPTY_LIST)
    assert "No decision has been recorded yet." in listed
    assert "<table" not in listed
