"""What kept a training's command from the rest of the machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make room for it; of older trainings, nobody knows."""
    op.add_column("trainings", sa.Column("isolation", sa.String(16)))
