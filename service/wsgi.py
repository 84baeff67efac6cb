"""The entry for a WSGI server: `gunicorn 'service.wsgi:application()'`."""

import logging
import os

from flask import Flask

from service import create_app
from service.settings import Settings

__all__ = ["application"]


def application() -> Flask:
    """The application, as this process's environment says."""
    # Libraries tell of their progress, line by line and in words that we did not weigh.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("service").setLevel(logging.INFO)
    return create_app(Settings.from_environ(os.environ))
