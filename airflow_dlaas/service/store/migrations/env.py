"""The script that Alembic runs for each upgrade; the caller provides the connection, the transaction and the lock."""

from __future__ import annotations

from alembic import context

from airflow_dlaas.service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # SQLite supports it, though Alembic does not assume so: an interrupted upgrade must leave nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
