"""Experiments, their versions, trainings and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create all tables."""
    counter = op.create_table(
        "counter",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counter, [{"id": 1, "revision": 0}])
    op.create_table(
        "experiments",
        sa.Column("seq", number, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=False, index=True),
        sa.Column("draft", sa.JSON, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("experiment_id", sa.String(64), sa.ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("size", sa.BigInteger),
        sa.UniqueConstraint("experiment_id", "number", name="uq_versions_number"),
    )
    op.create_table(
        "trainings",
        sa.Column("seq", number, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("secrets", sa.Text),
        sa.Column("key", sa.String(255)),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("runtime", sa.String(255), nullable=False),
        sa.Column("provides", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("phase", sa.String(16)),
        sa.Column("submitted_at", instant, nullable=False),
        sa.Column("modified_at", instant, nullable=False),
        sa.Column("started_at", instant),
        sa.Column("running_at", instant),
        sa.Column("finished_at", instant),
        sa.Column("gpus", sa.JSON, nullable=False),
        sa.Column("handle", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("error", sa.JSON),
        sa.Column("stored", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("owner", "key", name="uq_trainings_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trainings_changes", "trainings", ["owner", "revision"])
    op.create_table(
        "leases",
        sa.Column("role", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("until", instant, nullable=False),
    )
