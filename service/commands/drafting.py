"""Drafts of manifests from a training platform: what it knows, and what it leaves to say."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.terminal import Arguments, Result, speaks

if TYPE_CHECKING:
    from service.drafts.draft import Draft

__all__ = ["import_mlflow", "import_valohai"]

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def _drafts(command: Callable[Arguments, Result]) -> Callable[..., Result]:
    """Give a command the options of whoever drafts a manifest."""
    for option in (
        click.option("--name", default="", help="What the model is called."),
        click.option("--version", default="", help="Which version of it this is."),
        click.option(
            "--artefact",
            "artefacts",
            multiple=True,
            metavar="NAME=FILE",
            help="A file to state with its digest, e.g. model=model.json. Repeat it.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Write the draft to this new file.  [default: print it]",
        ),
    ):
        command = option(command)
    return command


@click.command("import-mlflow")
@click.argument("file", type=_FILE, required=False)
@click.option("--run", "run_id", default="", help="The id of a run to fetch with MLflow.")
@click.option("--tracking-uri", default="", help="Where MLflow keeps it, if not in FILE.")
@_drafts
@speaks
def import_mlflow(file: Path | None, *, run_id: str, tracking_uri: str, **given: Any) -> None:
    """Draft a manifest from a run of MLflow: a FILE of JSON, or --run and --tracking-uri.

    FILE is what mlflow runs describe prints, or the answer of the interface's runs/get.
    """
    from service.drafts.mlflow_run import fetched_run, mlflow_draft

    if (file is None) is not bool(run_id and tracking_uri):
        raise click.UsageError("give a FILE, or --run and --tracking-uri")
    run = _read(file) if file is not None else fetched_run(tracking_uri, run_id)
    _hand_out(mlflow_draft(run), **given)


@click.command("import-valohai")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@_drafts
@speaks
def import_valohai(files: tuple[Path, ...], **given: Any) -> None:
    """Draft a manifest from FILES of one Valohai execution.

    They are the interface's answer for the execution, and execution.json, inputs.json and
    parameters.json of its /valohai/config; some of them are enough.
    """
    from service.drafts.valohai_execution import valohai_draft

    _hand_out(valohai_draft([_read(each) for each in files]), **given)


def _read(path: Path) -> dict[str, Any]:
    from ledger import canonical
    from ledger.errors import MalformedError
    from service.drafts.draft import MAX_FILE_BYTES

    with path.open("rb") as file:
        read = canonical.parse(file.read(MAX_FILE_BYTES + 1), max_bytes=MAX_FILE_BYTES)
    if not isinstance(read, dict):
        raise MalformedError(f"{path.name}: not an object")
    return read


def _hand_out(
    draft: "Draft", *, name: str, version: str, artefacts: tuple[str, ...], output: Path | None
) -> None:
    from service.drafts.draft import artefact, gaps

    files = dict(_named(each) for each in artefacts)
    stated = {each: artefact(path.name, path.read_bytes()) for each, path in files.items()}
    head = {"name": name, "version": version, "artefacts": stated}
    manifest = {member: each for member, each in head.items() if each} | dict(draft.manifest)
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        with output.open("x", encoding="utf-8") as file:  # no finished manifest is overwritten
            file.write(text)
    missing = gaps(manifest)
    for title, needed in (("to register and explain it", True), ("for people", False)):
        members = [each.member for each in missing if each.needed is needed]
        if members:
            click.echo(f"Missing {title}: {', '.join(members)}.", err=True)
    for note in draft.notes:
        click.echo(note, err=True)


def _named(text: str) -> tuple[str, Path]:
    name, found, path = text.partition("=")
    if not found or not name:
        raise click.BadParameter("write NAME=FILE", param_hint="--artefact")
    return name, Path(path)
