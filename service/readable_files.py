"""Which files the process that opens a model file may still read: the programs it consists of.

Landlock, where the kernel has it (Linux 5.13 and later): from then on this process opens what
lies below Python, its packages and the system's libraries, and no key, database or
configuration, though its user may. What was open stays open.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["leave_only_programs"]

# linux/landlock.h, the first version of the interface; the numbers are those of every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH: Final = 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_EVERYTHING: Final = (1 << 13) - 1  # reading, and each way of writing, making and removing

_PR_SET_NO_NEW_PRIVS: Final = 38
_OURS: Final = ("explain", "ledger", "service")
# Libraries, what the loader knows of them, and how many processors there are.
_SYSTEM: Final = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/lib", "/lib64"),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
    "/sys/fs/cgroup",
)


def leave_only_programs() -> bool:
    """Close every other file to this process for good; say whether the system can."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    asked = ctypes.create_string_buffer(struct.pack("=Q", _EVERYTHING), 8)
    rules = library.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    try:
        for path in _programs():
            _allow(library, rules, path)
        return bool(
            library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            and library.syscall(_RESTRICT_SELF, rules, 0) == 0
        )
    finally:
        os.close(rules)


def _programs() -> Iterable[Path]:
    yield from (Path(each) for each in (sys.prefix, sys.exec_prefix, sys.base_prefix))
    yield from (Path(each) for each in sys.path if Path(each).name.endswith("-packages"))
    yield from _own()
    yield from map(Path, _SYSTEM)


def _own() -> Iterator[Path]:
    """The folders of our packages; not what they lie in, which may be a checkout with data."""
    root = Path(__file__).resolve().parents[1]
    return (root / name for name in _OURS)


def _allow(library: ctypes.CDLL, rules: int, path: Path) -> None:
    with suppress(OSError):  # a path that this system does not have
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            allowed = _READ_FILE | _EXECUTE | (_READ_DIR if path.is_dir() else 0)
            rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, opened), 12)
            library.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
        finally:
            os.close(opened)
