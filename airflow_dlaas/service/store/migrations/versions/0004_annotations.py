"""The note and the tags that people give a training."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; older trainings have no note and no tags."""
    op.add_column("trainings", sa.Column("note", sa.Text))
    op.add_column("trainings", sa.Column("tags", sa.Text))
