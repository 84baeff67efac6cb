"""The plainest service that does the same work: Flask and SQLAlchemy, and no ledger.

It takes the same JSON at the same address and answers once the rows are on the disk.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from flask import Flask, request
from sqlalchemy import Column, Engine, MetaData, Table, Text, insert

from ledger.storage.database import open_database
from service.intake import Intake
from service.settings import Settings
from service.supervision import end_with_parent

ADDRESS = "PLAIN_DATABASE_URL"

_decision = Table(
    "decision",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("subject", Text, index=True),
    Column("body", Text),
)


def create(engine: Engine) -> None:
    """Make the service's only table."""
    _decision.metadata.create_all(engine)


def served() -> Intake:
    """The application in the ledger's web server, as `service.wsgi.served` is."""
    end_with_parent()
    return Intake(_application(), Settings.from_environ(os.environ).threads)


def _application() -> Flask:
    engine = open_database(os.environ[ADDRESS])
    app = Flask("plain")

    @app.get("/readyz")
    def ready() -> dict[str, Any]:
        return {}

    @app.post("/v1/decisions")
    def record() -> tuple[dict[str, Any], int]:
        body = request.get_json()
        decisions = body.get("decisions", [body])
        rows = [
            {"id": str(uuid.uuid4()), "subject": each["subject"], "body": json.dumps(each)}
            for each in decisions
        ]
        with engine.begin() as connection:
            connection.execute(insert(_decision), rows)
        return {"results": [{"id": row["id"], "status": "recorded"} for row in rows]}, 201

    return app
