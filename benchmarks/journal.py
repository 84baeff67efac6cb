"""What programs wrote down of their calls, read back after they were killed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call that returned: what the program was told."""

    number: int
    id: str
    source: str
    seq: int
    accepted: bool
    why: str


@dataclass(slots=True)
class Journal:
    """What the programs wrote down."""

    calls: dict[int, Call] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    ends: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Journal:
        found = cls()
        for line in path.read_text().splitlines():
            word, _, rest = line.partition(" ")
            if word == "try":
                found.tried.add(int(rest))
            elif word == "end":
                found.ends.append(json.loads(rest))
            else:
                number, identifier, source, seq = rest.split()
                counter = -1 if seq == "None" else int(seq)
                accepted, why = word == "ok", word.partition(":")[2]
                found.calls[int(number)] = Call(
                    int(number), identifier, source, counter, accepted, why
                )
        return found

    @property
    def in_doubt(self) -> set[int]:
        """Calls that a kill cut short: the program was told nothing."""
        return self.tried - self.calls.keys()
