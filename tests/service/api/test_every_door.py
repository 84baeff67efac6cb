"""Whatever can show personal data writes to the access log first, and shows nothing without it.

The addresses and commands are those that there are: a new one has to be put on one side here.
"""

from collections.abc import Iterator
from typing import Any, Final

import click
import pytest
from click.testing import CliRunner

from ledger.entries import parse_entry
from ledger.errors import PushbackError
from ledger.operate.access_log import AccessLog, Manner
from ledger.roles import PERMISSIONS, Permission, Role
from service.api.routes import PERMISSION
from service.cli import main
from tests.service.ui.conftest import enter

FREE: Final = {  # of people they show nothing: counts, registries, what is public, what is written
    *(Permission.DECISIONS_RECORD, Permission.MODELS_READ, Permission.MODELS_REGISTER),
    *(Permission.MODELS_APPROVE, Permission.MODELS_SUSPEND, Permission.SOURCES_STATE),
    *(Permission.OUTCOMES_RECORD, None),
}
OFFICER: Final = Role.DATA_PROTECTION_OFFICER
NOBODY: Final = "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71"
DISCLOSED: Final[dict[str, Any]] = {
    "records": [NOBODY], "fields": ["output"], "recipient": "a", "ground": "consent",
    "purpose": "b",
}  # fmt: skip
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/decisions/search": {"subject": "MTG-000123"},
    "/v1/disclosures": DISCLOSED,
    "/v1/disclosures/requests": DISCLOSED,
    "/v1/erasures": {"ground": "objection", "records": [NOBODY]},
    "/v1/erasures/<erasure_id>/refuse": {"reason": "withdrawn"},
    "/v1/holds": {
        "records": [NOBODY], "matter": "a", "ground": "b", "owner": "c",
        "review_at": "2026-09-01T00:00:00Z",
    },
    "/v1/holds/<hold_id>/release": {"reason": "closed"},
    "/v1/restrictions": {
        "records": [NOBODY], "ground": "objection", "review_at": "2026-09-01T00:00:00Z",
    },
    "/v1/own-references": {"key": NOBODY, "subject": "MTG-000123"},
    "/v1/own-references/withdraw": {"key": NOBODY, "subject": "MTG-000123"},
    "/v1/subjects/export": {"subject": "MTG-000123"},
    "/v1/decisions/<decision_id>/corrections": {"changes": {"input.late": 1}, "why": "a"},
    "/v1/decisions/<decision_id>/corrections/<correction_id>/close": {"why": "a"},
}  # fmt: skip
# Pages without anybody's data: who signs in, what the overview counts, models, an empty form.
FREE_PAGES: Final = {
    *("/", "/sign-in", "/sign-out", "/sources", "/sources/<name>", "/sources/<name>/explain"),
    *("/assets/<path:filename>", "/subjects"),
    *("/models", "/models/<reference>", "/models/<reference>/lineage.json"),
    *("/models/<reference>/features", "/policies/<reference>"),
    "/models/<reference>/over-time",
}
FORMS: Final[dict[str, dict[str, str]]] = {
    "/decisions/find": {"q": "MTG-000123"},
    "/erasures": {"ground": "objection", "records": NOBODY},
    "/erasures/<erasure_id>/refuse": {"reason": "withdrawn"},
    "/holds": {
        "records": NOBODY, "matter": "a", "ground": "b", "owner": "c", "review": "2026-09-01",
    },
    "/holds/<hold_id>/release": {"reason": "closed"},
    "/restrictions": {"ground": "objection", "records": NOBODY, "review": "2026-09-01"},
    "/subjects/export": {"subject": "MTG-000123"},
    "/accesses/own": {"key": NOBODY, "subject": "MTG-000123"},
    "/accesses/own/withdraw": {"key": NOBODY},
    "/decisions/<decision_id>/disclosures": {
        "field": "output", "recipient": "a", "ground": "consent", "purpose": "b",
    },
    "/decisions/<decision_id>/disclosures/ask": {
        "field": "output", "recipient": "a", "ground": "consent", "purpose": "b",
    },
}  # fmt: skip
DISCLOSE: Final = (
    "--record", "{id}", "--field", "output", "--recipient", "a", "--ground", "consent",
    "--reason", "b",
)  # fmt: skip
COMMANDS: Final[dict[str, list[str]]] = {
    "decisions find": [],
    "decisions show": ["{id}"],
    "explain": ["{id}"],
    "letter": ["{id}", "--html", "-o", "{out}"],
    "outcomes show": ["{id}"],
    "proof": ["{id}", "-o", "{out}"],
    "replay": ["{id}"],
    "attributions proof": [NOBODY],
    "monitor": ["--model", "mortgage-approval@1.0.0", "-o", "{out}"],
    "report": [
        "--model", "mortgage-approval@1.0.0", "--since", "2026-01-01", "--until", "2026-12-31",
        "--html", "-o", "{out}", "--sample", "1",
    ],
    "access declare": [NOBODY, "--subject", "MTG-000123", "--key-file", "{key}"],
    "access declared": ["--key-file", "{key}"],
    "access withdraw": [NOBODY, "--all", "--key-file", "{key}"],
    "access report": ["--month", "2026-05", "--key-file", "{key}"],
    "correction close": ["{id}", NOBODY, "--why", "a", "--key-file", "{key}"],
    "correction list": ["--key-file", "{key}"],
    "correction make": ["{id}", "--set", "input.late=1", "--why", "a", "--key-file", "{key}"],
    "correction show": ["{id}", "--key-file", "{key}"],
    "disclose ask": [*DISCLOSE, "--key-file", "{key}"],
    "disclose issue": [*DISCLOSE, "-o", "{out}", "--key-file", "{key}"],
    "disclose list": ["{id}", "--key-file", "{key}"],
    "erasure approve": [NOBODY, "--key-file", "{key}"],
    "erasure certificate": [NOBODY, "--key-file", "{key}"],
    "erasure list": ["--key-file", "{key}"],
    "erasure refuse": [NOBODY, "--reason", "withdrawn", "--key-file", "{key}"],
    "erasure request": ["--record", NOBODY, "--ground", "objection", "--key-file", "{key}"],
    "erasure show": [NOBODY, "--key-file", "{key}"],
    "hold list": ["--key-file", "{key}"],
    "hold release": [NOBODY, "--reason", "closed", "--key-file", "{key}"],
    "hold set": [
        "--record", NOBODY, "--matter", "a", "--ground", "b", "--owner", "c",
        "--review-days", "30", "--key-file", "{key}",
    ],
    "retention explain": ["{id}"],
    "retention list": ["--key-file", "{key}"],
    "retention run": ["--dry-run", "--key-file", "{key}"],
    "retention show": [NOBODY, "--key-file", "{key}"],
    "subject export": ["--subject", "MTG-000123", "-o", "{out}"],
    "subject informed": [NOBODY, "--key-file", "{key}"],
    "subject restrict": ["--record", NOBODY, "--ground", "objection", "--key-file", "{key}"],
}  # fmt: skip
FREE_GROUPS: Final = {
    *("backup", "continue", "cosign", "events", "export", "fork", "incident", "init", "key"),
    *("log", "model", "policy", "restore", "serve", "sources", "tenant", "timestamp", "vault"),
    *("verify", "witness"),
}
FREE_COMMANDS: Final = {
    *("attributions retry", "attributions status", "attributions work", "erasure clean-up"),
    *("retention rules", "retention status"),
    "outcomes import",
    "erasure resume",  # goes on with what two officers decided, and says that it is done
}


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An access log that cannot be written."""

    def away(*_: Any) -> None:
        raise PushbackError("the access log is away", retry_after=1)

    monkeypatch.setattr(AccessLog, "_write", away)


def path_of(rule: str, decision: str) -> str:
    path = rule.replace("<decision_id>", decision).replace("<month>", "2026-05")
    for name in ("<erasure_id>", "<hold_id>", "<disclosure_id>", "<correction_id>"):
        path = path.replace(name, NOBODY)
    return path


def rules(door: Any, *, pages: bool) -> Iterator[tuple[str, str, Permission | None]]:
    app = door.client.application
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("ui.") is pages:
            permission = getattr(app.view_functions[rule.endpoint], PERMISSION, None)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule, permission


def asks(door: Any) -> Iterator[tuple[str, Any]]:
    """Every address of the interface that can show something about a person, asked."""
    for method, rule, permission in rules(door, pages=False):
        if permission in FREE:
            continue
        assert permission is not None
        assert permission in PERMISSIONS[OFFICER]
        body = BODIES.get(rule, {}) if method == "POST" else None
        yield (
            f"{method} {rule}",
            lambda m=method, r=rule, b=body: door.ask(
                OFFICER, m, path_of(r, door.lender.ids[0]), b
            ),
        )


def size(door: Any) -> int:
    return int(door.lender.runtime.logs["access"].size())


def test_each_address_leaves_an_entry(door: Any) -> None:
    silent = []
    for name, ask in asks(door):
        before = size(door)
        ask().close()
        if size(door) == before:
            silent.append(name)
    assert silent == []


@pytest.mark.usefixtures("closed")
def test_no_address_answers_without_the_access_log(door: Any) -> None:
    answers = {name: ask().status_code for name, ask in asks(door)}
    assert {name: status for name, status in answers.items() if status != 503} == {}
    assert len(answers) > 15


@pytest.mark.usefixtures("closed")
def test_a_refusal_that_cannot_be_logged_is_no_answer_either(door: Any) -> None:
    assert door.ask(Role.MODEL_OWNER, "GET", "/v1/decisions").status_code == 503


def pages(door: Any) -> Iterator[tuple[str, Any]]:
    browser = enter(door.lender, OFFICER)
    browser.get("/sources")
    for method, rule, _ in rules(door, pages=True):
        if rule in FREE_PAGES:
            continue
        path = path_of(rule, door.lender.ids[0])
        if method == "POST":
            form = FORMS.get(rule, {})
            yield f"{method} {rule}", lambda p=path, f=form: browser.post(p, **f)
        else:
            yield f"{method} {rule}", lambda p=path: browser.get(p)


def test_each_page_leaves_an_entry(door: Any) -> None:
    silent = []
    for name, ask in pages(door):
        before = size(door)
        ask().close()
        if size(door) == before:
            silent.append(name)
    assert silent == []


def test_no_page_is_shown_without_the_access_log(door: Any, request: Any) -> None:
    asked = dict(pages(door))
    request.getfixturevalue("closed")
    answers = {name: ask().status_code for name, ask in asked.items()}
    assert {name: status for name, status in answers.items() if status != 503} == {}
    assert len(answers) > 12


def leaves(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            yield from leaves(inner, f"{name} {part}".strip())
    else:
        yield name


def test_every_command_is_on_one_side() -> None:
    watched = {
        name
        for name in leaves(main)
        if name.split()[0] not in FREE_GROUPS and name not in FREE_COMMANDS
    }
    assert watched == set(COMMANDS)


@pytest.fixture
def run(door: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LEDGER_DATA", str(door.lender.settings.data))
    monkeypatch.setattr("service.runtime.system_clock", door.lender.clock)
    key, out = tmp_path / "key", tmp_path / "out.zip"
    key.write_text(door.lender.keys[OFFICER])

    def invoke(name: str) -> tuple[Any, bool]:
        put = {"id": door.lender.ids[0], "key": str(key), "out": str(out)}
        arguments = [each.format(**put) for each in COMMANDS[name]]
        result = CliRunner().invoke(main, [*name.split(), *arguments])
        written = out.exists()
        out.unlink(missing_ok=True)
        return result, written

    return invoke


def test_each_command_leaves_an_entry(door: Any, run: Any) -> None:
    silent = {}
    for name in COMMANDS:
        before = size(door)
        result, _ = run(name)
        if size(door) == before:
            silent[name] = result.output
    assert silent == {}


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_anything_without_the_access_log(run: Any, name: str) -> None:
    result, written = run(name)
    assert (result.exit_code, written) == (2, False), result.output
    assert result.stdout == ""
    assert "the access log is away" in result.stderr


@pytest.mark.parametrize(
    ("path", "accept", "manner"),
    [
        ("/v1/decisions", "application/json", Manner.SEARCH),
        ("/v1/decisions/{id}", "application/json", Manner.READ),
        ("/v1/decisions/{id}/proof", "application/json", Manner.EXPORT),
        ("/v1/decisions/{id}/explanation", "text/html", Manner.PRINT),
        ("/v1/erasures", "application/json", Manner.ACT),
    ],
)
def test_the_entry_says_how_it_was_seen(door: Any, path: str, accept: str, manner: Manner) -> None:
    address = path.format(id=door.lender.ids[0])
    door.ask(OFFICER, "GET", address, Accept=accept)
    log = door.lender.runtime.access_log
    newest = next(log.log.entries(size(door) - 1))
    assert log.open(parse_entry(newest).id).manner is manner
