"""The shape of the tree: layers, sizes, names, and what a relying party has to load."""

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledger", "explain", "reports", "service")
PLACES = (*PACKAGES, "tests", "examples", "benchmarks", "docs", "requirements", ".ci")

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50  # of code: a docstring is a contract, and may be long
HARD_FUNCTION_LINES = 60  # with its docstring and the blank lines around it
FORBIDDEN_MODULES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}
FORBIDDEN_CLASS = re.compile(r"(Manager|Helper|Helpers|Util|Utils|ServiceObject)$")

LIGHT = {"ledger", "cryptography", "_cffi_backend", "_openssl", "rfc8785"}
"""What a relying party installs, and what those bring along; a client loads HTTP later."""


def sources(*places: str) -> tuple[Path, ...]:
    return tuple(
        path
        for place in places
        for path in sorted((ROOT / place).rglob("*.py"))
        if "__pycache__" not in path.parts
    )


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    """How many lines a function has without its docstring, and with it."""
    every = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return every, every
    return every - ((first.end_lineno or first.lineno) - first.lineno + 1), every


def test_the_layers_hold() -> None:
    check = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", [*PACKAGES, "tests", "examples", "benchmarks"])
def test_modules_are_short(place: str) -> None:
    sizes = {named(path): len(path.read_text("utf-8").splitlines()) for path in sources(place)}
    assert {name: size for name, size in sizes.items() if size >= MAX_MODULE_LINES} == {}


@pytest.mark.parametrize("place", [*PACKAGES, "examples", "benchmarks"])
def test_functions_are_short(place: str) -> None:
    long = {}
    # A migration states whole tables: it is a list, and never edited.
    for path in (path for path in sources(place) if "migrations" not in path.parts):
        for function in functions(path):
            code, every = lines_of(function)
            if code >= MAX_FUNCTION_LINES or every > HARD_FUNCTION_LINES:
                long[f"{named(path)}:{function.lineno} {function.name}"] = (code, every)
    assert long == {}


def test_names_say_what_a_thing_is() -> None:
    modules = [named(p) for p in sources(*PACKAGES, "tests") if p.stem in FORBIDDEN_MODULES]
    folders = [named(p) for p in sources(*PACKAGES) if set(p.parent.parts) & FORBIDDEN_MODULES]
    classes = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in sources(*PACKAGES)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and FORBIDDEN_CLASS.search(node.name)
    ]
    assert modules + folders + classes == []


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    found = []
    for path in sources(*PACKAGES, "tests", "examples", "benchmarks"):
        with tokenize.open(path) as text:
            found += [
                f"{named(path)}:{token.start[0]}"
                for token in tokenize.generate_tokens(text.readline)
                if token.type == tokenize.COMMENT and marks.search(token.string)
            ]
    assert found == []


@pytest.mark.parametrize(
    "module",
    [
        "ledger.verify.verifier",
        "ledger.verify.audit",
        "ledger.verify.__main__",
        "ledger.commitments",
        "ledger.client",
        "ledger.client.__main__",
    ],
)
def test_a_relying_party_loads_nothing_heavy(module: str) -> None:
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert module.partition(".")[0] in loaded
    assert loaded - LIGHT - sys.stdlib_module_names == set()


def test_the_base_install_is_what_a_relying_party_loads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[<>=~!;\[ ]", line)[0] for line in project["dependencies"]}
    assert names == {"cryptography", "rfc8785"}


SUFFIXES = {
    *{".cfg", ".css", ".csv", ".ftl", ".html", ".ini", ".js", ".json", ".md", ".mako"},
    *{".py", ".sh", ".sql", ".svg", ".toml", ".txt", ".yaml", ".yml", ""},
}


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project; what the targets make (.venv, demo, data) is not part of it."""
    inside = (path for place in PLACES for path in sorted((ROOT / place).rglob("*")))
    beside = (path for path in sorted(ROOT.iterdir()) if path.name != ".git")
    for path in (*inside, *beside):
        known = path.is_file() and path.suffix in SUFFIXES and not path.name.startswith(".coverage")
        if known and "__pycache__" not in path.parts:
            yield path, path.read_text("utf-8", errors="replace")


def hits(pattern: re.Pattern[str], skip: frozenset[str] = frozenset()) -> list[str]:
    return [
        f"{named(path)}:{number}"
        for path, text in texts()
        if named(path) not in skip
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


THIS = frozenset({named(Path(__file__))})


def test_no_path_of_anyones_machine() -> None:
    # Written in halves, so that this file is no hit of its own.
    roots = (
        "/ho" + "me/[a-z]",
        "/Us" + "ers/[A-Za-z]",
        "/ro" + "ot/",
        "/wo" + "rk/",
        r"[A-Z]:\\\\?Us" + "ers",
    )
    assert hits(re.compile(r"(?<![\w./-])(" + "|".join(roots) + ")")) == []


def test_no_address_of_a_package_index() -> None:
    assert [name for name in hits(re.compile(r"://")) if name.startswith("requirements/")] == []
    options = re.compile(r"--(extra-)?index" + r"-url|--find" + r"-links|files\.python" + "hosted")
    assert hits(options) == []


def test_no_personal_data_in_samples() -> None:
    # RFC 2606 and RFC 6761 reserve names for examples; any other address may be somebody's.
    address = re.compile(
        r"[\w.+-]+@(?!(?:[\w-]+\.)*(?:example(?:\.(?:com|net|org))?|invalid|test|localhost)\b)"
        r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b"
    )
    iban = re.compile(r"\b[A-Z]{2}\d{2}(?: \d{4}){3,}\b")
    social_security = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
    found = {pattern.pattern: hits(pattern, THIS) for pattern in (address, iban, social_security)}
    assert {pattern: places for pattern, places in found.items() if places} == {}
