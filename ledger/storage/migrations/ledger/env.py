"""Alembic's entry point for the ledger database: migrates over the connection it is handed."""

from alembic import context

from ledger.storage import models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.ledger,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
