"""The list of decisions: find them, note who looks, open what a line shows.

The index is read first, because the access log has to know which records are looked at;
nothing is handed out before it has been written.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ledger.canonical import JsonValue
from ledger.errors import ErasedError, MalformedError, VerificationError
from ledger.operate.access_log import Manner
from ledger.operate.decisions import DecisionRow as Found
from ledger.operate.decisions import Facets, Page
from ledger.roles import Permission
from service.reading import Caller, Reading
from service.runtime import Runtime
from service.ui import exports, listing, wording
from service.ui.filters import PAGE_ROWS, Filter
from service.ui.listing import Recorded, Scale
from service.ui.views import Chip, DecisionRow, Facet, Hidden, Icon, ListPage, Tag, Tone

INDEXED: Final = ("decided_at", "margin", "outcome")
OPENED: Final = (*INDEXED, "attributions")
EXPORT_PAGE: Final = 500  # rows fetched and noted at a time
MAX_TRAIL: Final = 20  # pages that "Newer" finds its way back through
TRAIL_MARK: Final = "~"  # between the cursors of a trail; no cursor holds it

Address = Callable[[str], str]
"""The address of a page by its endpoint's name; of a decision by its id."""


class DecisionList:
    """Lists for one caller."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller
        self._reading = Reading(runtime, caller)
        self._scales: dict[tuple[str, str], Scale] = {}

    def page(self, wanted: Filter, trail: str, place: Address, detail: Address) -> ListPage:
        """Return the page of decisions that match.

        Raises:
            PermissionRefused: the caller may not look for decisions.
            MalformedError: the cursor or the trail is not one of ours.
        """
        self._caller.principal.require(Permission.DECISIONS_FIND)
        found = self._runtime.decisions.find(wanted.query())
        opens = self._caller.principal.may(Permission.DECISIONS_READ)
        ids = [row.id for row in found.rows]
        closed = self._reading.restricted(ids)
        self._reading.note(ids, OPENED if opens else INDEXED, listed=True)
        rows = tuple(
            self._row(row, opens=opens and row.id not in closed, href=detail(row.id))
            for row in found.rows
        )
        newer, older = _moves(wanted, found, trail, place("decisions"))
        return replace(self._frame(wanted, found, place), rows=rows, newer=newer, older=older)

    def export(self, wanted: Filter) -> tuple[list[exports.Row], int]:
        """Return all rows that match, newest first, `MAX_EXPORT_ROWS` at most, and the total.

        Raises:
            PermissionRefused: the caller may not look for decisions.
        """
        self._caller.principal.require(Permission.DECISIONS_FIND)
        rows: list[exports.Row] = []
        total = 0
        for page in self._pages(wanted.first_page()):
            total = page.total
            closed = self._reading.restricted([row.id for row in page.rows])
            shown = [row for row in page.rows if row.id not in closed]  # the total counts them all
            ids = [row.id for row in shown]
            self._reading.note(ids, INDEXED, listed=True, manner=Manner.EXPORT)
            rows += [
                (_recorded(row, {}), self._runtime.registry.model(row.model).reference,
                 self._runtime.registry.policy(row.policy).reference)
                for row in shown
            ]  # fmt: skip
        return rows, total

    def _pages(self, wanted: Filter) -> Iterator[Page]:
        for _ in range(exports.MAX_EXPORT_ROWS // EXPORT_PAGE):
            page = self._runtime.decisions.find(wanted.query(limit=EXPORT_PAGE))
            yield page
            if page.next_cursor is None:
                return
            wanted = replace(wanted, cursor=page.next_cursor)

    def _row(self, found: Found, *, opens: bool, href: str) -> DecisionRow:
        scale = self._scale(found)
        try:
            attributions = self._attributions(found.id) if opens else {}
        except ErasedError:
            attributions = {}
        except VerificationError:
            # One record that was tampered with must not hide the others.
            row = listing.row(_recorded(found, {}), scale, href)
            alarm = Tag("Not as logged", Tone.ADVERSE, Icon.CROSS)
            return replace(row, outcome=alarm, reason="What is stored is not what was logged")
        row = listing.row(_recorded(found, attributions), scale, href)
        return replace(row, reason="Under a legal hold") if found.hold else row

    def _attributions(self, record_id: str) -> Mapping[str, JsonValue]:
        return self._runtime.attributions.of(self._runtime.decisions.read(record_id)).value

    def _scale(self, found: Found) -> Scale:
        names = (found.model, found.policy)
        if names not in self._scales:
            registry = self._runtime.registry
            self._scales[names] = Scale.of(
                registry.model(found.model).manifest, registry.policy(found.policy).manifest
            )
        return self._scales[names]

    def _others(self, without: Filter, base: Filter, found: Page) -> Facets:
        """Counts as they would be without one filter, so that its other values stay in sight."""
        if without == base:
            return found.facets
        return self._runtime.decisions.find(without.query(limit=1)).facets

    def _frame(self, wanted: Filter, found: Page, place: Address) -> ListPage:
        """The list without its rows and moves: counts, filters, words."""
        labels = {m.digest: f"{m.name} {m.version}" for m in self._runtime.registry.models()}
        base = wanted.first_page()
        here = place("decisions")
        no_outcome, no_model = replace(base, outcome=""), replace(base, model="")
        outcomes = tuple(
            _facet(
                wording.words(code), count, (replace(base, outcome=code), no_outcome), base, here
            )
            for code, count in sorted(self._others(no_outcome, base, found).outcome)
        )
        models = tuple(
            _facet(labels.get(code, code), count, (replace(base, model=code), no_model), base, here)
            for code, count in self._others(no_model, base, found).model
        )
        shown = wording.number(len(found.rows))
        return ListPage(
            count=wording.counted(found.total, "decision", "decisions"),
            rows=(),
            since=wanted.since.isoformat() if wanted.since else "",
            until=wanted.until.isoformat() if wanted.until else "",
            outcomes=outcomes,
            models=models,
            chips=_chips(base, labels, here),
            clear=here if wanted.narrows else "",
            newer="",
            older="",
            csv="csv" if wanted.subject else base.address(place("decisions_csv")),
            json="json" if wanted.subject else base.address(place("decisions_json")),
            empty=_empty(wanted),
            range=f"{shown} of {wording.number(found.total)}" if found.total > PAGE_ROWS else "",
            searched=wanted.subject,
            carried=(Hidden("q", wanted.subject),)
            if wanted.subject
            else base.hidden("outcome", "model"),
        )


def _recorded(found: Found, attributions: Mapping[str, JsonValue]) -> Recorded:
    return Recorded(found.id, found.decided_at, found.outcome, found.margin, attributions)


def _facet(label: str, count: int, on_off: tuple[Filter, Filter], base: Filter, here: str) -> Facet:
    """A filter value: its link turns it on, or off where it is in force."""
    on, off = on_off
    target = off if on == base else on
    return Facet(label, wording.number(count), target.address(here), current=on == base)


def _chips(base: Filter, labels: Mapping[str, str], here: str) -> tuple[Chip, ...]:
    chips = []
    if base.since or base.until:
        span = " to ".join(
            (f"from {wording.day(base.since)}" if base.since else "",
             wording.day(base.until) if base.until else "")
        )  # fmt: skip
        span = span.removesuffix(" to ").removeprefix(" ")
        chips.append(Chip(span, replace(base, since=None, until=None).address(here)))
    if base.outcome:
        chips.append(Chip(wording.words(base.outcome), replace(base, outcome="").address(here)))
    if base.model:
        label = labels.get(base.model, wording.short_digest(base.model))
        chips.append(Chip(label, replace(base, model="").address(here)))
    if base.subject:
        chips.append(Chip("about one person", here))
    return tuple(chips)


def _empty(wanted: Filter) -> str:
    if wanted.subject:
        return "No decision about this reference, and none with this id."
    if wanted.narrows:
        return "No decision matches these filters."
    return "No decision has been recorded yet."


def _moves(wanted: Filter, found: Page, trail: str, here: str) -> tuple[str, str]:
    """Where the newer and the older page are: cursors for a form, addresses otherwise."""
    behind = [cursor for cursor in trail.split(TRAIL_MARK) if cursor]
    if len(behind) > MAX_TRAIL:
        raise MalformedError("not in the form that our own links have", member="trail")
    forward = [*behind, wanted.cursor][-MAX_TRAIL:] if wanted.cursor else behind
    back = behind[-1] if behind else ""
    if wanted.subject:
        # The browser's own way back leads to newer pages; a form carries one cursor only.
        return "", found.next_cursor or ""

    def address(cursor: str, steps: list[str]) -> str:
        target = replace(wanted, cursor=cursor).address(here)
        path = f"trail={TRAIL_MARK.join(steps)}" if steps else ""
        return target + (f"{'&' if '?' in target else '?'}{path}" if path else "")

    newer = address(back, behind[:-1]) if wanted.cursor else ""
    return newer, address(found.next_cursor, forward) if found.next_cursor else ""
