"""The logs themselves: where they stand, that they grew, and what of them is published."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.terminal import opened, speaks

if TYPE_CHECKING:
    from ledger.operate.published_log import PublishedLog
    from ledger.tlog.pruning import MinimumIndex

__all__ = ["log"]

LOGS = ("access", "decisions")  # service.runtime.LOGS, without what that imports

_NAME = click.argument("name", metavar="LOG", type=click.Choice(LOGS))


@click.group()
def log() -> None:
    """Look after the logs, decisions and access, and the keys that sign them."""


@log.command()
@_NAME
@click.option(
    "--from",
    "older",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint of this log that somebody kept.",
)
@click.option(
    "--cose",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the receipt to this file, X.cose.",
)
@speaks
def growth(name: str, older: Path, cose: Path) -> None:
    """Prove that LOG grew out of an older checkpoint, as a COSE receipt (RFC 9942).

    Check it anywhere with: python -m ledger.verify X.cose --checkpoint OLDER --policy FILE
    """
    from ledger.tlog.policy import Policy

    if cose.suffix != ".cose":
        raise click.BadParameter("end the name in .cose, by which the verifier knows it")
    with opened() as runtime:
        # Only a checkpoint that this log signed is worth an answer; anything else is refused.
        kept = Policy.parse(runtime.policy_text).check(older.read_text("utf-8"))
        cose.write_bytes(runtime.cose[name].of_growth(kept).encode())
    click.echo(f"{cose}: check it with python -m ledger.verify {cose} --checkpoint {older}"
               " --policy policy.txt", err=True)  # fmt: skip


@log.command("show")
@speaks
def show_logs() -> None:
    """Say of each log how long it is and from where on it is published."""
    from service.runtime import log_retention

    with opened() as runtime:
        for name, each in runtime.logs.items():
            minimum = log_retention(runtime.settings, name).minimum()
            click.echo(
                f"{name}: {each.size():,} entries, published from entry {minimum.first:,} on"
            )
            click.echo(f"  origin {each.origin}")
            if minimum.index:
                click.echo(f"  minimum index {minimum.index:,}, by the policy: {minimum.policy}")


@log.command()
@_NAME
@click.option(
    "--below",
    required=True,
    type=click.IntRange(min=1),
    metavar="INDEX",
    help="Withhold what lies wholly below this entry.",
)
@click.option(
    "--policy",
    required=True,
    help="The retention policy that permits it, in a sentence that everybody may read.",
)
@click.option("--dry-run", is_flag=True, help="Say what would become unavailable, and stop.")
@speaks
def prune(name: str, below: int, policy: str, *, dry_run: bool) -> None:
    """Stop publishing the beginning of LOG (c2sp.org/tlog-tiles, Pruning).

    Nothing is deleted: proofs of every entry can still be made here. The index can only be
    raised, and only under a stated retention policy.
    """
    from service.runtime import log_retention

    with opened() as runtime:
        published, retention = runtime.logs[name], log_retention(runtime.settings, name)
        before = retention.minimum()
        after = retention.checked(below, policy, published.size())
        for line in _unavailable(published, before, after):
            click.echo(line)
        if dry_run:
            click.echo("Nothing was changed.")
            return
        retention.prune(below, policy, published.size())
    click.echo(f"The minimum index of {published.origin} is {after.index:,}.")


def _unavailable(
    published: "PublishedLog", before: "MinimumIndex", after: "MinimumIndex"
) -> Iterator[str]:
    from ledger.entries import parse_entry

    yield f"{published.origin} has {published.size():,} entries."
    if before.first == after.first:
        yield "No further entry becomes unavailable: they are published in bundles of 256."
        return
    first, last = (
        parse_entry(next(published.entries(index))) for index in (before.first, after.first - 1)
    )
    yield (
        f"No longer published: entries {before.first:,} to {after.first - 1:,}, accepted"
        f" {first.at:%Y-%m-%d %H:%M} to {last.at:%Y-%m-%d %H:%M} UTC, and the tiles over them."
    )
    last_one = published.size() - 1
    kept = f"entries {after.first:,} to {last_one:,}" if after.first <= last_one else "no entry"
    yield f"Still published: {kept}, and the tiles that proofs of later ones need."
