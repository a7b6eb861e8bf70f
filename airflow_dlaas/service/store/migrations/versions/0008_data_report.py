"""What a training read as training data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; of trainings so far it is unknown."""
    op.add_column("trainings", sa.Column("data_report", sa.JSON))
