"""The process that holds a model, without the process: what it answers, and what is denied it."""

import errno
import fcntl
import io
import json
import struct
from typing import Any

import numpy as np
import pytest

from explain.artifacts import open_model
from service import confinement, model_process
from service.model_frames import packed, read_frame
from service.sandbox import Opening
from tests.service.test_sandbox import opening


@pytest.fixture
def line() -> bytes:
    document = {"v": 1, "kind": "linear", "space": "log-odds", "intercept": 0.5}
    terms = [{"feature": name, "weight": 2, "missing": 0} for name in ("a", "b")]
    return json.dumps(document | {"terms": terms}).encode()


def answers_to(*frames: bytes) -> list[tuple[dict[str, Any], bytes]]:
    asked, answers = io.BytesIO(b"".join(frames)), io.BytesIO()
    assert model_process._serve(asked, answers) == 0
    answers.seek(0)
    found = []
    while answers.tell() < len(answers.getvalue()):
        found.append(read_frame(answers.read, 10**6))
    return found


def opening_frame(made: Opening) -> bytes:
    files = made.files()
    sizes = [(name, len(data)) for name, data in files.items()]
    head = {"do": "open", "manifest": made.manifest, "files": sizes}
    return packed(head, b"".join(files.values()))


def test_a_frame_is_answered_with_a_frame(line: bytes) -> None:
    made, rows = opening(line, "linear-json"), np.array([[0.5, 0.25], [1.0, np.nan]])
    about: dict[str, Any] = {"of": rows.dtype.str, "shape": rows.shape}
    told, margins, parts, unknown = answers_to(
        opening_frame(made),
        packed({"do": "margin"} | about, rows.tobytes()),
        packed({"do": "attribute"} | about, rows.tobytes()),
        packed({"do": "sing"} | about, rows.tobytes()),
    )
    assert told == ({"space": "log-odds"}, b"")
    here = open_model(made.manifest, made.files())
    np.testing.assert_array_equal(np.frombuffer(margins[1]), here.predictor.margin(rows))
    assert parts[0]["error"] == "ModelUnsupported"
    assert unknown[0]["text"] == "the model's library failed (KeyError)"


def test_errors_are_told_by_name_and_a_librarys_text_is_not(line: bytes) -> None:
    unfit = opening(line, "linear-json", golden_rows=5)
    unopened, refused, failed = answers_to(
        packed({"do": "margin"}), opening_frame(unfit), packed({"do": "open", "files": "somebody"})
    )
    assert unopened[0] == {"error": "ModelCrashed", "text": "no model is open", "member": None}
    assert (refused[0]["error"], refused[0]["member"]) == ("SchemaError", "golden_rows")
    assert failed[0]["text"] == "the model's library failed (ValueError)"


def outcome(calls: Any, number: int, first: int = 0, second: int = 0, on: int = 0) -> int:
    """What the filter of process 77 makes of a call."""
    steps = list(struct.iter_unpack("HBBI", confinement._filter(calls, 77)))
    told = {0: number, 4: on or calls.machine, 16: first, 24: second}
    tests = {
        confinement._IF_EQUAL: lambda held, value: held == value,
        confinement._IF_AT_LEAST: lambda held, value: held >= value,
        confinement._IF_SET: lambda held, value: held & value,
    }
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        if code == confinement._RETURN:
            return int(value)
        if code == confinement._LOAD:
            held, yes, no = told[value], 0, 0
        at += 1 + (yes if code not in tests or tests[code](held, value) else no)


MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


@MACHINES
def test_the_filter_ends_in_deny_for_what_is_denied_and_in_allow_for_the_rest(machine: str) -> None:
    calls = confinement._SYSTEM_CALLS[machine]
    special = {calls.clone, calls.tgkill, calls.prlimit, calls.clone3}
    for number in set(range(500)) - special:
        expected = confinement._DENY if number in calls.denied else confinement._ALLOW
        assert outcome(calls, number) == expected
    assert outcome(calls, 1, on=calls.machine + 1) == confinement._DENY
    assert outcome(calls, confinement._X32 + 1) == confinement._DENY


@MACHINES
def test_threads_oneself_and_ones_own_limits_are_left(machine: str) -> None:
    calls, allow, deny = (
        confinement._SYSTEM_CALLS[machine], confinement._ALLOW, confinement._DENY,
    )  # fmt: skip
    assert outcome(calls, calls.clone3) == 0x00050000 | errno.ENOSYS
    assert outcome(calls, calls.clone, 0x003D0F00) == allow  # as glibc starts a thread
    assert outcome(calls, calls.clone, 0x01200011) == deny  # as it forks
    assert [outcome(calls, calls.tgkill, first) for first in (77, 78)] == [allow, deny]
    assert [outcome(calls, calls.prlimit, first) for first in (0, 77)] == [allow, deny]
    asked = (fcntl.F_GETFD, fcntl.F_SETFL, fcntl.F_SETOWN, 15)  # the last: F_SETOWN_EX
    found = [outcome(calls, calls.fcntl, 1, second) for second in asked]
    assert found == [allow, allow, deny, deny]
