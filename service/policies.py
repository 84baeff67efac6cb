"""Trust policies from files. Light: a witness's commands need no server."""

from pathlib import Path

from ledger.errors import MalformedError
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy

__all__ = ["read_policy"]


def read_policy(path: Path) -> Policy:
    """The trust policy in a file.

    Raises:
        OSError: it cannot be read.
        MalformedError: it is not a trust policy.
    """
    with path.open("rb") as file:
        data = file.read(MAX_POLICY_LENGTH + 1)
    try:
        return Policy.parse(data.decode())
    except UnicodeDecodeError as error:
        raise MalformedError("policy: not UTF-8") from error
