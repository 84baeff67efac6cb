"""What an audit found: values that name the entry and say what differs.

Pure.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

MAX_FINDINGS = 1_000  # kept one by one; a log rewritten from the start would give millions

_RUN = " (this of the first; the like of all up to the last)"


class Code(StrEnum):
    """What kind of disagreement a finding is."""

    CHAIN_BROKEN = "chain_broken"
    CHECKPOINT_FORKED = "checkpoint_forked"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECKPOINT_REFUSED = "checkpoint_refused"
    ENTRY_MALFORMED = "entry_malformed"
    ENTRY_MISSING = "entry_missing"
    ENTRY_UNSIGNED = "entry_unsigned"
    GENESIS_WRONG = "genesis_wrong"
    HASH_DIFFERS = "hash_differs"
    HEAD_DIFFERS = "head_differs"
    ID_DIFFERS = "id_differs"
    KEY_RETIRED = "key_retired"
    ROOT_DIFFERS = "root_differs"
    ROTATION_WRONG = "rotation_wrong"
    SEQ_WRONG = "seq_wrong"
    TILE_DIFFERS = "tile_differs"
    TILE_MISSING = "tile_missing"
    TILE_STRAY = "tile_stray"
    TIMESTAMP_REFUSED = "timestamp_refused"
    TIME_BACKWARDS = "time_backwards"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree.

    Attributes:
        code: what kind of thing.
        index: the first entry concerned, or None if it concerns the log as a whole.
        detail: what differs, in words; holds no person's data.
        last: the last entry concerned, when the same holds for a run of entries.
    """

    code: Code
    index: int | None
    detail: str
    last: int | None = None

    def __str__(self) -> str:
        if self.index is None:
            return f"the log: {self.detail}"
        if self.last is None or self.last == self.index:
            return f"entry {self.index}: {self.detail}"
        return f"entries {self.index} to {self.last}: {self.detail}"


class Findings:
    """Collects findings, joins runs of one code, and keeps at most `MAX_FINDINGS`."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._open: dict[Code, int] = {}  # where in the list the newest run of a code is
        self.omitted = 0

    def add(self, code: Code, index: int | None, detail: str, last: int | None = None) -> None:
        """Add a finding; if it carries on a run of its code, lengthen the run."""
        newest = self._open.get(code)
        if newest is not None and index is not None:
            run = self._kept[newest]
            if run.index is not None and index == (run.index if run.last is None else run.last) + 1:
                detail = run.detail.removesuffix(_RUN) + _RUN
                end = index if last is None else last
                self._kept[newest] = replace(run, detail=detail, last=end)
                return
        if len(self._kept) >= MAX_FINDINGS:
            self.omitted += 1
            return
        self._open[code] = len(self._kept)
        self._kept.append(Finding(code, index, detail, last))

    def sorted(self) -> tuple[Finding, ...]:
        """The findings by entry; what only says "somewhere", or is of the whole log, comes last."""

        def place(finding: Finding) -> tuple[bool, bool, int, str]:
            vague = finding.code is Code.ROOT_DIFFERS
            return finding.index is None, vague, finding.index or 0, finding.code

        return tuple(sorted(self._kept, key=place))
