"""The values of settings: the name of one and its text in, what it stands for out."""

from pathlib import Path
from typing import Final

from ledger.errors import MalformedError
from service.office_hours import OfficeHours

__all__ = ["SettingsError", "hours", "number", "path", "read_passphrase", "text", "yes_or_no"]

_YES_NO: Final = {"0": False, "1": True, "false": False, "no": False, "true": True, "yes": True}


class SettingsError(Exception):
    """A setting is unknown or cannot be used; the text names it and says why."""


def text(_name: str, value: str) -> str:
    """The value as it stands."""
    return value


def path(_name: str, value: str) -> Path:
    """A file or a directory."""
    return Path(value)


def number(name: str, value: str) -> int:
    """A whole number.

    Raises:
        SettingsError: it is none.
    """
    if not value.isascii() or not value.isdigit():
        raise SettingsError(f"{name}: give a whole number")
    return int(value)


def hours(name: str, value: str) -> OfficeHours:
    """Hours of a week.

    Raises:
        SettingsError: they are not in the form of some.
    """
    try:
        return OfficeHours.parse(value)
    except MalformedError as error:
        raise SettingsError(f"{name}: {error}") from error


def yes_or_no(name: str, value: str) -> bool:
    """Yes or no, in a word or a digit.

    Raises:
        SettingsError: it is neither.
    """
    if value.lower() not in _YES_NO:
        raise SettingsError(f"{name}: give yes or no")
    return _YES_NO[value.lower()]


def read_passphrase(name: str, value: str) -> bytes:
    """The passphrase in the file that a setting or an option names.

    Raises:
        SettingsError: the file cannot be read, or is empty.
    """
    try:
        passphrase = Path(value).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{name}: the file cannot be read") from error
    if not passphrase:
        raise SettingsError(f"{name}: the file is empty")
    return passphrase
