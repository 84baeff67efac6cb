"""Stages of model versions: propose, agree, refuse, promote, suspend, and what happened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.terminal import Arguments, Result, opened, print_json, speaks

if TYPE_CHECKING:
    from ledger.operate.registry import ModelVersion
    from service.approving import Approver
    from service.runtime import Runtime

__all__ = ["agree", "history", "promote", "propose", "refuse", "suspend"]


def _acts(command: Callable[Arguments, Result]) -> Callable[..., Result]:
    """Give a command the options of somebody who does something about a stage."""
    with_key = click.option(
        "--key-file",
        default="-",
        help="A file with your API key; - asks for it.  [default: -]",
        type=click.Path(allow_dash=True, path_type=Path),
    )(command)
    return click.option("--reason", required=True, help="Why: a sentence, sealed.")(with_key)


@contextmanager
def _approver(key_file: Path) -> Iterator["Approver"]:
    from service.approving import Approver
    from service.commands.erasures import caller

    with caller(key_file, "audit", "") as (runtime, found):
        yield Approver(runtime, found.principal)


@click.command()
@click.argument("reference")
@click.argument("stage", type=click.Choice(["approved", "retired"]))
@_acts
@speaks
def propose(reference: str, stage: str, *, reason: str, key_file: Path) -> None:
    """Propose that a version is approved, or retired for good; prints the proposal's id."""
    with _approver(key_file) as acting:
        version = acting.propose(reference, stage, reason)
        proposal = acting.history(version.digest)[-1]
    click.echo(proposal.id)
    click.echo("Proposed. Another person has to agree.", err=True)


@click.command()
@click.argument("reference")
@click.argument("proposal")
@_acts
@speaks
def agree(reference: str, proposal: str, *, reason: str, key_file: Path) -> None:
    """Agree to what somebody else proposed, by the id of the PROPOSAL."""
    with _approver(key_file) as acting:
        _say(acting.agree(reference, proposal, reason))


@click.command()
@click.argument("reference")
@click.argument("proposal")
@_acts
@speaks
def refuse(reference: str, proposal: str, *, reason: str, key_file: Path) -> None:
    """Refuse a PROPOSAL, or take your own back."""
    with _approver(key_file) as acting:
        _say(acting.refuse(reference, proposal, reason))


@click.command()
@click.argument("reference")
@_acts
@speaks
def promote(reference: str, *, reason: str, key_file: Path) -> None:
    """Say that an approved version is in use from now on."""
    with _approver(key_file) as acting:
        _say(acting.promote(reference, reason))


@click.command()
@click.argument("reference")
@_acts
@speaks
def suspend(reference: str, *, reason: str, key_file: Path) -> None:
    """Stop a version at once: no decision by it is taken until it is approved again."""
    with _approver(key_file) as acting:
        _say(acting.suspend(reference, reason))


@click.command()
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@speaks
def history(reference: str, *, as_json: bool) -> None:
    """Say what happened to a version: when, what, who in which role, why."""
    with opened() as runtime:
        events = runtime.approvals.history(reference)
        if as_json:
            from service.api.stages import shown_event

            print_json([shown_event(each) for each in events])
            return
        names = _names(runtime)
        for each in events:
            said = [f"{each.at:%Y-%m-%d %H:%M:%S}", each.id, f"{each.act:<19}"]
            if each.actor is not None:
                said += [f"{names.get(each.actor, each.actor)}, {each.role}:", each.reason]
            click.echo("  ".join(said).rstrip())


def _names(runtime: "Runtime") -> dict[str, Any]:
    return {each.id: each.name for each in runtime.api_keys.list()}


def _say(version: "ModelVersion") -> None:
    click.echo(f"{version.reference}  {version.status}")
