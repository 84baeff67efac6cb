"""What a log withholds: raised under a policy, never lowered, and closed when in doubt."""

from pathlib import Path

import pytest

from ledger.errors import MalformedError, RefusedError, StoppedError
from ledger.operate.retention import Retention
from ledger.tlog.pruning import MinimumIndex

ORIGIN = "ledger.example/demo/log/decisions"
POLICY = "Ten years."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pruning" / "decisions.txt"


@pytest.fixture
def retention(path: Path) -> Retention:
    return Retention(path, ORIGIN)


def test_without_a_policy_everything_is_published(retention: Retention, path: Path) -> None:
    assert retention.minimum() == MinimumIndex(ORIGIN)
    for policy in ("", "  "):
        with pytest.raises(MalformedError, match="state it"):
            retention.prune(512, policy, 600)
    assert not path.exists()


def test_it_is_raised_and_remembered(retention: Retention, path: Path) -> None:
    assert retention.prune(300, f" {POLICY} ", 600) == MinimumIndex(ORIGIN, 300, POLICY)
    assert Retention(path, ORIGIN).minimum().index == 300
    assert retention.prune(600, "Nine years.", 600).policy == "Nine years."
    assert path.stat().st_mode & 0o777 == 0o600
    for index in (600, 599):
        with pytest.raises(RefusedError, match="only be raised"):
            retention.prune(index, POLICY, 600)
    with pytest.raises(RefusedError, match="cannot exceed"):
        retention.prune(601, POLICY, 600)
    assert retention.minimum() == MinimumIndex(ORIGIN, 600, "Nine years.")


def test_checking_changes_nothing(retention: Retention, path: Path) -> None:
    assert retention.checked(300, POLICY, 600).index == 300
    assert not path.exists()


def test_what_cannot_be_read_withholds_everything(retention: Retention, path: Path) -> None:
    retention.prune(300, POLICY, 600)
    for damaged in (b"", b"nonsense", MinimumIndex("other.example", 300, POLICY).format()):
        path.write_bytes(damaged)
        with pytest.raises(StoppedError, match=r"decisions\.txt"):
            retention.minimum()
        with pytest.raises(StoppedError):
            retention.prune(400, POLICY, 600)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoppedError):
        retention.minimum()


def test_a_crash_leaves_the_one_before_or_the_new_one(
    retention: Retention, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retention.prune(300, POLICY, 600)

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        retention.prune(512, POLICY, 600)
    assert retention.minimum().index == 300
    monkeypatch.undo()
    assert retention.prune(512, POLICY, 600).index == 512
