"""Where a model comes from and what it decided, stage by stage, as a reader is told it."""

from dataclasses import dataclass

__all__ = ["LineageItem", "LineageStage"]


@dataclass(frozen=True, slots=True)
class LineageItem:
    """One thing of a stage.

    Attributes:
        name: what it is called.
        facts: what is known of it, each a few words.
        digest: its SHA-256 or commit in hexadecimal; empty if it has none.
        stated: false for what stands where the manifest says nothing.
    """

    name: str
    facts: tuple[str, ...] = ()
    digest: str = ""
    stated: bool = True


@dataclass(frozen=True, slots=True)
class LineageStage:
    """One step on the way from data to decisions, with at least one item.

    Attributes:
        title: what the step is called.
        items: the things of the step; each led to each of the next step.
        each: each item led to the item in the same place of the step before, and to no other.
    """

    title: str
    items: tuple[LineageItem, ...]
    each: bool = False
