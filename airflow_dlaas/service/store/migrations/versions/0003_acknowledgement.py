"""When the client of a completed training confirmed that it has the result."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; results of older trainings count as not acknowledged."""
    op.add_column("trainings", sa.Column("acknowledged_at", sa.DateTime(timezone=True)))
