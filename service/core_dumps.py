"""What a crash leaves: nothing. Keys and people's data are in the memory of these processes.

The operator's service manager can say the same (`LimitCORE=0`); that it forgot to is no reason
for the kernel to write a record into a file, or to hand it to a crash reporter.
"""

import ctypes
import resource
import sys
from contextlib import suppress
from typing import Final

__all__ = ["switch_off"]

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


def switch_off() -> None:
    """Have the system keep nothing of this process's memory when it crashes.

    Processes that it starts inherit the limit. On Linux it is not dumpable either, which
    covers dumps that are piped to a program (core(5): no limit holds for those) and keeps
    other programs of the same user from reading its memory; a program started by exec has to
    say so again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
