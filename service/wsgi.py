"""The entry for a WSGI server: `gunicorn 'service.wsgi:application()'`."""

import logging
import os

from flask import Flask

from service import create_app
from service.settings import Settings

__all__ = ["application"]


def application() -> Flask:
    """The application, as this process's environment says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return create_app(Settings.from_environ(os.environ))
