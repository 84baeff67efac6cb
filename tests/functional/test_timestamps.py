"""Timestamps from the command line to a relying party, with an authority as a real server."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.verify.__main__ import main as verify
from ledger.verify.timestamp_files import TOKEN
from service import create_app
from service.cli import main
from service.publishing import _publish_timestamps
from service.runtime import kept_timestamps
from service.settings import Settings
from tests import timestamp_authority as tsa
from tests.service.ui.lender import POLICY, Lender


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Bank:
    """A ledger with a few decisions, and an authority that dates its checkpoints."""

    place: Path
    ids: list[str]
    authority: tsa.Authority
    url: str

    @property
    def data(self) -> Path:
        return self.place / "data"

    def run(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner(env={"LEDGER_DATA": str(self.data)}).invoke(main, arguments)
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    def verify(self, target: Path, *options: str) -> int:
        return verify([str(target), "--policy", str(self.data / "policy.txt"), *options])

    def grow(self, version: str) -> None:
        path = self.place / f"policy-{version}.json"
        path.write_text(json.dumps(POLICY | {"version": version}))
        self.run("policy", "register", str(path))

    @property
    def trusted(self) -> tuple[str, str]:
        return "--tsa-roots", str(self.place / "reader-roots.pem")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    lender = Lender(tmp_path / "data")
    lender.record(2)
    lender.runtime.close()
    (tmp_path / "reader-roots.pem").write_bytes(tsa.root().pem)
    authority = tsa.Authority(now)
    with tsa.serving(authority) as url:
        yield Bank(tmp_path, lender.ids, authority, url)


def test_a_decision_is_shown_to_have_existed(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    (bank.data / "tsa.txt").write_text(f"# one that is there\n{bank.url}\n")
    (bank.data / "tsa-roots.pem").write_bytes(tsa.root().pem)
    said = bank.run("timestamp")
    for name in ("decisions", "access"):
        assert f"{name}: size " in said
    assert said.count("says CN=Example Time Stamper,O=Example Time") == 2
    bank.grow("2.0.0")
    bank.run("timestamp")
    proof, token = bank.place / "x.tlog-proof", bank.place / "x.tsr"
    told = bank.run("proof", bank.ids[0], "-o", str(proof), "--timestamp", str(token))
    assert f"{token}: it existed at or before " in told
    assert bank.verify(proof, "--timestamp", str(token), *bank.trusted) == 0
    assert "with the entry in it, it existed at or before " in capsys.readouterr().out
    # The earliest one is over the checkpoint before the growth.
    size = int(proof.read_text().partition("\n\n")[2].split("\n")[1])
    assert size == len(bank.ids) + 3
    other = bank.place / "y.tlog-proof"
    bank.run("proof", bank.ids[0], "-o", str(other))
    assert bank.verify(other, "--timestamp", str(token), *bank.trusted) == 1


def test_what_is_published_is_checked_with_roots_alone(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.run("timestamp", "--tsa", bank.url)
    bank.grow("2.0.0")
    assert "stamped before" in bank.run("timestamp", "--tsa", bank.url)  # the log of access
    published = bank.place / "published"
    bank.run("export", str(published))
    stamps = published / "decisions" / "timestamps"
    assert len(list(stamps.glob(f"*{TOKEN}"))) == 2
    listed = (stamps / "index.txt").read_text().splitlines()
    assert sorted([*listed, "index.txt"]) == sorted(each.name for each in stamps.iterdir())
    for target in (published / "decisions", published / "access", bank.data / "ledger.db"):
        assert bank.verify(target, *bank.trusted) == 0
    assert "2 timestamps, against the root certificates" in capsys.readouterr().out
    before = {each: each.stat().st_mtime_ns for each in stamps.glob("*-*")}
    again = next(iter(before))
    half = again.with_name(f"{again.name}.new")
    half.write_bytes(again.read_bytes()[:100])  # an export that was killed
    again.unlink()
    bank.run("export", str(published))
    assert not half.exists()
    before = {each: each.stat().st_mtime_ns for each in stamps.glob("*-*")}
    assert again in before
    bank.run("export", str(published))
    assert {each: each.stat().st_mtime_ns for each in stamps.glob("*-*")} == before


def test_a_checkpoint_larger_than_the_exported_one_is_not_published(bank: Bank) -> None:
    bank.run("timestamp", "--tsa", bank.url)
    kept = kept_timestamps(Settings(data=bank.data), "decisions")
    (note,) = kept.files.notes()
    assert _publish_timestamps(kept, note.size - 1, bank.place / "published") == 0
    assert not (bank.place / "published").exists()
    assert _publish_timestamps(kept, note.size, bank.place / "published") == 2


def test_anybody_reads_them_from_the_service(bank: Bank) -> None:
    bank.run("timestamp", "--tsa", bank.url)
    app = create_app(Settings(data=bank.data))
    try:
        client = app.test_client()
        index = client.get("/log/decisions/timestamps/index.txt")
        assert (index.mimetype, index.headers["Cache-Control"]) == (
            "text/plain",
            "public, max-age=1",
        )
        names = index.text.splitlines()
        assert len(names) == 2
        for name in names:
            got = client.get(f"/log/decisions/timestamps/{name}")
            assert got.data == (bank.data / "timestamps" / "decisions" / name).read_bytes()
            assert got.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            token = name.endswith(TOKEN)
            assert got.mimetype == ("application/timestamp-reply" if token else "text/plain")
        for name in ("guard", "1-0123456789abcdef.note", "..%2f..%2fvault.kek", "x"):
            assert client.get(f"/log/decisions/timestamps/{name}").status_code == 404
    finally:
        app.extensions["ledger"].close()


def test_an_authority_that_fails_costs_the_timestamp_and_nothing_else(bank: Bank) -> None:
    bank.authority.lies["status"] = 2
    said = bank.run("timestamp", "--tsa", bank.url, "--tsa", "http://127.0.0.1:9/", code=1)
    assert f"{bank.url}: timestamp: not granted as asked, status 2" in said
    assert "http://127.0.0.1:9/: it cannot be reached" in said
    assert "HAS NO TIMESTAMP" in said
    assert "Signatures are not checked: there are no root certificates." in said
    no = bank.run("proof", bank.ids[0], "--timestamp", str(bank.place / "x.tsr"), code=1)
    assert "no checkpoint that covers this entry has been stamped yet" in no
    assert not (bank.place / "x.tsr").exists()
    bank.grow("2.0.0")
    bank.run("export", str(bank.place / "published"))
    assert not (bank.place / "published" / "decisions" / "timestamps").exists()
    assert bank.verify(bank.place / "published" / "decisions") == 0
    bank.authority.lies.clear()
    said = bank.run("timestamp", "--tsa", bank.url, "--tsa", "http://127.0.0.1:9/")
    assert "says CN=Example Time Stamper" in said  # one of them is enough


def test_roots_of_another_authority_let_nothing_through(bank: Bank) -> None:
    other = bank.place / "other.pem"
    other.write_bytes(tsa.holder("Elsewhere").pem)
    said = bank.run("timestamp", "--tsa", bank.url, "--roots", str(other), code=1)
    assert "no root certificate of its authority is among yours" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"# none\n", "not 1 to 16 different addresses"),
        (b"\xff\n", "tsa.txt: not UTF-8"),
        (b"#" * 65_537, "longer than 65,536 bytes"),
        (None, "no timestamp authority is named: give --tsa URL"),
    ],
)
def test_a_list_of_authorities_that_is_none(bank: Bank, content: bytes | None, why: str) -> None:
    if content is not None:
        (bank.data / "tsa.txt").write_bytes(content)
    assert why in bank.run("timestamp", code=2)


def test_roots_that_cannot_be_read(bank: Bank) -> None:
    absent = str(bank.place / "none.pem")
    assert "none.pem" in bank.run("timestamp", "--tsa", bank.url, "--roots", absent, code=2)
    (bank.data / "tsa-roots.pem").write_bytes(b"junk")
    assert "not a PEM file" in bank.run("timestamp", "--tsa", bank.url, code=2)
    assert bank.authority.asked == []


def test_openssl_says_the_same(bank: Bank) -> None:
    """The files are those that other people's programs read."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: nobody else checked the token")
    bank.run("timestamp", "--tsa", bank.url)
    stamps = bank.data / "timestamps" / "decisions"
    (token,) = stamps.glob(f"*{TOKEN}")
    (note,) = stamps.glob("*.note")

    def check(data: Path) -> int:
        command = [openssl, "ts", "-verify", "-data", str(data), "-in", str(token)]
        roots = ["-CAfile", str(bank.place / "reader-roots.pem")]
        return subprocess.run([*command, *roots], capture_output=True, check=False).returncode

    assert check(note) == 0
    changed = bank.place / "changed.note"
    changed.write_text(note.read_text().replace("ledger", "lodger"))
    assert check(changed) != 0
