"""The attempts of a training."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; trainings so far have one attempt, and began without a checkpoint."""
    op.add_column("trainings", sa.Column("attempt", sa.Integer, nullable=False, server_default="1"))
    op.add_column("trainings", sa.Column("ended_attempts", sa.JSON))
    op.add_column("trainings", sa.Column("checkpoint_sources", sa.JSON))
    # One row of usage for each attempt. The first migration of the table gave its constraint no name.
    names = {"uq": "%(table_name)s_%(column_0_name)s_key"}
    with op.batch_alter_table("usage", naming_convention=names, table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("attempt", sa.Integer, nullable=False, server_default="1"))
        table.drop_constraint("usage_training_id_key", type_="unique")
        table.create_unique_constraint("uq_usage_attempt", ["training_id", "attempt"])
