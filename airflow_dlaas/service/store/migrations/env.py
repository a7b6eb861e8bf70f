"""What Alembic runs for each upgrade; the connection, its transaction and the lock are the caller's."""

from __future__ import annotations

from alembic import context

from airflow_dlaas.service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # SQLite can do it, Alembic just does not expect so: half an upgrade must not be left behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
