"""A log whose beginning is withheld: checked from there on, and silent about the rest."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import EntryBundle, Tile
from ledger.verify import report
from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.directory_reader import DirectoryLog, DirectoryLogReader
from ledger.verify.findings import Code, Findings
from ledger.verify.http_reader import HttpLogReader
from ledger.verify.processes import Processes
from ledger.verify.reader import StoredCheckpoint, StoredRun
from ledger.verify.tree_walk import TreeWalk
from tests.ledger.verify.audits import SIZE, audited, found, honest, log
from tests.ledger.verify.tile_log import ORIGIN, POLICY, Liar, edited, note, tiles_of
from tests.ledger.verify.web import Site, served

WHY = "Ten years."


def pruned(path: Path, index: int, liar: Liar | None = None) -> Path:
    """A directory as its keeper publishes it, without what lies below the index."""
    minimum = MinimumIndex(ORIGIN, index, WHY)
    directory = (liar or Liar(log())).directory(path)
    for bundle in map(EntryBundle, range(SIZE // 256 + 1)):
        if minimum.withholds(bundle):
            (directory / bundle.path()).unlink()
    for tile in tiles_of(honest()):
        if minimum.withholds(tile):
            (directory / tile.path()).unlink()
    (directory / "minimum-index").write_bytes(minimum.format())
    return directory


@pytest.mark.parametrize("index", [256, 300, 512, 599, 600])
def test_it_is_fine_from_the_minimum_index_on(tmp_path: Path, index: int) -> None:
    result = audited(pruned(tmp_path / "t", index))
    assert result.findings == ()
    assert result.pruned == MinimumIndex(ORIGIN, index, WHY)
    assert (result.size, result.checkpoints, result.located) == (SIZE, 1, True)
    assert sum(dict(result.counts).values()) == SIZE - index // 256 * 256
    text = "\n".join(report.audit_lines(result))
    first = index // 256 * 256
    assert f"entries 0 to {first - 1}: not available here, pruned by the policy" in text
    assert f"RESULT: fine from entry {first} on." in text
    assert f"every entry's bytes from entry {first} on: form" in text
    document = report.audit_json(result)
    assert document["minimum_index"] == index


def test_a_minimum_below_one_bundle_withholds_nothing(tmp_path: Path) -> None:
    result = audited(pruned(tmp_path / "t", 255))
    assert (result.findings, result.pruned) == ((), None)
    assert dict(result.counts)["log_created"] == 1


def test_an_edit_after_it_is_found(tmp_path: Path) -> None:
    raws = log()
    stored = dict(enumerate([*raws[:550], edited(raws[550]), *raws[551:]]))
    result = audited(pruned(tmp_path / "t", 512, Liar(raws, stored)))
    assert (Code.TILE_DIFFERS, 550) in found(result)
    text = "\n".join(report.audit_lines(result))
    assert "NOT FINE" in text
    assert "entries here and not named are as signed" in text


def test_an_entry_that_should_be_there_is_missed(tmp_path: Path) -> None:
    directory = pruned(tmp_path / "t", 300)
    (directory / EntryBundle(1).path()).unlink()
    assert (Code.ENTRY_MISSING, 256) in found(audited(directory))


def test_the_tiles_above_are_held_against_the_signed_root(tmp_path: Path) -> None:
    directory = pruned(tmp_path / "t", 512)
    path = directory / Tile(1, 0, 2).path()
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    result = audited(directory)
    assert (Code.ROOT_DIFFERS, 0) in found(result)
    assert not result.located


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_the_tiles_above_have_to_be_kept(tmp_path: Path, damage: str) -> None:
    directory = pruned(tmp_path / "t", 512)
    path = directory / Tile(1, 0, 2).path()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    result = audited(directory)
    assert (Code.TILE_MISSING, 0) in found(result)
    assert result.root is None


@pytest.mark.parametrize(
    "statement",
    [
        b"nonsense",
        MinimumIndex("other.example", 512, WHY).format(),
        MinimumIndex(ORIGIN, 601, WHY).format(),
        b"x" * 5_000,
    ],
)
def test_a_statement_that_is_none_excuses_nothing(tmp_path: Path, statement: bytes) -> None:
    directory = pruned(tmp_path / "t", 512)
    (directory / "minimum-index").write_bytes(statement)
    assert (Code.ENTRY_MISSING, 0) in found(audited(directory))


def test_a_checkpoint_kept_elsewhere_that_is_older_is_not_called_checked(tmp_path: Path) -> None:
    directory = pruned(tmp_path / "t", 512)
    result = audited(directory, known=[note(honest(), 100), note(honest(), 550)])
    assert (result.findings, result.checkpoints) == ((), 2)
    assert "checkpoints of at most 511 entries, also those kept elsewhere" in "\n".join(
        report.audit_lines(result)
    )
    cut = audited(directory, known=[note(log(SIZE + 9))])
    assert (Code.ENTRY_MISSING, SIZE) in found(cut)


def test_the_command_ends_well_and_says_what_it_did_not_see(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = pruned(tmp_path / "t", 512)
    (tmp_path / "policy.txt").write_text(POLICY.format())
    assert main([str(directory), "--policy", str(tmp_path / "policy.txt")]) == 0
    assert "entries 0 to 511: not available here" in capsys.readouterr().out
    shutil.rmtree(directory / "tile" / "0")
    assert main([str(directory), "--policy", str(tmp_path / "policy.txt")]) == 1


@pytest.mark.parametrize("index", [300, 512, 600])
def test_several_processes_begin_there_too(tmp_path: Path, index: int) -> None:
    with Processes(2, DirectoryLog(pruned(tmp_path / "t", index))) as checked:
        reader = DirectoryLogReader(tmp_path / "t")
        result = audit(reader, POLICY, checked=checked)
    assert result == audited(tmp_path / "t")
    assert result.findings == ()


def test_a_server_that_withholds_the_beginning_is_not_asked_for_it(tmp_path: Path) -> None:
    with served(Site(pruned(tmp_path / "t", 512))) as site:
        with HttpLogReader.open(site.address, POLICY) as reader:
            result = audit(reader, POLICY)
            assert next(reader.runs(0, 3), None) is None
        assert not {"tile/entries/000", "tile/entries/001", "tile/0/000"} & set(site.asked)
    assert result == audited(tmp_path / "t")
    assert result.findings == ()


def test_a_state_from_before_goes_on_and_none_is_kept_of_less(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.txt").write_text(POLICY.format())
    state = tmp_path / "state.json"
    with_state = ["--policy", str(tmp_path / "policy.txt"), "--state", str(state)]
    directory = pruned(tmp_path / "t", 512)
    assert main([str(directory), *with_state]) == 0
    assert "--state: nothing is kept" in capsys.readouterr().out
    assert main([str(Liar(log(550)).directory(tmp_path / "whole")), *with_state]) == 0
    before = state.read_bytes()
    assert main([str(directory), *with_state]) == 0
    assert "50 new ones were read now" in capsys.readouterr().out
    assert state.read_bytes() != before
    state.unlink()
    assert main([str(Liar(log(500)).directory(tmp_path / "less")), *with_state]) == 0
    before = state.read_bytes()
    assert main([str(directory), *with_state]) == 0
    assert "RESULT: fine from entry 512 on." in capsys.readouterr().out
    assert state.read_bytes() == before


class Tiles:
    """A log of which there are tiles alone."""

    def __init__(self, raws: list[bytes]) -> None:
        self.origin = ORIGIN
        self.size = len(raws)
        self.stored = {(each.level, each.index): (each, b) for each, b in tiles_of(raws).items()}

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:  # noqa: ARG002  the port's
        return iter(())

    def runs(self, *_: object, **__: object) -> Iterator[StoredRun]:
        return iter(())

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        tile, data = self.stored.get((level, index), (Tile(0, 0), b""))
        return ((tile.width, data),) if data else ()

    def strays(self) -> Iterator[str]:
        return iter(())


@pytest.mark.parametrize("start", [256, 65_280, 65_536, 65_792, 66_048])
def test_it_goes_on_as_if_it_had_read_the_beginning(start: int) -> None:
    raws = [str(n).encode() for n in range(66_100)]
    leaves = [leaf_hash(raw) for raw in raws]
    reader, findings = Tiles(raws), Findings()
    minimum = MinimumIndex(ORIGIN, start, WHY)
    for place, (tile, _) in list(reader.stored.items()):
        if minimum.withholds(tile):
            del reader.stored[place]
    walk = TreeWalk(reader, findings)
    assert walk.begin_at(start) is None
    assert walk.derived == Frontier.empty().extend(leaves[:start])
    for leaf in leaves[start:]:
        walk.append(leaf)
    walk.finish()
    assert findings.sorted() == ()
    assert walk.derived is not None
    assert walk.derived.root() == Frontier.empty().extend(leaves).root()
    assert walk.tiles_compared == len(reader.stored)
