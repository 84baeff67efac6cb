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

from service.office_hours import OfficeHours
from service.setting_values import (
    MAIN,
    TENANT_NAME,
    SettingsError,
    of_tenant,
    read_hours,
    read_number,
    read_passphrase,
    read_path,
    read_tenant,
    read_text,
    read_yes_or_no,
)

__all__ = ["MAIN", "TENANT_NAME", "Settings", "SettingsError", "read_passphrase"]

DEFAULT_ORIGIN: Final = "localhost/ledger"
MAX_ORIGIN_CHARS: Final = (
    200  # characters; leaves room for "/log/decisions" within C2SP's 255 bytes
)
MAX_PORT: Final = 65_535
MAX_WORKERS: Final = 64  # web processes; a writer serves some 250
MAX_THREADS: Final = 64  # beyond this one SQLite writer only queues longer

LANGUAGES: Final = ("de", "en", "es", "fr", "it", "nl", "pl")  # of which there are catalogues
LOG_FORMATS: Final = ("text", "json")

_ORIGIN = re.compile(r"[A-Za-z0-9.:_-]+(/[A-Za-z0-9._-]+)*")
OTHERS: Final = frozenset({"LEDGER_CLIENT_KEY"})  # read by `python -m ledger.client`, not here


@dataclass(frozen=True, slots=True)
class Settings:
    """What one deployment is told from outside.

    Attributes:
        data: `LEDGER_DATA`, directory of databases, keys and artefacts (`./data`).
        database_url: `LEDGER_DATABASE_URL`, SQLAlchemy address of the log
            (SQLite `ledger.db` in `data`).
        vault_url: `LEDGER_VAULT_URL`, address of the vault, a separate database so
            that it has separate backups (SQLite `vault.db` in `data`).
        artefacts_url: `LEDGER_ARTEFACTS_URL`, where model files lie, an address of fsspec such as
            `s3://bucket/prefix` (`artefacts` in `data`, which otherwise keeps what was read).
        origin: `LEDGER_ORIGIN`, base of the log's names, a host and path without a
            scheme; fixed at `init` and remembered in `data` (`localhost/ledger`).
        host: `LEDGER_HOST`, address to listen on (`127.0.0.1`: this machine only).
        port: `PORT`, TCP port to listen on (8000).
        workers: `LEDGER_WORKERS`, web processes beside the one that writes (2).
        threads: `LEDGER_THREADS`, requests served at once by each of them (32).
        https: `LEDGER_HTTPS`, yes when a proxy in front speaks TLS: cookies become
            Secure and browsers are told to insist on HTTPS (no).
        log_public: `LEDGER_LOG_PUBLIC`, no closes `/log/…` to callers without a key,
            for operators to whom volumes are secret (yes).
        tenant: `LEDGER_TENANT`, the tenant whose ledger this is (the main ledger). Its
            directory is `tenants/<name>` in `data`, its origin the main one's and its name;
            `{tenant}` in addresses and file names stands for the name.
        events: `LEDGER_EVENTS`, a JSON file of model servers whose payload loggers send events
            (none: events are refused).
        metrics_host: `LEDGER_METRICS_HOST`, address at which metrics are shown (`127.0.0.1`).
        metrics_port: `LEDGER_METRICS_PORT`, its TCP port (0: no metrics are kept or shown).
        log_format: `LEDGER_LOG_FORMAT`, how log lines are written, `text` or `json` (`text`).
        office_hours: `LEDGER_OFFICE_HOURS`, when looks at records are expected, such as
            `Mon-Fri 07:00-19:00 Europe/Berlin` (none: no look is out of hours).
        language: `LEDGER_LANGUAGE`, language of explanations and letters (`en`).
        contacts: `LEDGER_CONTACTS`, a JSON file of everyone that a letter names
            (`contacts.json` in `data`); without it no letter can be written.
        key_passphrase: content of the file named by `LEDGER_KEY_PASSPHRASE_FILE`;
            the log's private keys are encrypted with it (None: file mode 0600 only).
        vault_passphrase: content of the file named by `LEDGER_VAULT_PASSPHRASE_FILE`; the
            key-encryption keys in `vault.kek` are encrypted with it. Give it to somebody
            else than the log's (None: file mode 0600 only).
        vault_key_service: `LEDGER_VAULT_KEY_SERVICE`, a key of a key service, such as
            `hv:ledger-vault`, that encrypts key-encryption keys made from now on (none).
        retention: `LEDGER_RETENTION`, a directory of JSON files: classes of retention, and
            rules beside those that are shipped (none: nothing expires).
    """

    data: Path
    database_url: str = field(default="", repr=False)  # may hold a password
    vault_url: str = field(default="", repr=False)
    artefacts_url: str = field(default="", repr=False)
    origin: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    threads: int = 32  # what waits for a commit shares it; a thread that waits costs little
    https: bool = False
    log_public: bool = True
    tenant: str = ""
    events: Path | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    log_format: str = "text"
    office_hours: OfficeHours | None = None
    language: str = "en"
    contacts: Path | None = None
    key_passphrase: bytes | None = field(default=None, repr=False)
    vault_passphrase: bytes | None = field(default=None, repr=False)
    vault_key_service: str = ""
    retention: Path | None = None

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
        if not 1 <= self.port <= MAX_PORT:
            raise SettingsError(f"PORT: give a number from 1 to {MAX_PORT}")
        if not 0 <= self.metrics_port <= MAX_PORT or self.metrics_port == self.port:
            raise SettingsError(
                f"LEDGER_METRICS_PORT: give a number from 1 to {MAX_PORT}, other than PORT, or 0"
            )
        if not 1 <= self.threads <= MAX_THREADS:
            raise SettingsError(f"LEDGER_THREADS: give a number from 1 to {MAX_THREADS}")
        if not 1 <= self.workers <= MAX_WORKERS:
            raise SettingsError(f"LEDGER_WORKERS: give a number from 1 to {MAX_WORKERS}")
        if self.log_format not in LOG_FORMATS:
            raise SettingsError(f"LEDGER_LOG_FORMAT: give {' or '.join(LOG_FORMATS)}")
        if self.language not in LANGUAGES:
            raise SettingsError(f"LEDGER_LANGUAGE: give one of {', '.join(LANGUAGES)}")

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
        tenant = read_tenant("LEDGER_TENANT", environ.get("LEDGER_TENANT", ""))
        values: dict[str, object] = {"data": Path("data")}
        for name, (member, read) in KNOWN.items():
            text = of_tenant(name, environ.get(name, ""), tenant)
            if text:
                values[member] = read(name, text)
        if tenant:
            main = Path(environ.get("LEDGER_DATA") or "data")
            base = environ.get("LEDGER_ORIGIN") or _remembered_origin(main) or DEFAULT_ORIGIN
            values |= {"data": main / "tenants" / tenant, "origin": f"{base}/{tenant}"}
        return cls(**values)  # type: ignore[arg-type]  # KNOWN pairs each member with its reader

    def log_origin(self, name: str) -> str:
        """The full name of the log `decisions` or `access`."""
        return f"{self.origin}/log/{name}"

    @property
    def mount(self) -> str:
        """The path under which this ledger is served: empty for the main one."""
        return f"/{self.tenant}" if self.tenant else ""

    @property
    def keys_dir(self) -> Path:
        """Where the private keys of both logs lie."""
        return self.data / "keys"

    @property
    def locks_dir(self) -> Path:
        """Where the last signed checkpoint of each log is kept, outside the database."""
        return self.data / "checkpoints"

    @property
    def pruning_dir(self) -> Path:
        """Where the minimum index of each log is kept, once a retention policy was stated."""
        return self.data / "pruning"

    @property
    def retention_dir(self) -> Path:
        """Where reports of dry runs of retention are kept."""
        return self.data / "retention"

    @property
    def kek_path(self) -> Path:
        """The key-encryption key: with the vault, it opens every record."""
        return self.data / "vault.kek"

    @property
    def artefacts_dir(self) -> Path:
        """Where model files lie by digest, or those of them that were read from an address."""
        return self.data / "artefacts"

    @property
    def writer_path(self) -> Path:
        """The local socket of the writer process, while one runs."""
        return self.data / "writer.sock"

    @property
    def attributions_path(self) -> Path:
        """What the worker on later attributions remembers of model versions that gave trouble."""
        return self.data / "attributions.json"

    @property
    def metrics_dir(self) -> Path:
        """Where the processes of a server keep what they count, while it runs."""
        return self.data / "metrics"

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
    def handover_dir(self) -> Path:
        """Checkpoints that old and new keys of a log signed, one for each rotation."""
        return self.data / "handover"

    @property
    def authorities_path(self) -> Path:
        """Which timestamp authorities are asked: one address a line."""
        return self.data / "tsa.txt"

    @property
    def authority_roots_path(self) -> Path:
        """Their root certificates, as PEM; without it their signatures are not checked here."""
        return self.data / "tsa-roots.pem"

    @property
    def timestamps_dir(self) -> Path:
        """Where timestamps of each log's checkpoints are kept."""
        return self.data / "timestamps"

    @property
    def fork_marks_dir(self) -> Path:
        """Evidence of a suspected fork: while this directory exists, nothing is written."""
        return self.data / "fork-suspected"

    @property
    def dismissed_dir(self) -> Path:
        """The same evidence after a person dismissed the suspicion."""
        return self.data / "fork-dismissed"

    @property
    def restoring_path(self) -> Path:
        """What a restore is putting here: while this file exists, it is not finished."""
        return self.data / "restoring.json"

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


KNOWN: Final = {
    "LEDGER_ARTEFACTS_URL": ("artefacts_url", read_text),
    "LEDGER_CONTACTS": ("contacts", read_path),
    "LEDGER_DATA": ("data", read_path),
    "LEDGER_DATABASE_URL": ("database_url", read_text),
    "LEDGER_EVENTS": ("events", read_path),
    "LEDGER_HOST": ("host", read_text),
    "LEDGER_HTTPS": ("https", read_yes_or_no),
    "LEDGER_KEY_PASSPHRASE_FILE": ("key_passphrase", read_passphrase),
    "LEDGER_LANGUAGE": ("language", read_text),
    "LEDGER_LOG_FORMAT": ("log_format", read_text),
    "LEDGER_LOG_PUBLIC": ("log_public", read_yes_or_no),
    "LEDGER_METRICS_HOST": ("metrics_host", read_text),
    "LEDGER_METRICS_PORT": ("metrics_port", read_number),
    "LEDGER_OFFICE_HOURS": ("office_hours", read_hours),
    "LEDGER_ORIGIN": ("origin", read_text),
    "LEDGER_RETENTION": ("retention", read_path),
    "LEDGER_TENANT": ("tenant", read_tenant),
    "LEDGER_THREADS": ("threads", read_number),
    "LEDGER_VAULT_KEY_SERVICE": ("vault_key_service", read_text),
    "LEDGER_VAULT_PASSPHRASE_FILE": ("vault_passphrase", read_passphrase),
    "LEDGER_VAULT_URL": ("vault_url", read_text),
    "LEDGER_WORKERS": ("workers", read_number),
    "PORT": ("port", read_number),
}
