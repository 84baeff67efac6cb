"""What the process that opens a model file may still do: compute, within limits.

Called in that process before a byte of the file is read. Memory, processor time and open
files are bounded, files cannot be written, and on Linux no network, no other program and no
signal to another process is left (seccomp, where the processor is one that is known here).
What a system does not have is left out: the limits are a second wall behind the checks of
:mod:`explain.model_files`.
"""

import ctypes
import platform
import resource
import struct
import sys
from contextlib import suppress
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

# By machine: its name in audit.h, and the numbers of what is denied in its unistd.h: socket,
# connect, execve, execveat, ptrace, kill, process_vm_readv and _writev, io_uring_setup.
_SYSTEM_CALLS: Final = {
    "x86_64": (0xC000003E, (41, 42, 59, 322, 101, 62, 310, 311, 425)),
    "aarch64": (0xC00000B7, (198, 203, 221, 281, 117, 129, 270, 271, 425)),
}
_X32: Final = 0x40000000  # numbers from here on are the same calls under another name

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_FILTER: Final = 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # bpf_common.h
_NUMBER, _MACHINE = 0, 4  # offsets in struct seccomp_data
_ALLOW, _DENY = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM


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
    machine, denied = known
    library = ctypes.CDLL(None)
    code = ctypes.create_string_buffer(_filter(machine, denied))
    program = _Program(len(code) // 8, ctypes.addressof(code))
    return bool(
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and library.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0
    )


def _filter(machine: int, denied: tuple[int, ...]) -> bytes:
    """The filter's instructions, each a `struct sock_filter`: on another machine's calls, deny."""
    count = len(denied)
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_IF_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _DENY),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, count + 1, 0, _X32),
        *((_IF_EQUAL, count - at, 0, number) for at, number in enumerate(denied)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
