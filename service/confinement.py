"""What the process that opens a model file may still do: compute, within limits.

Called in that process before a byte of the file is read. Memory, processor time and open
files are bounded, files cannot be written, and on Linux no network, no other program, no other
process of its own and no signal to one is left (seccomp, where the processor is one that is known
here). Threads are: the libraries compute in them.
What a system does not have is left out: the limits are a second wall behind the checks of
:mod:`explain.model_files`.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from service import core_dumps

__all__ = ["CPU_SECONDS", "confine"]

MEMORY_BYTES: Final = 4 * 2**30  # of addresses; the largest tables of an engine take an eighth
CPU_SECONDS: Final = 3_600  # of its whole life; a fresh process takes the place of a worn one
OPEN_FILES: Final = 64  # libraries and their parts are opened one after another

_LIMITS: Final = (
    (resource.RLIMIT_AS, MEMORY_BYTES),
    (resource.RLIMIT_CPU, CPU_SECONDS),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NOFILE, OPEN_FILES),
)


@dataclass(frozen=True, slots=True)
class _Calls:
    """The numbers of calls in a machine's unistd.h, and its name in audit.h."""

    machine: int
    denied: tuple[int, ...]
    clone: int
    clone3: int
    tgkill: int
    prlimit: int
    fcntl: int


# Denied, in this order: socket, socketpair, connect, execve, execveat, ptrace, kill, tkill,
# rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, pidfd_open, pidfd_getfd,
# process_vm_readv and _writev, io_uring_setup; fork and vfork where there are any.
_SYSTEM_CALLS: Final = {
    "x86_64": _Calls(
        0xC000003E,
        (41, 53, 42, 59, 322, 101, 62, 200, 129, 297, 424, 434, 438, 310, 311, 425, 57, 58),
        clone=56, clone3=435, tgkill=234, prlimit=302, fcntl=72,
    ),
    "aarch64": _Calls(
        0xC00000B7,
        (198, 199, 203, 221, 281, 117, 129, 130, 138, 240, 424, 434, 438, 270, 271, 425),
        clone=220, clone3=435, tgkill=131, prlimit=261, fcntl=25,
    ),
}  # fmt: skip
_X32: Final = 0x40000000  # numbers from here on are the same calls under another name

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_FILTER: Final = 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # bpf_common.h
_NUMBER, _MACHINE = 0, 4  # offsets in struct seccomp_data
_FIRST, _SECOND = 16, 24  # of arguments, there: their lower halves, on both machines
_ALLOW, _DENY = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
_UNKNOWN: Final = 0x00050026  # the same with ENOSYS: a library then takes the older call
_CLONE_THREAD: Final = 0x10000
_F_SETOWN, _F_SETOWN_EX = 8, 15  # who gets the signals of a pipe

_Step = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine() -> bool:
    """Bound this process for good; say whether network and other programs are out of reach."""
    core_dumps.switch_off()
    for which, most in _LIMITS:
        # A limit that is lower already stays; some systems lack one.
        with suppress(OSError, ValueError):
            _, hard = resource.getrlimit(which)
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(which, (bound, bound))
    known = _SYSTEM_CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    library = ctypes.CDLL(None)
    code = ctypes.create_string_buffer(_filter(known, os.getpid()))
    program = _Program(len(code) // 8, ctypes.addressof(code))
    return bool(
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and library.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0
    )


def _filter(calls: _Calls, own: int) -> bytes:
    """The filter's instructions, each a `struct sock_filter`: on another machine's calls, deny.

    `own` is the process's number: an abort is a signal to oneself.
    """
    steps: list[_Step] = [
        (_LOAD, 0, 0, _MACHINE),
        (_IF_EQUAL, 1, 0, calls.machine),
        (_RETURN, 0, 0, _DENY),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _DENY),
    ]
    for number in calls.denied:
        steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    steps += [(_IF_EQUAL, 0, 1, calls.clone3), (_RETURN, 0, 0, _UNKNOWN)]
    steps += _by_argument(calls.clone, _FIRST, _IF_SET, (_CLONE_THREAD,), (_ALLOW, _DENY))
    steps += _by_argument(calls.tgkill, _FIRST, _IF_EQUAL, (own,), (_ALLOW, _DENY))
    steps += _by_argument(calls.prlimit, _FIRST, _IF_EQUAL, (0,), (_ALLOW, _DENY))
    owners = (_F_SETOWN, _F_SETOWN_EX)
    steps += _by_argument(calls.fcntl, _SECOND, _IF_EQUAL, owners, (_DENY, _ALLOW))
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _by_argument(
    number: int, argument: int, test: int, values: tuple[int, ...], outcomes: tuple[int, int]
) -> list[_Step]:
    """One call's end: the first outcome if the argument passes the test with a value."""
    count = len(values)
    return [
        (_IF_EQUAL, 0, count + 3, number),
        (_LOAD, 0, 0, argument),
        *((test, count - at, int(at == count), value) for at, value in enumerate(values, 1)),
        (_RETURN, 0, 0, outcomes[0]),
        (_RETURN, 0, 0, outcomes[1]),
    ]
