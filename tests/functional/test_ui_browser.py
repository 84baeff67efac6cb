"""The audit UI in a real Chromium: signing in by keyboard, proof and forgery, accessibility."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
from werkzeug.serving import make_server

from ledger.roles import Principal, Role
from service.over_time.figures import Period
from service.over_time.monitoring import monitor
from service.reading import Caller, Reading
from tests.service.ui.lender import Lender

CHROMIUM: Final = Path("/usr/bin/chromium")  # Debian's; Playwright's own would be a download
ARGUMENTS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DECISIONS: Final = 28  # more than a page
MONITORING: Final = Caller(Principal("k", "K", Role.DATA_PROTECTION_OFFICER), "model_monitoring")
LOOKS: Final = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 390)]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.enable_socket,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is not installed"),
]


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    lender = Lender(tmp_path_factory.mktemp("browser") / "data")
    lender.record(DECISIONS)
    yield lender
    lender.runtime.close()


@pytest.fixture(scope="module")
def site(lender: Lender) -> Iterator[str]:
    """The address of the running service; localhost, where browsers allow WebCrypto."""
    server = make_server("127.0.0.1", 0, lender.app(), threaded=True)
    # Closing waits for whoever still answers, and reads a database.
    server.daemon_threads = False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium(site: str) -> Iterator[Browser]:
    assert site  # asked for so that the browser is closed before it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


class Seen:
    """What a page asked for and complained about."""

    def __init__(self, page: Page, site: str) -> None:
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self._site = site
        page.on("request", self._asked)
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(f"{self._site}/"):
            self.elsewhere.append(request.url)


def signed_in(
    chromium: Browser, site: str, lender: Lender, role: Role = Role.CASE_HANDLER, **options: Any
) -> tuple[BrowserContext, Page, Seen]:
    context = chromium.new_context(base_url=site, **options)
    page = context.new_page()
    seen = Seen(page, site)
    page.goto("/sign-in")
    page.fill("#key", lender.keys[role])
    page.select_option("#purpose", "review")
    page.click("main button")
    page.wait_for_url(f"{site}/")
    return context, page, seen


@pytest.fixture
def visit(chromium: Browser, site: str, lender: Lender) -> Iterator[tuple[Page, Seen]]:
    context, page, seen = signed_in(chromium, site, lender)
    yield page, seen
    context.close()


def counted_over_time(lender: Lender) -> str:
    """The model's digest, once its page over time has figures."""
    found = monitor(
        lender.runtime, Reading(lender.runtime, MONITORING), "mortgage-approval@1.0.0",
        by=Period.YEAR, reference=None, anew=False, told=lambda _done, _of: None,
    )  # fmt: skip
    assert found.periods[0].features
    return found.digest


def faults(page: Page) -> list[tuple[str, str]]:
    """What axe finds against any of its rules: WCAG 2.2 A and AA, and best practice."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]


def verdict(page: Page) -> str:
    page.wait_for_selector("[data-verdict][data-state]")
    return page.inner_text("[data-verdict]")


def states(page: Page) -> dict[str, str | None]:
    steps = page.query_selector_all("[data-step]")
    return {str(step.get_attribute("data-step")): step.get_attribute("data-state")
            for step in steps}  # fmt: skip


def test_the_proof_holds_and_a_changed_entry_does_not(
    visit: tuple[Page, Seen], lender: Lender
) -> None:
    page, seen = visit
    page.goto(f"/decisions/{lender.ids[5]}")
    assert verdict(page) == "Recomputed in your browser: it holds"
    every = ("leaf", "signature", "inclusion", "values")
    assert states(page) == dict.fromkeys(every, "yes")
    page.click("[data-tamper]")
    page.wait_for_selector("[data-verdict][data-state=no]")
    assert "the proof fails" in page.inner_text("[data-verdict]")
    assert states(page) == {"leaf": "no", "signature": "yes", "inclusion": "no", "values": "yes"}
    page.click("[data-check]")
    page.wait_for_selector("[data-verdict][data-state=yes]")
    assert (seen.elsewhere, seen.errors) == ([], [])


def test_a_value_changed_on_the_page_is_noticed(visit: tuple[Page, Seen], lender: Lender) -> None:
    page, _ = visit
    page.goto(f"/decisions/{lender.ids[5]}")
    verdict(page)
    page.eval_on_selector("#committed tbody tr td:nth-child(3)", "cell => cell.textContent = '1'")
    page.click("[data-check]")
    page.wait_for_selector("[data-verdict][data-state=no]")
    assert states(page)["values"] == "no"


FORGERIES: Final = r"""{
  "nothing": () => {},
  "another index": (r) => { r.index += 1; },
  "a short path": (r) => { r.path.pop(); },
  "a long path": (r) => { r.path.push(r.path[0]); },
  "a hash that is not one": (r) => { r.path[0] = r.path[0].slice(1); },
  "another size": (r) => { r.note = r.note.replace(/\n(\d+)\n/, (_, n) => `\n${Number(n) + 1}\n`); },
  "another root": (r) => { r.note = r.note.replace(/\n(.)(.{42}=)\n/, (_, c, rest) => `\n${c === "A" ? "B" : "A"}${rest}\n`); },
  "another log": (r) => { r.note = r.note.replaceAll("ledger.example", "evil.example"); },
  "another key": (r, p) => { p.vkey = `${p.vkey.slice(0, -4)}AAAA`; },
  "no key": (r, p) => { p.vkey = ""; },
  "another leaf shown": (r, p) => { p.leaf = `00${p.leaf.slice(2)}`; },
  "another record": (r, p) => { p.entryId = "0196ceb1-7f4a-7c31-9d2e-8a51c0f361f2"; },
  "another value": (r, p) => { p.fields[0].value = "99"; },
  "another salt": (r, p) => { p.fields[0].salt = "AAAAAAAAAAAAAAAAAAAAAA=="; },
  "a value left out": (r, p) => { p.fields.splice(1, 1); },
}"""
# Called through the page's own module; the policy forbids inline code, not a debugger.
TRY_ALL: Final = """async () => {
  const { parseReceipt, verify } = await import(document.querySelector("script[type=module]").src);
  const panel = document.querySelector("#proof").dataset;
  const text = await (await fetch(panel.receipt)).text();
  const rows = Array.from(document.querySelectorAll("#committed tbody tr"));
  const refused = {};
  for (const [name, change] of Object.entries(FORGERIES)) {
    const fields = rows.map((row) => {
      const [section, field, value, salt] = Array.from(row.cells, (cell) => cell.textContent);
      return { section, name: field, value, salt };
    });
    const page = { vkey: panel.key, leaf: panel.leaf, entryId: panel.entry, fields };
    const receipt = parseReceipt(text);
    change(receipt, page);
    const verdicts = await verify({ receipt, ...page });
    refused[name] = verdicts.filter((each) => !each.holds).map((each) => each.step);
  }
  return refused;
}""".replace("FORGERIES", FORGERIES)


def test_every_forgery_is_refused_by_the_script(visit: tuple[Page, Seen], lender: Lender) -> None:
    page, _ = visit
    page.goto(f"/decisions/{lender.ids[7]}")
    verdict(page)
    assert page.evaluate(TRY_ALL) == {
        "nothing": [],
        "another index": ["inclusion"],
        "a short path": ["inclusion"],
        "a long path": ["inclusion"],
        "a hash that is not one": ["inclusion"],
        "another size": ["signature", "inclusion"],
        "another root": ["signature", "inclusion"],
        "another log": ["signature", "inclusion"],
        "another key": ["signature", "inclusion"],
        "no key": ["signature", "inclusion"],
        "another leaf shown": ["leaf"],
        "another record": ["values"],
        "another value": ["values"],
        "another salt": ["values"],
        "a value left out": ["values"],
    }


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nobody_is_shut_out(
    chromium: Browser, site: str, lender: Lender, scheme: str, width: int
) -> None:
    context, page, seen = signed_in(
        chromium, site, lender,
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce",
    )  # fmt: skip
    record = lender.ids[2]
    rare: tuple[str, ...] = ()
    if (scheme, width) == LOOKS[0]:
        rare = ("/decisions?since=2030-01-01", "/decisions/none",
                "/models/mortgage-approval@1.0.0/features",
                "/policies/mortgage-cutoff@1.0.0?against=mortgage-cutoff@1.0.0")  # fmt: skip
    pages = ("/", "/decisions?outcome=declined", "/sources", "/sources/loan-desk", "/models",
             "/models/mortgage-approval@1.0.0")  # fmt: skip
    over_time = f"/models/{counted_over_time(lender)}/over-time"
    for address in (*pages, over_time, f"/decisions/{record}", *rare):
        page.goto(address)
        if address == over_time:
            assert page.get_by_text("Within chance").or_(page.get_by_text("Reference")).count()
        if address.endswith(record):
            verdict(page)
            page.eval_on_selector_all(
                "details", "all => all.forEach((one) => { one.open = true; })"
            )
        assert faults(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    page.click("text=Sign out")
    assert faults(page) == []
    assert seen.elsewhere == []
    context.close()


@pytest.mark.slow
def test_no_officer_is_shut_out(chromium: Browser, site: str, lender: Lender) -> None:
    context, page, seen = signed_in(
        chromium, site, lender, Role.DATA_PROTECTION_OFFICER, reduced_motion="reduce"
    )
    record = lender.ids[4]
    for address in ("/accesses", "/accesses/own", f"/decisions/{record}/disclosures"):
        page.goto(address)
        for dark, width in ((False, 390), (True, 1440)):
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.set_viewport_size({"width": width, "height": 900})
            assert faults(page) == [], (address, dark)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    page.check("text=loan_to_value")
    page.fill("#recipient", "The Court")
    page.select_option("#ground", "legal_claims")
    page.fill("#purpose", "Evidence in a case")
    with page.expect_download() as download:
        page.click("text=Disclose, as a file")
    assert download.value.suggested_filename.endswith(".zip")
    page.reload()
    assert page.is_visible("text=The Court")
    page.click("text=Disclose, as a file")
    assert page.evaluate("document.activeElement.id") == "recipient"  # the browser asks for it
    page.fill("#recipient", "The Court")
    page.fill("#purpose", "Evidence in a case")
    page.click("text=Disclose, as a file")
    assert "not 1 to 500 fields" in page.inner_text("[role=alert]")
    assert faults(page) == []
    assert seen.elsewhere == []
    context.close()


def test_signing_in_needs_no_mouse(chromium: Browser, site: str, lender: Lender) -> None:
    context = chromium.new_context(base_url=site)
    page = context.new_page()
    page.goto("/decisions")
    assert page.url.endswith("/sign-in?to=/decisions")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(lender.keys[Role.AUDITOR])
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Sign in"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/decisions")
    assert "Purpose: Handling of a case" in page.inner_text(".who")
    context.close()


def test_rows_have_one_line_and_filters_fold_on_a_phone(
    chromium: Browser, site: str, lender: Lender
) -> None:
    context, page, _ = signed_in(chromium, site, lender, viewport={"width": 1440, "height": 900})
    page.goto("/decisions")
    heights = page.eval_on_selector_all(
        "table.decisions tbody tr", "rows => rows.map((row) => row.offsetHeight)"
    )
    assert len(heights) == 25
    assert max(heights) - min(heights) <= 1
    assert max(heights) <= 40
    assert page.is_visible("#since")
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.is_visible("#since")
    page.click(".filters summary")
    assert page.is_visible("#since")
    context.close()


def test_the_pages_work_without_javascript(chromium: Browser, site: str, lender: Lender) -> None:
    context, page, _ = signed_in(chromium, site, lender, java_script_enabled=False)
    page.goto("/decisions")
    total = int(page.inner_text(".heading .soft").split()[0])  # another test erases some
    page.click("text=Older")
    expect(page.locator("table.decisions tbody tr")).to_have_count(total - 25)
    page.goto(f"/decisions/{lender.ids[0]}")
    assert "that needs JavaScript" in page.inner_text("[data-verdict]")
    assert not page.is_visible("[data-tamper]")
    assert page.is_visible("text=Check it without this site")
    context.close()


@pytest.mark.slow
def test_two_officers_erase_a_decision(chromium: Browser, site: str, lender: Lender) -> None:
    """Asking and agreeing in two browsers; afterwards the page of the decision is gone."""
    keys = lender.runtime.api_keys
    officer = Role.DATA_PROTECTION_OFFICER
    pages = []
    for name in ("Ann of the office", "Ben of the office"):
        context = chromium.new_context(base_url=site)
        page = context.new_page()
        pages.append((context, page, Seen(page, site)))
        page.goto("/sign-in")
        page.fill("#key", keys.issue(name, officer)[0])
        page.select_option("#purpose", "data_subject_request")
        page.click("main button")
        page.wait_for_url(f"{site}/")
    (_, ann, _), (_, ben, seen) = pages
    ann.click("nav >> text=Erasures")
    assert faults(ann) == []
    ann.fill("#erase-records", lender.ids[9])
    ann.select_option("#ground", "objection")
    ann.click("text=Ask for it")
    ann.wait_for_selector("text=another officer has to approve it")
    ben.goto(ann.url.removeprefix(site))
    assert faults(ben) == []
    ben.click("text=Approve, and erase for good")
    ben.wait_for_selector("text=Erased, key destroyed")
    with ben.expect_download() as download:
        ben.click("text=Certificate")
    assert lender.ids[9] in download.value.path().read_text("utf-8")
    assert seen.errors == []
    ben.goto(f"/decisions/{lender.ids[9]}")
    assert "This record was erased" in ben.inner_text("h1")
    assert verdict(ben) == "Recomputed in your browser: it holds"
    ben.goto("/holds")
    assert faults(ben) == []
    ben.fill("#hold-records", lender.ids[8])
    for field in ("matter", "hold-ground", "owner"):
        ben.fill(f"#{field}", f"the {field}")
    ben.fill("#review", f"{lender.now + timedelta(days=90):%Y-%m-%d}")
    ben.click("text=Set the hold")
    ben.wait_for_selector("text=In force")
    for width in (1440, 390):
        ben.set_viewport_size({"width": width, "height": 900})
        for address in ("/holds", "/erasures"):
            ben.goto(address)
            assert faults(ben) == []
            assert ben.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.elsewhere == []
    for context, _, _ in pages:
        context.close()
