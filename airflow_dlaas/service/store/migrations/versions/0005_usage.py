"""The use of GPU slots, which is kept after a training was deleted."""

from __future__ import annotations

import json
from contextlib import suppress

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """
    Create the table, with a row for each training that was started.

    Of trainings that have ended, the time of their end counts as the release of their slots.
    """
    op.create_table(
        "usage",
        sa.Column("seq", number, primary_key=True),
        sa.Column("training_id", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("dag_id", sa.String(255)),
        sa.Column("task_id", sa.String(255)),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("submitted_at", instant, nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("released_at", instant),
        sa.Column("finished_at", instant),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("error_code", sa.String(32)),
        sa.Column("stalled_seconds", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_usage_released", "usage", ["released_at"])
    connection = op.get_bind()
    # In SQL: a value that cannot be read must not end the upgrade.
    connection.execute(
        sa.text(
            "INSERT INTO usage (training_id, owner, slots, submitted_at, started_at, released_at, finished_at, state, "
            "exit_code, stalled_seconds) SELECT id, owner, slots, submitted_at, started_at, "
            "CASE WHEN finished_at < started_at THEN started_at WHEN finished_at IS NOT NULL THEN finished_at "
            "WHEN phase = 'storing' THEN modified_at END, finished_at, state, exit_code, 0 "
            "FROM trainings WHERE started_at IS NOT NULL ORDER BY seq"
        )
    )
    errors = connection.execute(
        sa.text("SELECT id, CAST(error AS TEXT) FROM trainings WHERE state = 'error' AND started_at IS NOT NULL")
    ).all()
    for training_id, error in errors:
        with suppress(ValueError, TypeError, LookupError):
            code = str(json.loads(error)["code"])[:32]
            connection.execute(
                sa.text("UPDATE usage SET error_code = :code WHERE training_id = :id"),
                {"code": code, "id": training_id},
            )
