"""Rotating the keys of a log by command, and what readers, witnesses and services make of it."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.tlog.policy import Policy
from ledger.verify.__main__ import main as verify
from service.cli import main
from tests.functional.test_witnesses import Town, run, town
from tests.ledger.operate.transit import Transit, serving

__all__ = ["town"]

SPKI = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    run("init", "--origin", "ledger.example/demo", data=tmp_path / "data")
    return tmp_path / "data"


def accepts(target: Path, policy: Path, *options: str) -> bool:
    return verify([str(target), "--policy", str(policy), *options]) == 0


def export(data: Path, name: str) -> Path:
    run("export", str(data.parent / name), data=data)
    return data.parent / name


def test_a_rotation_from_end_to_end(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = data.parent / "old.txt"
    old.write_bytes((data / "policy.txt").read_bytes())
    receipt = "handover/decisions-1.note"

    done = run("log", "rotate-keys", "decisions", data=data)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert [line.partition("+")[0] for line in lines] == [
        "log ledger.example/demo/log/decisions",
    ] * 2
    assert "rotated by entry 1" in done.stderr
    assert str(data / receipt) in done.stderr
    listed = run("log", "keys", data=data).output
    assert listed.count("leaving: signs beside the new ones, since entry 0") == 2
    assert listed.count("in force, since entry 1") == 2
    assert listed.count("in force, since entry 0") == 2  # the access log's
    overlap = export(data, "overlap")
    both = data.parent / "both.txt"
    both.write_bytes((data / "policy.txt").read_bytes())
    assert accepts(overlap / "decisions", old)
    assert accepts(overlap / "decisions", both)

    asked = CliRunner(env={"LEDGER_DATA": str(data)}).invoke(
        main, ["log", "retire-keys", "decisions"], input="n\n"
    )
    assert asked.exit_code == 1
    assert (data / "keys" / "decisions.next").exists()
    said = run("log", "retire-keys", "decisions", "--yes", data=data).output
    assert "The old key files are destroyed." in said
    listed = run("log", "keys", data=data).output
    assert listed.count("retired, since entry 0") == 2
    # Something is logged under the new keys alone.
    run("log", "rotate-keys", "decisions", data=data)
    run("log", "retire-keys", "decisions", "--yes", "--keep", data=data)
    new = data / "policy.txt"
    after = export(data, "after")
    for policy in (old, both, new):
        assert accepts(data / "ledger.db", policy)
    capsys.readouterr()
    assert not accepts(after / "decisions", old)
    assert accepts(
        after / "decisions",
        old,
        *(f"--checkpoint={path}" for path in sorted((after / "handover").glob("decisions-*"))),
    )
    assert "the policy names none of the new keys" in capsys.readouterr().out
    (kept,) = (data / "keys").glob("decisions.retired-*")
    assert sorted(path.name for path in kept.iterdir()) == ["ed25519.pem", "mldsa44.pem"]


def test_what_cannot_be_done_is_said(data: Path, tmp_path: Path) -> None:
    said = run("log", "retire-keys", "access", "--yes", data=data, code=1).stderr
    assert "no rotation is under way" in said
    run("log", "rotate-keys", "payments", data=data, code=2)
    pem = tmp_path / "key.pem"
    pem.write_bytes(MLDSA44PrivateKey.generate().public_key().public_bytes(*SPKI))
    wrong = ("log", "rotate-keys", "access", "--ed25519-public", str(pem))
    assert "goes with" in run(*wrong, data=data, code=2).stderr
    said = run(*wrong, "--ed25519", "hv:ledger/1", data=data, code=2).stderr
    assert "not an Ed25519 key" in said
    pem.write_text("nonsense")
    said = run(*wrong, "--ed25519", "hv:ledger/1", data=data, code=2).stderr
    assert "not a public key in PEM" in said
    assert not (data / "keys" / "access.next").exists()


def test_the_passphrase_is_changed(data: Path, tmp_path: Path) -> None:
    new, empty = tmp_path / "passphrase", tmp_path / "empty"
    new.write_text("correct horse\n")
    empty.write_text("\n")
    assert "is empty" in run("log", "passphrase", "--new", str(empty), data=data, code=2).stderr
    said = run("log", "passphrase", "--new", str(new), data=data).output
    assert "4 key files are encrypted" in said
    run("log", "keys", data=data, code=1)
    locked = CliRunner(env={"LEDGER_DATA": str(data), "LEDGER_KEY_PASSPHRASE_FILE": str(new)})
    assert locked.invoke(main, ["log", "keys"]).exit_code == 0


def test_a_key_moves_into_vault(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transit: Transit
    with serving(monkeypatch) as transit:
        transit.make("ledger-decisions", versions=2)
        run("log", "rotate-keys", "decisions", "--ed25519", "hv:ledger-decisions", data=data)
        run("log", "retire-keys", "decisions", "--yes", data=data)
        assert "(hv:ledger-decisions/2)" in run("log", "keys", data=data).output
        address = (data / "keys" / "decisions" / "ed25519.uri").read_text()
        assert address.startswith("hv:ledger-decisions/2\n")
        signed = len(transit.signed)
        run("log", "rotate-keys", "decisions", data=data)  # and back into files
        assert len(transit.signed) == signed + 1
        transit.mood = "sealed"
        run("log", "retire-keys", "decisions", "--yes", data=data)
        assert accepts(data / "ledger.db", data / "policy.txt")
        said = run(
            "log", "rotate-keys", "access", "--ed25519", "hv:ledger-decisions", data=data, code=2
        ).stderr
        assert "Vault tells no Ed25519 key" in said


def test_elsewhere_the_public_key_comes_from_a_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = Ed25519PrivateKey.generate()
    pem = tmp_path / "key.pem"
    pem.write_bytes(private.public_key().public_bytes(*SPKI))
    arguments = ("log", "rotate-keys", "access", "--ed25519-public", str(pem), "--ed25519")
    with serving(monkeypatch) as transit:
        transit.keys["ledger"] = [private]
        assert "google-cloud-kms" in run(*arguments, "gcpkms:p/k", data=data, code=1).stderr
        run(*arguments, "hv:ledger/1", data=data)
    assert "(hv:ledger/1)" in run("log", "keys", data=data).output


@pytest.mark.slow
def test_witnesses_go_along_with_a_rotation(town: Town) -> None:
    town.cosign()
    new = run("log", "rotate-keys", "decisions", data=town.data).stdout
    # In the overlap each witness knows one pair of keys or both.
    refused = run("log", "retire-keys", "decisions", "--yes", data=town.data, code=1).stderr
    assert "run decision-ledger cosign first" in refused
    first, second = town.witnesses
    _tell(first, new)
    assert "quorum reached" in town.cosign()
    assert town.accepts(town.receipt(1))
    run("log", "retire-keys", "decisions", "--yes", data=town.data)
    town.grow("1.0.0")
    said = town.cosign(code=1)
    assert "cosigned by 1 of 2 witnesses" in said
    assert f"http://127.0.0.1:{second.port}: it trusts none of the log's keys" in said
    _tell(second, new)
    assert "quorum reached" in town.cosign()
    assert not town.accepts(town.receipt(2))  # the reader's policy has the old keys yet
    town.write_policies()
    assert town.accepts(town.receipt(2))
    assert len(Policy.parse(town.reader.read_text()).logs) == 4


def _tell(process: object, lines: str) -> None:
    """Add log lines to a witness's policy, and start it again."""
    from tests.functional.test_witnesses import Process

    assert isinstance(process, Process)
    process.stop()
    path = process.directory / "witness.txt"
    added = "".join(line + "\n" for line in lines.splitlines() if line.strip())
    path.write_text(added + path.read_text())
    process.start()
