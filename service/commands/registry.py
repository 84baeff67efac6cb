"""Models and policies: what decisions are made with."""

from pathlib import Path
from typing import Any, Final

import click

from service.commands.terminal import NO, opened, print_json, speaks

__all__ = ["model", "policy"]

MAX_MANIFEST_BYTES: Final = 4_000_000  # as the registry takes them
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


def _manifest(path: Path) -> Any:
    from ledger import canonical

    return canonical.parse(path.read_bytes(), max_bytes=MAX_MANIFEST_BYTES)


def _named_file(text: str) -> tuple[str, bytes]:
    name, found, path = text.partition("=")
    if not found or not name:
        raise click.BadParameter("write NAME=FILE", param_hint="--artefact")
    return name, Path(path).read_bytes()
