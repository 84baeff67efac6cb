"""Models and policies: what decisions are made with."""

import json
from pathlib import Path
from typing import Any, Final

import click

from service.commands.drafting import import_mlflow, import_valohai
from service.commands.stages import agree, history, promote, propose, refuse, suspend
from service.commands.terminal import NO, opened, print_json, speaks

__all__ = ["model", "policy"]

MAX_MANIFEST_BYTES: Final = 4_000_000  # as the registry takes them
MAX_SHOWN: Final = 200  # characters of one value in a list of changes
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def model() -> None:
    """Register and show model versions."""


@model.command("register")
@click.argument("manifest", type=_FILE)
@click.option(
    "--artefact",
    "artefacts",
    multiple=True,
    metavar="NAME=FILE",
    help="A file under the name that the manifest gives it, e.g. model=model.json. Repeat it.",
)
@speaks
def register_model(manifest: Path, artefacts: tuple[str, ...]) -> None:
    """Register the model version that MANIFEST (JSON) describes, with its files."""
    from service.registering import register_model

    files = dict(_named_file(each) for each in artefacts)
    with opened() as runtime:
        version = register_model(runtime.registry, _manifest(manifest), files)
    click.echo(f"{version.digest}  {version.reference}")


@model.command("check")
@click.argument("reference")
@speaks
def check_model(reference: str) -> None:
    """Open a model version anew, and say whether it answers as when it was registered.

    One that had been set apart is used again if it does. Exit status 1 if it does not, or
    cannot be opened.
    """
    from explain.errors import ExplainError

    with opened() as runtime:
        version = runtime.registry.model(reference)
        try:
            apart = runtime.explaining.check(version)
        except ExplainError as error:
            click.echo(f"{version.reference}: {error}")
            raise click.exceptions.Exit(NO) from error
    golden = version.manifest.get("golden_rows")
    rows = len(golden) if isinstance(golden, list) else 0
    click.echo(f"{version.reference} opens, and answers {rows} golden rows as it was registered.")
    if apart is not None:
        click.echo(f"It had been set apart since {apart.since}, and is used again.")


@model.command("list")
@speaks
def list_models() -> None:
    """List model versions: digest, name@version, stage of life."""
    with opened() as runtime:
        apart = runtime.quarantine.all()
        for version in runtime.registry.models():
            mark = "  set apart" if version.digest in apart else ""
            click.echo(f"{version.digest}  {version.reference}  {version.status}{mark}")


@model.command("show")
@click.argument("reference")
@speaks
def show_model(reference: str) -> None:
    """Show the manifest of a model version, by digest or name@version."""
    with opened() as runtime:
        print_json(dict(runtime.registry.model(reference).manifest))


for _command in (
    *(propose, agree, refuse, promote, suspend, history),
    *(import_mlflow, import_valohai),
):
    model.add_command(_command)


@click.group()
def policy() -> None:
    """Register and show decision policies."""


@policy.command("register")
@click.argument("manifest", type=_FILE)
@speaks
def register_policy(manifest: Path) -> None:
    """Register the policy version that MANIFEST (JSON) describes."""
    with opened() as runtime:
        version = runtime.registry.register_policy(_manifest(manifest))
    click.echo(f"{version.digest}  {version.reference}")


@policy.command("list")
@speaks
def list_policies() -> None:
    """List policy versions: digest, name@version."""
    with opened() as runtime:
        for version in runtime.registry.policies():
            click.echo(f"{version.digest}  {version.reference}")


@policy.command("show")
@click.argument("reference")
@speaks
def show_policy(reference: str) -> None:
    """Show the manifest of a policy version, by digest or name@version."""
    with opened() as runtime:
        print_json(dict(runtime.registry.policy(reference).manifest))


@policy.command("diff")
@click.argument("old")
@click.argument("new")
@speaks
def diff_policies(old: str, new: str) -> None:
    """Show what changed from the policy version OLD to NEW, member by member."""
    from service.manifest_changes import changes

    with opened() as runtime:
        before, after = runtime.registry.policy(old), runtime.registry.policy(new)
    found, total = changes(before.manifest, after.manifest)
    for each in found:
        values = " -> ".join(_short(value) for value in (each.before, each.after))
        click.echo(f"{each.how:<8} {each.path}: {values}")
    if total > len(found):
        click.echo(f"and {total - len(found):,} more", err=True)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _manifest(path: Path) -> Any:
    from ledger import canonical

    return canonical.parse(path.read_bytes(), max_bytes=MAX_MANIFEST_BYTES)


def _named_file(text: str) -> tuple[str, bytes]:
    name, found, path = text.partition("=")
    if not found or not name:
        raise click.BadParameter("write NAME=FILE", param_hint="--artefact")
    return name, Path(path).read_bytes()
