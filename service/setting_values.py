"""How the value of a setting is read: one reader for each form, and what a tenant's own is.

A reader is given the setting's name too, so that what it refuses can be found.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import MalformedError
from service.office_hours import OfficeHours

__all__ = [
    "MAIN",
    "TENANT_NAME",
    "SettingsError",
    "of_tenant",
    "read_hours",
    "read_number",
    "read_passphrase",
    "read_path",
    "read_tenant",
    "read_text",
    "read_yes_or_no",
]

MAIN: Final = "main"  # what {tenant} stands for in the main ledger's own addresses
TENANT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")  # a path segment, and a label in names
_PLACEHOLDER: Final = "{tenant}"
_DATABASES: Final = ("LEDGER_DATABASE_URL", "LEDGER_VAULT_URL")
_ARTEFACTS: Final = "LEDGER_ARTEFACTS_URL"
_PER_TENANT: Final = (*_DATABASES, _ARTEFACTS, "LEDGER_CONTACTS", "LEDGER_EVENTS",
               "LEDGER_KEY_PASSPHRASE_FILE", "LEDGER_RETENTION", "LEDGER_VAULT_PASSPHRASE_FILE",
               "LEDGER_VAULT_KEY_SERVICE")  # fmt: skip

_YES_NO: Final = {"0": False, "1": True, "false": False, "no": False, "true": True, "yes": True}


class SettingsError(Exception):
    """A setting is unknown or cannot be used; the text names it and says why."""


def of_tenant(name: str, value: str, tenant: str) -> str:
    """A setting as it holds for one ledger, with the tenant's name in its place.

    Raises:
        SettingsError: it names one database, or one place of files, for all of them.
    """
    if name not in _PER_TENANT or not value:
        return value
    if tenant and name in _DATABASES:
        address = urlsplit(value)
        if (
            _PLACEHOLDER not in address.path
            and _PLACEHOLDER not in address.netloc.rpartition("@")[2]
        ):
            raise SettingsError(
                f"{name}: with tenants, put {_PLACEHOLDER} into the database's name, because two"
                " ledgers may not share a database"
            )
    if tenant and name == _ARTEFACTS and _PLACEHOLDER not in value:
        raise SettingsError(
            f"{name}: with tenants, put {_PLACEHOLDER} into the address, because one could name"
            " another's files"
        )
    if tenant and name == "LEDGER_CONTACTS" and _PLACEHOLDER not in value:
        return ""  # nobody's letters go out in another's name: the file in its own directory
    return value.replace(_PLACEHOLDER, tenant or MAIN)


def read_tenant(name: str, value: str) -> str:
    """The name of a tenant, or nothing for the main ledger.

    Raises:
        SettingsError: it is not one.
    """
    if value and not TENANT_NAME.fullmatch(value):
        raise SettingsError(
            f"{name}: give a tenant's name: lower-case letters, digits and hyphens, at most 31,"
            " beginning with a letter or digit"
        )
    return value


def read_text(_name: str, value: str) -> str:
    """The text as it is."""
    return value


def read_path(_name: str, value: str) -> Path:
    """The file or directory of this name."""
    return Path(value)


def read_number(name: str, value: str) -> int:
    """The whole number.

    Raises:
        SettingsError: it is not one.
    """
    if not value.isascii() or not value.isdigit():
        raise SettingsError(f"{name}: give a whole number")
    return int(value)


def read_hours(name: str, value: str) -> OfficeHours:
    """When officers are at work.

    Raises:
        SettingsError: it does not say so.
    """
    try:
        return OfficeHours.parse(value)
    except MalformedError as error:
        raise SettingsError(f"{name}: {error}") from error


def read_yes_or_no(name: str, value: str) -> bool:
    """Whether it says yes.

    Raises:
        SettingsError: it says neither yes nor no.
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
