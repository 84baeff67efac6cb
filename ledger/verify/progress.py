"""How far an audit is, in a line for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

CLEAR_TO_END: Final = "\x1b[K"  # of a terminal's line
_EVERY_SECONDS: Final = 0.1  # a reader sees no more
_MINUTE, _HOUR = 60, 3600


class Terminal(Protocol):
    """What a line is shown on."""

    def write(self, text: str, /) -> object:
        """Take a part of the line."""

    def flush(self) -> object:
        """Show it."""


@dataclass(slots=True)
class ProgressLine:
    """A line that is written over itself: how many entries, how fast, and how long still."""

    name: str
    terminal: Terminal
    clock: Callable[[], float]
    _began: float | None = field(default=None, init=False)
    _first: int = field(default=0, init=False)
    _shown: float = field(default=0.0, init=False)

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` entries were read."""
        now = self.clock()
        if self._began is None:
            self._began, self._first = now, done
        elif now - self._shown < _EVERY_SECONDS:
            return
        self._shown = now
        line = f"{self.name}: {done:,} of {total:,} entries"
        passed = now - self._began
        if passed > 0 and done > self._first:
            rate = (done - self._first) / passed
            line += f", {rate:,.0f} a second, {_span(max(total - done, 0) / rate)} left"
        self.terminal.write(f"\r{line}{CLEAR_TO_END}")
        self.terminal.flush()


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
