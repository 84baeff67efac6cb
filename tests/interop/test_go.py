"""Go's checksum-database library checks our log, and we check one that it made.

`golang.org/x/mod/sumdb` was written years before this ledger and knows nothing of it. What
both sides compute from the same tiles is compared byte for byte.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from ledger.entries import SourceRegistered
from ledger.errors import InclusionError, RootMismatchError, SignatureError
from ledger.operate.sequencer import Draft
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import (
    NodeReader,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.tlog.note import ED25519, SignedNote, VerifierKey
from ledger.tlog.policy import Log, Policy
from ledger.tlog.tile import (
    Tile,
    bundle_for,
    decode_bundle,
    encode_bundle,
    tile_for,
    tile_nodes,
    tiles_to_write,
)
from ledger.verify.directory_reader import DirectoryLogReader
from service.publishing import publish
from tests.ledger.operate.premises import Premises

OLD, NEW = 260, 600  # entries: past one full tile, and with two of them below a level above
RECEIPTS = (0, 255, 256, 511, 599)
GO_NAME = "ledger.example/go"


@dataclass(frozen=True, slots=True)
class Report:
    """What the Go program says about a log."""

    size: int
    root: bytes
    vkey: str
    inclusion: Mapping[int, tuple[bytes, ...]]
    consistency: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        said: dict[str, Any] = json.loads(text)

        def hashes(texts: list[str] | None) -> tuple[bytes, ...]:
            return tuple(base64.b64decode(each, validate=True) for each in texts or ())

        inclusion = {int(index): hashes(proof) for index, proof in said["inclusion"].items()}
        (root,) = hashes([said["root"]])
        return cls(said["size"], root, said["vkey"], inclusion, hashes(said["consistency"]))


def go(program: Path, *arguments: str | Path) -> Report:
    done = started(program, *arguments)
    assert done.returncode == 0, done.stderr
    return Report.parse(done.stdout)


def started(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def nodes_of(directory: Path, size: int) -> NodeReader:
    return tile_nodes(lambda tile: (directory / tile.path()).read_bytes(), size)


def entries_of(directory: Path, size: int) -> list[bytes]:
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        bundle = bundle_for(index, size)
        entries += decode_bundle((directory / bundle.path()).read_bytes(), bundle.width)
    return entries


@dataclass(frozen=True, slots=True)
class Ours:
    """A log of ours, published as files."""

    directory: Path
    vkey: str
    old_checkpoint: Path
    receipts: tuple[Path, ...]

    def arguments(self) -> tuple[str | Path, ...]:
        return ("check", self.directory, self.vkey, self.old_checkpoint, *self.receipts)


@pytest.fixture
def ours(premises: Premises, tmp_path: Path) -> Ours:
    log = premises.create()
    directory = tmp_path / "published"

    def grow(size: int) -> None:
        body = SourceRegistered(source="loan-desk", first=0)
        log.append([Draft.of(premises.new_id(), body) for _ in range(size - log.size())])
        publish(log, directory)

    grow(OLD)
    old_checkpoint = Path(shutil.copy(directory / "checkpoint", tmp_path / "old"))
    grow(NEW)
    receipts = []
    for index, receipt in log.receipts(RECEIPTS).items():
        path = tmp_path / f"{index}.tlog-proof"
        path.write_text(receipt.format(), encoding="utf-8")
        receipts.append(path)
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    (vkey,) = (key.vkey() for key in keys if key.kind == ED25519)
    return Ours(directory, vkey, old_checkpoint, tuple(receipts))


def test_go_verifies_our_log_and_finds_the_proofs_that_we_find(sumdb: Path, ours: Ours) -> None:
    report = go(sumdb, *ours.arguments())
    nodes = nodes_of(ours.directory, NEW)
    assert (report.size, report.root) == (NEW, tree_root(NEW, nodes))
    assert report.inclusion == {i: inclusion_proof(i, NEW, nodes) for i in range(NEW)}
    assert report.consistency == consistency_proof(OLD, NEW, nodes) != ()


def change(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# What is changed, and whereabouts in the file.
CHANGES = {
    "an entry": ("tile/entries/001", 40),
    "a hash": ("tile/0/000", 40),
    "a hash of the level above": ("tile/1/000.p/2", 40),
    "the size that was signed": ("checkpoint", len("ledger.example/demo/log/decisions\n")),
}


@pytest.mark.parametrize(("name", "at"), CHANGES.values(), ids=CHANGES.keys())
def test_go_refuses_our_log_when_one_bit_is_changed(
    sumdb: Path, ours: Ours, name: str, at: int
) -> None:
    change(ours.directory / name, at)
    assert started(sumdb, *ours.arguments()).returncode == 1


def test_go_refuses_a_receipt_of_another_entry(sumdb: Path, ours: Ours) -> None:
    text = ours.receipts[0].read_text(encoding="utf-8")
    ours.receipts[0].write_text(text.replace("\nindex 0\n", "\nindex 1\n"), encoding="utf-8")
    done = started(sumdb, *ours.arguments())
    assert done.returncode == 1
    assert ours.receipts[0].name in done.stderr


def opened(directory: Path, name: str, vkey: str) -> Checkpoint:
    """A checkpoint of the Go log, as our own policy accepts it."""
    policy = Policy((Log(VerifierKey.parse(vkey)),))
    return policy.check((directory / name).read_text(encoding="utf-8"))


def test_we_verify_a_log_that_go_made(sumdb: Path, tmp_path: Path) -> None:
    report = go(sumdb, "make", tmp_path, GO_NAME, str(OLD), str(NEW))
    assert VerifierKey.parse(report.vkey).vkey() == report.vkey
    head = opened(tmp_path, "checkpoint", report.vkey)
    assert head == Checkpoint(GO_NAME, NEW, report.root)

    entries = entries_of(tmp_path, NEW)
    nodes = nodes_of(tmp_path, NEW)
    assert tree_root(NEW, nodes) == head.root_hash
    for index, entry in enumerate(entries):
        proof = inclusion_proof(index, NEW, nodes)
        assert proof == report.inclusion[index]
        verify_inclusion(index, NEW, leaf_hash(entry), proof, head.root_hash)

    old = opened(tmp_path, "checkpoint.old", report.vkey)
    assert report.consistency == consistency_proof(OLD, NEW, nodes)
    verify_consistency(OLD, NEW, old.root_hash, head.root_hash, report.consistency)


def test_our_reader_finds_every_entry_and_tile_of_a_log_that_go_made(
    sumdb: Path, tmp_path: Path
) -> None:
    go(sumdb, "make", tmp_path, GO_NAME, str(OLD), str(NEW))
    reader = DirectoryLogReader(tmp_path)
    assert (reader.origin, reader.size) == (GO_NAME, NEW)
    stored = [each for run in reader.runs() for each in run.entries()]
    assert [each.raw for each in stored] == entries_of(tmp_path, NEW)
    assert [each.index for each in stored] == list(range(NEW))
    assert all(not each.claims for each in stored)
    for tile in tiles_to_write(0, NEW):
        ((width, data),) = reader.tiles(tile.level, tile.index)
        assert (width, data) == (tile.width, (tmp_path / tile.path()).read_bytes())
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    tiles = {tile.path() for tile in tiles_to_write(0, NEW)}
    bundles = {bundle_for(index, NEW).path() for index in range(3)}
    assert written == {"checkpoint", "checkpoint.old"} | tiles | bundles


def test_go_bundles_entries_as_we_do(sumdb: Path, tmp_path: Path) -> None:
    go(sumdb, "make", tmp_path, GO_NAME, "1", "5")
    assert (tmp_path / bundle_for(0, 5).path()).read_bytes() == encode_bundle(
        entries_of(tmp_path, 5)
    )


def test_we_refuse_a_log_that_go_made_when_it_is_changed(sumdb: Path, tmp_path: Path) -> None:
    report = go(sumdb, "make", tmp_path, GO_NAME, str(OLD), str(NEW))
    root, entries = report.root, entries_of(tmp_path, NEW)
    with pytest.raises(RootMismatchError):
        verify_inclusion(7, NEW, leaf_hash(entries[8]), report.inclusion[7], root)
    with pytest.raises(InclusionError):
        verify_inclusion(7, NEW, leaf_hash(entries[7]), report.inclusion[7][1:], root)
    tile: Tile = tile_for(0, 1, NEW)
    change(tmp_path / tile.path(), 40)
    assert tree_root(NEW, nodes_of(tmp_path, NEW)) == root  # the level above still says so
    assert inclusion_proof(300, NEW, nodes_of(tmp_path, NEW)) != report.inclusion[300]
    note = (tmp_path / "checkpoint").read_text(encoding="utf-8")
    (tmp_path / "checkpoint").write_text(note.replace(f"\n{NEW}\n", f"\n{NEW + 1}\n"))
    assert SignedNote.parse((tmp_path / "checkpoint").read_text(encoding="utf-8")).signatures
    with pytest.raises(SignatureError):
        opened(tmp_path, "checkpoint", report.vkey)
