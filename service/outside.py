"""What others hold of our logs: asked at the start of the service, and when a fork is suspected."""

from datetime import UTC
from functools import partial
from typing import Final

from ledger.errors import ForkSuspected
from ledger.operate.fork_marks import MAX_NOTES, MAX_SAID, Suspicion
from ledger.operate.head_comparison import Heard, ask_witnesses
from ledger.operate.witness_exchange import get
from ledger.tlog.policy import Policy
from service.policies import read_policy
from service.rotation import every_key
from service.runtime import Runtime, fork_marks

__all__ = ["COMPARE_SECONDS", "alarm", "ask", "compare"]

COMPARE_SECONDS: Final = 5.0  # that a witness has for one answer; a start waits for the slowest


def ask(runtime: Runtime, policy: Policy, seconds: float = COMPARE_SECONDS) -> tuple[Heard, ...]:
    """What every witness of the policy shows of both logs, held against them."""
    # A witness may hold one from before a rotation, and who stole retired keys signs so too.
    logs = [(log, every_key(runtime, name)) for name, log in runtime.logs.items()]
    return ask_witnesses(logs, policy, fetch=partial(get, seconds=seconds))


def compare(runtime: Runtime, seconds: float = COMPARE_SECONDS) -> tuple[Heard, ...]:
    """What the witnesses in `witnesses.txt` show: () if there is no such file.

    A proof of a fork is marked, so that nobody writes, before it is among the answers.
    """
    path = runtime.settings.witnesses_path
    if not path.is_file():
        return ()
    heard = ask(runtime, read_policy(path), seconds)
    for each in heard:
        if each.fork is not None:
            _mark(runtime, each.fork)
    return heard


def alarm(
    runtime: Runtime, fork: ForkSuspected, policy: Policy, seconds: float = COMPARE_SECONDS
) -> None:
    """Mark a suspected fork, so that nobody writes, with what the witnesses can prove of it.

    A conflict about sizes is not signed, so each witness is then asked for its checkpoint.
    """
    _mark(runtime, fork)
    for each in ask(runtime, policy, seconds):
        if each.fork is not None:
            _mark(runtime, each.fork)


def _mark(runtime: Runtime, fork: ForkSuspected) -> None:
    at = f"{runtime.clock().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    suspicion = Suspicion(fork.origin, at, str(fork)[:MAX_SAID], fork.notes[:MAX_NOTES])
    fork_marks(runtime.settings).add(suspicion)
