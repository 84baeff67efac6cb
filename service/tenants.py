"""Tenants: further ledgers of one deployment, each whole and apart, served under its own name.

A tenant is a ledger of its own in `tenants/<name>`: keys, databases, vault, artefacts, policy,
sessions. Nothing is shared but the process and its settings, so that what keeps tenants apart
is that they have nothing in common, and no check that could be forgotten. The process serves
the main ledger at `/` and each tenant at `/<name>/`, which is the path that its origin names.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from ledger.errors import ConflictError, LedgerError, RefusedError
from service import create_app
from service.api.health import TENANTS_DOWN
from service.assembly import HEADERS
from service.founding import found
from service.problems import MEDIA_TYPE, Problem
from service.runtime import Clock
from service.settings import MAIN, TENANT_NAME, Settings, SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["RESERVED", "Mount", "Tenants", "add", "mounted", "names", "segments", "settings_of"]

RETRY_SECONDS: Final = 60  # between two tries to take up a tenant that did not start

# No address begins with these yet, and a later release may want them.
RESERVED: Final = frozenset(
    {MAIN, "admin", "api", "docs", "metrics", "static", "tenants", "ui", "v2", "v3"}
)

_log = logging.getLogger("service.tenants")


def settings_of(environ: Mapping[str, str], name: str) -> Settings:
    """The settings of one tenant.

    Raises:
        SettingsError: the name or a setting cannot be used.
    """
    return Settings.from_environ({**environ, "LEDGER_TENANT": name})


def names(main: Settings) -> tuple[str, ...]:
    """The tenants that have a directory, in order."""
    directory = main.data / "tenants"
    if not directory.is_dir():
        return ()
    found_here = (each.name for each in directory.iterdir() if each.is_dir())
    return tuple(sorted(filter(TENANT_NAME.fullmatch, found_here)))


def segments(app: Flask) -> frozenset[str]:
    """The first path segments of the app's own addresses, which no tenant may be called."""
    return frozenset(rule.rule.split("/")[1] for rule in app.url_map.iter_rules())


def add(main: Flask, settings: Settings, clock: Clock | None = None) -> None:
    """Make the ledger of a tenant; `settings` are the tenant's, `main` the main ledger's app.

    Adding one that was cut short takes it up where it stopped.

    Raises:
        RefusedError: an address of the main ledger begins with this name.
        ConflictError: there is such a tenant already.
        LedgerError: a database or directory cannot be used.
    """
    if settings.tenant in RESERVED | segments(main):
        raise RefusedError(f"{settings.tenant} is an address of the ledger: choose another name")
    if settings.policy_path.exists():
        raise ConflictError(f"there is a tenant {settings.tenant} already")
    found(settings, clock)


class Mount:
    """One tenant's ledger as an application, or the news that it did not start."""

    def __init__(
        self, name: str, open_app: Callable[[], Flask], ticks: Callable[[], float]
    ) -> None:
        """Take the ledger up; one that does not start is tried again when it is asked for.

        Args:
            name: the tenant.
            open_app: takes its ledger up, or raises.
            ticks: seconds that only go forward.
        """
        self.name = name
        self._open = open_app
        self._ticks = ticks
        self._turn = threading.Lock()
        self._app: Flask | None = None
        self._tried = ticks()
        self._take_up()

    @property
    def up(self) -> bool:
        """Whether it serves."""
        return self._app is not None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request below the mount."""
        if self._app is None:
            self._try_again()
        app = self._app
        return (self._unavailable() if app is None else app)(environ, start_response)

    def close(self) -> None:
        """Let go of the databases; it is not used after this."""
        if self._app is not None:
            self._app.extensions["ledger"].close()

    def _try_again(self) -> None:
        # One thread tries and the others answer at once: a database that hangs holds up one.
        if self._ticks() - self._tried < RETRY_SECONDS or not self._turn.acquire(blocking=False):
            return
        try:
            self._tried = self._ticks()
            if self._app is None:
                self._take_up()
        finally:
            self._turn.release()

    def _take_up(self) -> None:
        try:
            self._app = self._open()
        except (LedgerError, SettingsError) as error:
            _log.error("tenant %s did not start: %s", self.name, error)  # no trace
        except Exception as error:  # noqa: BLE001  # whatever it is, the others go on serving
            # The text of a foreign error could hold anything, a database's password even.
            _log.error("tenant %s did not start: %s", self.name, type(error).__name__)
        else:
            _log.info("tenant %s is served", self.name)

    def _unavailable(self) -> Response:
        problem = Problem(
            "unavailable",
            f"The ledger of {self.name} did not start; its operator has to look at the reason.",
        )
        body = json.dumps(problem.to_json(f"urn:uuid:{uuid.uuid4()}"))
        response = Response(body, problem.kind.status, content_type=MEDIA_TYPE)
        response.headers.update(HEADERS | {"Retry-After": str(RETRY_SECONDS)})
        return response


class Tenants:
    """Every tenant of one deployment."""

    def __init__(
        self,
        main: Flask,
        environ: Mapping[str, str],
        *,
        clock: Clock | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take up every tenant of the deployment that `environ` describes.

        Args:
            main: the main ledger's application; its `/healthz` names those that are down.
            environ: the settings of the deployment.
            clock: the time now for the ledgers; the system's clock if None.
            ticks: seconds that only go forward.

        Raises:
            SettingsError: the settings are those of a single tenant, or cannot be used.
        """
        here = Settings.from_environ(environ)
        if here.tenant:
            raise SettingsError("LEDGER_TENANT: leave it out here: every tenant is served")
        every = names(here)
        self._shadowed = tuple(name for name in every if name in segments(main))
        for name in self._shadowed:  # an update gave the main ledger this address
            _log.error("tenant %s is not served: the main ledger has this address", name)
        self.mounts = {
            f"/{name}": Mount(name, partial(_opened, environ, name, clock), ticks)
            for name in every
            if name not in self._shadowed
        }
        main.extensions[TENANTS_DOWN] = self.down

    def down(self) -> tuple[str, ...]:
        """The names of those that are not served."""
        stopped = (mount.name for mount in self.mounts.values() if not mount.up)
        return tuple(sorted((*self._shadowed, *stopped)))

    def close(self) -> None:
        """Let go of their databases; they are not used after this."""
        for mount in self.mounts.values():
            mount.close()


def mounted(main: Flask, tenants: Tenants) -> "WSGIApplication":
    """The main ledger at `/` and each tenant at `/<name>/`."""
    return DispatcherMiddleware(main, {**tenants.mounts}) if tenants.mounts else main


def _opened(environ: Mapping[str, str], name: str, clock: Clock | None) -> Flask:
    return create_app(settings_of(environ, name), clock=clock)
