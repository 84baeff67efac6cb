"""The entry for a WSGI server: `gunicorn 'service.wsgi:application()'`."""

import logging
import os
from typing import TYPE_CHECKING

from service import create_app
from service.settings import Settings
from service.tenants import Tenants, mounted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["application"]


def application() -> "WSGIApplication":
    """The application, tenants included, as this process's environment says."""
    # Libraries tell of their progress, line by line and in words that we did not weigh.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("service").setLevel(logging.INFO)
    main = create_app(Settings.from_environ(os.environ))
    return mounted(main, Tenants(main, os.environ))
