"""How the command of a training was isolated from the rest of the machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; it is unknown for older trainings."""
    op.add_column("trainings", sa.Column("isolation", sa.String(16)))
