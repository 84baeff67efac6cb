"""What a check has to say at the end, and how bad it is. Pure."""

from dataclasses import dataclass, field
from typing import Final

from ledger.canonical import JsonValue

FINE: Final = 0
FINDINGS: Final = 1
NOT_CHECKED: Final = 2


@dataclass(slots=True)
class Outcome:
    """What is to be said at the end.

    Attributes:
        status: the worst so far: the exit status.
        lines: for people.
        document: for programs.
        logs: for programs, of each log.
        incomplete: whether predictions are missing that nobody gave a reason for, or a stated
            total does not agree. That is no finding: it says what was not sent.
    """

    status: int = FINE
    lines: list[str] = field(default_factory=list)
    document: dict[str, JsonValue] = field(default_factory=dict)
    logs: list[dict[str, JsonValue]] = field(default_factory=list)
    incomplete: bool = False

    def worsen(self, status: int) -> None:
        """A finding outweighs what could not be checked, and that outweighs fine."""
        if FINDINGS in (status, self.status):
            self.status = FINDINGS
        else:
            self.status = max(status, self.status)


def plain(text: str) -> str:
    """The text without what a terminal would obey: a hostile log must not draw its own verdict."""
    return "".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in text)
