"""Versions of the libraries that read model files here, told without importing them."""

import re
from importlib import metadata

from explain.errors import ArtefactRefused

__all__ = ["installed", "refuse_newer"]

_PARTS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")  # a pre-release, 3.5.0rc1, counts as its release

Version = tuple[int, int, int]


def installed(*packages: str) -> Version:
    """Return the version of the first of these packages that is installed.

    Raises:
        ArtefactRefused: none is; the text says what to install.
    """
    for package in packages:
        try:
            return parsed(metadata.version(package))
        except metadata.PackageNotFoundError:
            continue
    raise ArtefactRefused(f"model file: could not be opened: install {packages[0]}")


def parsed(text: str) -> Version:
    """Return a version as numbers.

    Raises:
        ArtefactRefused: it is none.
    """
    match = _PARTS.match(text)
    if match is None:
        raise ArtefactRefused("model file: no version of the library that wrote it")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def refuse_newer(library: str, written: Version, reader: Version) -> None:
    """Return if a file's writer is not newer than the library that would read it.

    Raises:
        ArtefactRefused: it is. An older reader may misread a file without an error: XGBoost 2.1
            takes the base score of 3.4 for zero, and every score is wrong.
    """
    if written > reader:
        raise ArtefactRefused(
            f"model file: written by {library} {_dotted(written)}, newer than the "
            f"{_dotted(reader)} that would read it; update the reader"
        )


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
