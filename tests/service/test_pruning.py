"""Pruning as an operator does it: said first, then withheld over HTTP and in what is exported."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from ledger.entries import SourceRegistered, uuid7
from ledger.operate.sequencer import Draft
from ledger.tlog.policy import Policy
from ledger.tlog.pruning import MinimumIndex
from ledger.verify.audit import audit
from ledger.verify.directory_reader import DirectoryLogReader
from service.assembly import assemble
from service.cli import main
from service.founding import found
from service.runtime import Runtime, log_retention
from service.settings import Settings

ORIGIN = "ledger.example/demo"
SIZE = 600  # entries of the log of decisions: two full bundles and a partial one
WHY = "Entries are published for ten years."
Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data=tmp_path / "data", origin=ORIGIN)
    found(made)
    return made


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    opened = Runtime.open(settings)
    body = SourceRegistered(source="loan-desk", first=0)
    ids = (uuid7(1_700_000_000_000 + n, bytes(10)) for n in range(SIZE - 1))
    opened.logs["decisions"].append([Draft.of(each, body) for each in ids])
    yield opened
    opened.close()


@pytest.fixture
def run(runtime: Runtime) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        runner = CliRunner(env={"LEDGER_DATA": str(runtime.settings.data)})
        done = runner.invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done

    return invoke


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    return assemble(runtime).test_client()


def test_it_says_first_what_becomes_unavailable(run: Run, runtime: Runtime) -> None:
    asked = ("log", "prune", "decisions", "--below", "300", "--policy", WHY)
    said = run(*asked, "--dry-run").output
    assert "has 600 entries" in said
    assert "No longer published: entries 0 to 255, accepted 20" in said
    assert "Still published: entries 256 to 599" in said
    assert "Nothing was changed." in said
    assert log_retention(runtime.settings, "decisions").minimum().index == 0
    assert "The minimum index of ledger.example/demo/log/decisions is 300." in run(*asked).output
    assert log_retention(runtime.settings, "decisions").minimum() == MinimumIndex(
        f"{ORIGIN}/log/decisions", 300, WHY
    )
    assert log_retention(runtime.settings, "access").minimum().index == 0
    shown = run("log", "show").output
    assert "decisions: 600 entries, published from entry 256 on" in shown
    assert f"minimum index 300, by the policy: {WHY}" in shown
    assert "access: 1 entries, published from entry 0 on" in shown
    more = run("log", "prune", "decisions", "--below", "301", "--policy", WHY).output
    assert "No further entry becomes unavailable" in more
    every = run("log", "prune", "decisions", "--below", "600", "--policy", WHY).output
    assert "entries 256 to 511" in every
    assert "Still published: entries 512 to 599" in every


def test_it_refuses_what_it_must_not_do(run: Run, runtime: Runtime) -> None:
    prune = ("log", "prune", "decisions", "--policy", WHY, "--below")
    assert "cannot exceed" in run(*prune, "601", code=1).output
    assert "--policy" in run("log", "prune", "decisions", "--below", "5", code=2).output
    assert "state it" in run("log", "prune", "decisions", "--below", "5", "--policy", " ", code=2).output  # fmt: skip
    run(*prune, "0", code=2)
    run(*prune, "512")
    assert "only be raised" in run(*prune, "300", code=1).output
    run("log", "prune", "elsewhere", "--below", "5", "--policy", WHY, code=2)


def test_a_log_of_full_bundles_can_be_withheld_whole(run: Run, runtime: Runtime) -> None:
    log = runtime.logs["decisions"]
    body = SourceRegistered(source="loan-desk", first=0)
    ids = [uuid7(1_800_000_000_000 + n, bytes(10)) for n in range(768 - SIZE)]
    log.append([Draft.of(each, body) for each in ids])
    done = run("log", "prune", "decisions", "--below", "768", "--policy", WHY)
    assert "Still published: no entry" in done.output


def test_what_is_withheld_is_not_found_and_says_why(runtime: Runtime, client: FlaskClient) -> None:
    paths = ("0/000", "0/000.p/7", "entries/000", "entries/000.p/7", "entries/001", "0/001")
    before = {path: client.get(f"/log/decisions/tile/{path}") for path in paths}
    assert {got.status_code for got in before.values()} == {200}
    told = client.get("/log/decisions/minimum-index")
    assert (told.status_code, told.text) == (200, f"{ORIGIN}/log/decisions\n0\n")
    log_retention(runtime.settings, "decisions").prune(300, WHY, SIZE)
    after = {path: client.get(f"/log/decisions/tile/{path}") for path in paths}
    assert {path for path, got in after.items() if got.status_code == 200} == {"entries/001", "0/001"}  # fmt: skip
    gone = after["entries/000"]
    assert (gone.status_code, gone.get_json()["type"]) == (404, "/problems/pruned")
    detail = gone.get_json()["detail"]
    assert "from entry 256 on" in detail
    assert "minimum index is 300" in detail
    assert WHY in detail
    assert client.get("/problems/pruned").status_code == 200
    assert client.get("/log/decisions/tile/1/000.p/2").status_code == 200
    assert client.get("/log/access/tile/entries/000.p/1").status_code == 200
    told = client.get("/log/decisions/minimum-index")
    assert told.data == log_retention(runtime.settings, "decisions").minimum().format()
    assert told.headers["Cache-Control"] == "public, max-age=1"
    assert client.get("/log/other/minimum-index").status_code == 404
    # The keeper can still prove an entry that is withheld.
    assert runtime.logs["decisions"].receipt_at(3).index == 3


def test_a_damaged_file_closes_the_tiles_and_nothing_else(
    runtime: Runtime, client: FlaskClient
) -> None:
    log_retention(runtime.settings, "decisions").prune(300, WHY, SIZE)
    (runtime.settings.data / "pruning" / "decisions.txt").write_bytes(b"nonsense")
    for path in ("tile/entries/001", "tile/0/000", "minimum-index"):
        got = client.get(f"/log/decisions/{path}")
        assert (got.status_code, got.get_json()["type"]) == (503, "/problems/unavailable")
    assert client.get("/log/decisions/checkpoint").status_code == 200


def test_a_pruned_export_verifies_from_the_minimum_index_on(
    run: Run, runtime: Runtime, tmp_path: Path
) -> None:
    log_retention(runtime.settings, "decisions").prune(300, WHY, SIZE)
    public = tmp_path / "public"
    assert "from entry 256 on" in run("export", str(public)).output
    assert not (public / "decisions/tile/entries/000").exists()
    assert not (public / "access/minimum-index").exists()
    policy = Policy.parse((public / "policy.txt").read_text())
    result = audit(DirectoryLogReader(public / "decisions"), policy)
    assert (result.findings, result.size) == ((), SIZE)
    assert result.pruned is not None
    assert audit(DirectoryLogReader(public / "access"), policy).pruned is None


def test_an_earlier_export_loses_its_files_only_when_asked(
    run: Run, runtime: Runtime, tmp_path: Path
) -> None:
    public = tmp_path / "public"
    (public / "decisions/tile/entries/000.p").mkdir(parents=True)
    (public / "decisions/tile/entries/000.p/7").write_bytes(b"of an export while it was short")
    (public / "decisions/tile/mine.txt").write_bytes(b"not ours")
    run("export", str(public))
    assert "0 files deleted" in run("export", str(public), "--from-minimum").output
    log_retention(runtime.settings, "decisions").prune(512, WHY, SIZE)
    run("export", str(public))
    assert (public / "decisions/tile/entries/000").exists()
    done = run("export", str(public), "--from-minimum").output
    assert "decisions: 600 entries, 1 files written, from entry 512 on, 5 files deleted" in done
    left = {path.relative_to(public / "decisions").as_posix()
            for path in (public / "decisions").rglob("*") if path.is_file()}  # fmt: skip
    assert left == {
        *("checkpoint", "minimum-index", "tile/0/002.p/88", "tile/1/000.p/2"),
        *("tile/entries/002.p/88", "tile/mine.txt"),
    }
    policy = Policy.parse((public / "policy.txt").read_text())
    assert audit(DirectoryLogReader(public / "decisions"), policy).findings == ()


def test_growth_is_proved_to_somebody_with_an_old_checkpoint(
    run: Run, runtime: Runtime, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(runtime.logs["access"].checkpoint())
    grown = tmp_path / "grown.cose"
    asked = ("log", "growth", "access", "--from", str(kept), "--cose", str(grown))
    assert "no growth" in run(*asked, code=1).output
    body = SourceRegistered(source="loan-desk", first=0)
    runtime.logs["access"].append([Draft.of(uuid7(1_900_000_000_000, bytes(10)), body)])
    run(*asked)
    policy = str(runtime.settings.policy_path)
    done = run("verify", str(grown), "--checkpoint", str(kept), "--policy", policy)
    assert "nothing of what was signed before was rewritten" in done.output
    run(*asked[:-1], str(tmp_path / "grown.cbor"), code=2)
    kept.write_text(runtime.logs["decisions"].checkpoint())
    run(*asked, code=1)
