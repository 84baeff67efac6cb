"""The documents say what exists: links lead somewhere, names are all there, snippets run."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast, get_type_hints

import click
import pytest

from ledger import roles
from ledger.entries import Kind
from ledger.operate.access_log import Purpose
from ledger.storage import models
from ledger.verify.findings import Code
from service import problems, settings
from service.api.routes import PERMISSION
from service.assembly import assemble
from service.cli import main
from service.log_lines import FIELDS
from service.runtime import Runtime

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = tuple(sorted((*ROOT.glob("*.md"), *DOCS.rglob("*.md"))))
PACKAGES = ("ledger", "explain", "reports", "service")

SNIPPET_SECONDS = 120  # a snippet may make keys and a database, and start Python several times
MARK = re.compile(r"^<!-- tested -->$", re.MULTILINE)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def mentions(page: str, name: str) -> bool:
    """Whether a page names something in code type: alone, in a list, or in a command."""
    return (
        re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", text_of(page))
        is not None
    )


# Links


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, punctuation dropped, blanks as hyphens."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
    return kept.strip().replace(" ", "-")


def prose(path: Path) -> str:
    """The page without its code blocks, where a bracket is not a link and `#` no heading."""
    return re.sub(r"^(```|~~~).*?^\1", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    return {slug(found) for found in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        place, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        aim = (page.parent / place).resolve() if place else page
        if not aim.exists() or (anchor and (aim.suffix != ".md" or anchor not in anchors(aim))):
            broken.append(target)
    assert broken == []


def test_every_decision_record_is_numbered_once_and_complete() -> None:
    records = sorted(path for path in (DOCS / "adr").glob("*.md") if path.name != "template.md")
    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    sections = re.findall(r"^## (.*)$", (DOCS / "adr/template.md").read_text("utf-8"), re.MULTILINE)
    for path in records:
        found = re.findall(r"^## (.*)$", path.read_text("utf-8"), re.MULTILINE)
        assert set(found) <= set(sections), path.name
        assert {"Decision", "Consequences"} <= set(found), path.name


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [
        line for extra in extras if extra != "demo" for line in extras[extra]
    ]
    names = {re.split(r"[<>=~!;\[ ]", line)[0] for line in lines}
    rows = re.findall(r"^\| ([a-z0-9, -]+) \|", text_of("adr/0007-dependencies.md"), re.MULTILINE)
    names.discard("decision-ledger")  # an extra that brings the others
    assert {name for row in rows for name in row.split(", ")} == names


# Names


def test_every_setting_is_documented() -> None:
    assert [name for name in settings.KNOWN if not mentions("operating.md", name)] == []


def test_every_field_of_the_settings_can_be_set() -> None:
    known = {member for member, _ in settings.KNOWN.values()}
    assert {field.name for field in fields(settings.Settings)} == known


def test_no_setting_is_documented_that_does_not_exist() -> None:
    every = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert set(re.findall(r"\bLEDGER_[A-Z_]+\b", every)) <= settings.KNOWN.keys() | settings.OTHERS


def test_every_problem_type_is_documented_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", text_of("api.md"), re.MULTILINE))
    assert rows == {slug: str(kind.status) for slug, kind in problems.KINDS.items()}


def test_every_kind_of_entry_is_documented() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", text_of("formats.md"), re.MULTILINE)
    assert sorted(set(rows) & set(Kind)) == sorted(Kind)


def test_every_logger_is_on_the_page_about_personal_data() -> None:
    sources = [path.read_text("utf-8") for p in PACKAGES for path in (ROOT / p).rglob("*.py")]
    named_so = {
        name
        for text in sources
        for name in re.findall(rf'getLogger\("((?:{"|".join(PACKAGES)})[^"]*)"\)', text)
    }
    assert named_so
    assert [name for name in named_so if not mentions("personal-data.md", name)] == []


def test_every_field_of_a_log_line_is_documented_and_no_other() -> None:
    page = text_of("personal-data.md")
    sentence = re.search(r"these fields and no others: (.*?)\.\n", page, re.DOTALL)
    assert sentence is not None
    assert tuple(re.findall(r"`([a-z]+)`", sentence[1])) == FIELDS


def test_every_finding_of_an_audit_is_documented() -> None:
    assert [str(code) for code in Code if not mentions("formats.md", code)] == []


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield " ".join(path)


def test_every_command_is_documented() -> None:
    known = sorted(commands(main))
    assert known
    assert [name for name in known if not mentions("operating.md", f"decision-ledger {name}")] == []


def test_no_command_is_documented_that_does_not_exist() -> None:
    known = set(commands(main))
    groups = {name.partition(" ")[0] for name in known if " " in name}
    called = re.compile(
        r"(?:`|^ *(?:\$ )?)decision-ledger ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", re.MULTILINE
    )
    for page in PAGES:
        for first, second in called.findall(page.read_text("utf-8")):
            assert (f"{first} {second}" if first in groups and second else first) in known | groups


def test_every_permission_and_role_is_documented_as_it_is() -> None:
    table = dict(
        re.findall(
            r"^\| `([a-z_]+)` \| ((?:`[a-z_]+`(?:, )?)+) \|", text_of("api.md"), re.MULTILINE
        )
    )
    written = {role: set(re.findall(r"`([a-z_]+)`", cell)) for role, cell in table.items()}
    assert written == {str(role): set(map(str, may)) for role, may in roles.PERMISSIONS.items()}


def test_every_address_is_documented_with_its_permission() -> None:
    # Only the table of addresses is read, so no ledger has to stand behind it.
    nothing = SimpleNamespace(
        settings=settings.Settings(data=Path()), session_key=b"", databases=()
    )
    app = assemble(cast("Runtime", nothing))
    served = {
        (method, rule.rule): str(getattr(app.view_functions[rule.endpoint], PERMISSION) or "")
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], PERMISSION)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    row = re.compile(r"^\| `([A-Z]+)` \| `([^`]+)` \| (?:`([a-z_]+)`|–) \|", re.MULTILINE)
    written = {(method, rule): may for method, rule, may in row.findall(text_of("api.md"))}
    assert written == served


def test_every_purpose_is_documented() -> None:
    assert [str(purpose) for purpose in Purpose if not mentions("api.md", purpose)] == []


def test_every_column_is_on_the_page_about_personal_data() -> None:
    tables = (*models.ledger.tables.values(), *models.vault.tables.values())
    columns = {f"{table.name}.{column.name}" for table in tables for column in table.columns}
    known = {table.name for table in tables}
    pairs = re.findall(r"`([a-z_]+)\.([a-z_]+)`", text_of("personal-data.md"))
    assert {f"{table}.{column}" for table, column in pairs if table in known} == columns


def test_every_table_and_file_has_its_sentence_in_the_threat_model() -> None:
    tables = (*models.ledger.tables, *models.vault.tables)
    properties = {
        name: member.fget
        for name, member in vars(settings.Settings).items()
        if isinstance(member, property) and member.fget is not None
    }
    here = settings.Settings(data=Path("here"))
    files = [
        getattr(here, name).name
        for name, read in properties.items()
        if get_type_hints(read)["return"] is Path
    ]
    assert {"keys", "vault.kek", "fork-suspected"} <= set(files)
    rows = set(re.findall(r"^\| `([^`]+)` \|", text_of("threat-model.md"), re.MULTILINE))
    assert [name for name in tables if name not in rows] == []
    assert [name for name in files if not {name, f"{name}/"} & rows] == []


def test_every_test_that_a_page_names_is_there() -> None:
    every = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [
        path
        for path in set(re.findall(r"`(tests/[^`]+\.py)`", every))
        if not (ROOT / path).exists()
    ] == []


# Snippets


@dataclass(frozen=True, slots=True)
class Snippet:
    """One marked block of code: where it stands, its language and its text."""

    place: str
    language: str
    code: str


def snippets(page: Path) -> list[Snippet]:
    block = re.compile(rf"{MARK.pattern}\n```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    text = page.read_text("utf-8")
    return [
        Snippet(f"{named(page)}:{text.count(chr(10), 0, found.start()) + 2}", found[1], found[2])
        for found in block.finditer(text)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if MARK.search(page.read_text("utf-8"))], ids=named
)
def test_marked_snippets_run(page: Path, tmp_path: Path) -> None:
    """Blocks under `<!-- tested -->` run in order, in one empty directory, and all succeed."""
    marked = snippets(page)
    marks = MARK.findall(page.read_text("utf-8"))
    assert len(marked) == len(marks), "a mark stands over no sh or python block"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LEDGER_")}
    path = os.pathsep.join((str(Path(sys.executable).parent), inherited.get("PATH", "")))
    for snippet in marked:
        run = ["sh", "-eu", "-c"] if snippet.language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*run, snippet.code],
            cwd=tmp_path,
            env=inherited | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=SNIPPET_SECONDS,
        )
        assert done.returncode == 0, f"{snippet.place}\n{done.stdout}{done.stderr}"


# Docstrings


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def definitions(
    body: list[ast.stmt],
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def undocumented(path: Path) -> Iterator[str]:
    """The public names of a module, and the module itself, that promise nothing."""
    module = ast.parse(path.read_text("utf-8"))
    found: list[tuple[str, Documented]] = [("module", module)]
    for node in definitions(module.body):
        if not node.name.startswith("_"):
            found.append((node.name, node))
            inner = definitions(node.body) if isinstance(node, ast.ClassDef) else ()
            found += [(f"{node.name}.{n.name}", n) for n in inner if not n.name.startswith("_")]
    for name, documented in found:
        if not re.search(r"[a-z]{3}", ast.get_docstring(documented) or ""):
            yield f"{named(path)}: {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_says_what_it_promises(package: str) -> None:
    modules = [
        path
        for path in sorted((ROOT / package).rglob("*.py"))
        if not {"__pycache__", "versions"} & set(path.parts)
    ]
    assert modules
    assert [line for path in modules for line in undocumented(path)] == []
