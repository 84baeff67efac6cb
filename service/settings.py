"""Settings: one frozen value, read once from the environment.

Everything that an operator may choose is a field here, with its default, its
unit and what follows from it; constructors elsewhere receive values and never
look at the environment. A variable that starts with ``LEDGER_`` and is not
known stops the program: a misspelt setting must not silently mean its default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Settings", "SettingsError"]

DEFAULT_ORIGIN: Final = "localhost/ledger"
MAX_ORIGIN_CHARS: Final = (
    200  # characters; leaves room for "/log/decisions" within C2SP's 255 bytes
)
MAX_PORT: Final = 65_535
MAX_THREADS: Final = 64  # beyond this one SQLite writer only queues longer

_ORIGIN = re.compile(r"[A-Za-z0-9.:_-]+(/[A-Za-z0-9._-]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}")
OTHERS: Final = frozenset({"LEDGER_CLIENT_KEY"})  # read by `python -m ledger.client`, not here
_YES_NO: Final = {"0": False, "1": True, "false": False, "no": False, "true": True, "yes": True}


class SettingsError(Exception):
    """A setting is unknown or cannot be used; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one deployment is told from outside.

    Attributes:
        data: `LEDGER_DATA`, directory of databases, keys and artefacts (`./data`).
        database_url: `LEDGER_DATABASE_URL`, SQLAlchemy address of the log
            (SQLite `ledger.db` in `data`).
        vault_url: `LEDGER_VAULT_URL`, address of the vault, a separate database so
            that it has separate backups (SQLite `vault.db` in `data`).
        origin: `LEDGER_ORIGIN`, base of the log's names, a host and path without a
            scheme; fixed at `init` and remembered in `data` (`localhost/ledger`).
        host: `LEDGER_HOST`, address to listen on (`127.0.0.1`: this machine only).
        port: `PORT`, TCP port to listen on (8000).
        threads: `LEDGER_THREADS`, requests served at once by the one process (8).
        https: `LEDGER_HTTPS`, yes when a proxy in front speaks TLS: cookies become
            Secure and browsers are told to insist on HTTPS (no).
        log_public: `LEDGER_LOG_PUBLIC`, no closes `/log/…` to callers without a key,
            for operators to whom volumes are secret (yes).
        language: `LEDGER_LANGUAGE`, language of explanations and letters (`en`).
        contacts: `LEDGER_CONTACTS`, a JSON file of everyone that a letter names
            (`contacts.json` in `data`); without it no letter can be written.
        key_passphrase: content of the file named by `LEDGER_KEY_PASSPHRASE_FILE`;
            the log's private keys are encrypted with it (None: file mode 0600 only).
    """

    data: Path
    database_url: str = field(default="", repr=False)  # may hold a password
    vault_url: str = field(default="", repr=False)
    origin: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 8
    https: bool = False
    log_public: bool = True
    language: str = "en"
    contacts: Path | None = None
    key_passphrase: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _set(self, "database_url", self.database_url or f"sqlite:///{self.data / 'ledger.db'}")
        _set(self, "vault_url", self.vault_url or f"sqlite:///{self.data / 'vault.db'}")
        if self.database_url == self.vault_url:
            raise SettingsError(
                "LEDGER_VAULT_URL: give another database than LEDGER_DATABASE_URL, because"
                " the two are backed up apart"
            )
        _set(self, "origin", self.origin or _remembered_origin(self.data) or DEFAULT_ORIGIN)
        if not _ORIGIN.fullmatch(self.origin) or len(self.origin) > MAX_ORIGIN_CHARS:
            raise SettingsError(
                "LEDGER_ORIGIN: give a host and path without a scheme, such as ledger.example/demo"
            )
        if not 0 <= self.port <= MAX_PORT:
            raise SettingsError(f"PORT: give a number from 0 to {MAX_PORT}")
        if not 1 <= self.threads <= MAX_THREADS:
            raise SettingsError(f"LEDGER_THREADS: give a number from 1 to {MAX_THREADS}")
        if not _LANGUAGE.fullmatch(self.language):
            raise SettingsError("LEDGER_LANGUAGE: give a language of two letters, such as en")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings of this process.

        Raises:
            SettingsError: a `LEDGER_` variable is unknown, or a value cannot be used.
        """
        ours = KNOWN.keys() | OTHERS
        unknown = sorted(n for n in environ if n.startswith("LEDGER_") and n not in ours)
        if unknown:
            raise SettingsError(
                f"{unknown[0]}: no such setting; known are {', '.join(sorted(KNOWN))}"
            )
        values: dict[str, object] = {"data": Path("data")}
        for name, (member, read) in KNOWN.items():
            if environ.get(name):
                values[member] = read(name, environ[name])
        return cls(**values)  # type: ignore[arg-type]  # KNOWN pairs each member with its reader

    def log_origin(self, name: str) -> str:
        """The full name of the log `decisions` or `access`."""
        return f"{self.origin}/log/{name}"

    @property
    def keys_dir(self) -> Path:
        """Where the private keys of both logs lie."""
        return self.data / "keys"

    @property
    def locks_dir(self) -> Path:
        """Where the last signed checkpoint of each log is kept, outside the database."""
        return self.data / "checkpoints"

    @property
    def kek_path(self) -> Path:
        """The key-encryption key: with the vault, it opens every record."""
        return self.data / "vault.kek"

    @property
    def artefacts_dir(self) -> Path:
        """Where model files lie, by digest."""
        return self.data / "artefacts"

    @property
    def policy_path(self) -> Path:
        """The trust policy of these logs, to hand to relying parties."""
        return self.data / "policy.txt"

    @property
    def witnesses_path(self) -> Path:
        """Which witnesses are asked to cosign, and their quorum: a trust policy with addresses."""
        return self.data / "witnesses.txt"

    @property
    def cosigned_dir(self) -> Path:
        """Where the newest cosigned checkpoint of each log is kept, apart from the log's own."""
        return self.data / "cosigned"

    @property
    def origin_path(self) -> Path:
        """Where `init` remembers the origin, so that it cannot change by accident."""
        return self.data / "origin.txt"

    @property
    def contacts_path(self) -> Path:
        """Who stands on letters: see `service.contacts` for the form of the file."""
        return self.contacts or self.data / "contacts.json"

    @property
    def session_key_path(self) -> Path:
        """The secret that signs browser sessions."""
        return self.data / "session.key"


def _set(settings: Settings, member: str, value: object) -> None:
    object.__setattr__(settings, member, value)


def _remembered_origin(data: Path) -> str:
    path = data / "origin.txt"
    return path.read_text("utf-8").strip() if path.is_file() else ""


def _text(_name: str, value: str) -> str:
    return value


def _path(_name: str, value: str) -> Path:
    return Path(value)


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise SettingsError(f"{name}: give a whole number")
    return int(value)


def _yes_or_no(name: str, value: str) -> bool:
    if value.lower() not in _YES_NO:
        raise SettingsError(f"{name}: give yes or no")
    return _YES_NO[value.lower()]


def _passphrase(name: str, value: str) -> bytes:
    try:
        passphrase = Path(value).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{name}: the file cannot be read") from error
    if not passphrase:
        raise SettingsError(f"{name}: the file is empty")
    return passphrase


KNOWN: Final = {
    "LEDGER_CONTACTS": ("contacts", _path),
    "LEDGER_DATA": ("data", _path),
    "LEDGER_DATABASE_URL": ("database_url", _text),
    "LEDGER_HOST": ("host", _text),
    "LEDGER_HTTPS": ("https", _yes_or_no),
    "LEDGER_KEY_PASSPHRASE_FILE": ("key_passphrase", _passphrase),
    "LEDGER_LANGUAGE": ("language", _text),
    "LEDGER_LOG_PUBLIC": ("log_public", _yes_or_no),
    "LEDGER_ORIGIN": ("origin", _text),
    "LEDGER_THREADS": ("threads", _number),
    "LEDGER_VAULT_URL": ("vault_url", _text),
    "PORT": ("port", _number),
}
