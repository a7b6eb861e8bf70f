"""The tables of the store. Each change needs a migration (`migrations/versions`); a test compares the two."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from airflow_dlaas.contract.state import Phase, TrainingState

SCHEMA_VERSION = "0008"
"""The newest migration: a database of this version needs no upgrade."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, in UTC on every database: the type of SQLite has no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  (the signature is SQLAlchemy's)
        return None if value is None else value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  (the signature is SQLAlchemy's)
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


ROW_ID = BigInteger().with_variant(Integer, "sqlite")
"""An automatic number of a row: SQLite supports that for the type INTEGER only."""

metadata = MetaData()

counter = Table(
    "counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)
"""One row. Every writer locks it first (`FOR UPDATE`), so that revisions are in the order of the commits."""

experiments = Table(
    "experiments",
    metadata,
    Column("seq", ROW_ID, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("owner", String(255), nullable=False, index=True),
    Column("draft", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("experiment_id", String(64), ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("digest", String(64)),
    Column("size", BigInteger),
    UniqueConstraint("experiment_id", "number", name="uq_versions_number"),
)

trainings = Table(
    "trainings",
    metadata,
    Column("seq", ROW_ID, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("owner", String(255), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("secrets", Text),
    Column("key", String(255)),
    Column("request_digest", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("runtime", String(255), nullable=False),
    Column("provides", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("phase", String(16)),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("running_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("gpus", JSON, nullable=False),
    Column("handle", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("exit_code", Integer),
    Column("error", JSON(none_as_null=True)),
    Column("stored", Boolean, nullable=False),
    Column("isolation", String(16)),
    Column("acknowledged_at", UtcDateTime),
    Column("note", Text),
    Column("tags", Text),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("ended_attempts", JSON(none_as_null=True)),
    Column("checkpoint_sources", JSON(none_as_null=True)),
    Column("data_report", JSON(none_as_null=True)),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("owner", "key", name="uq_trainings_key"),
    Index("ix_trainings_changes", "owner", "revision"),
    sqlite_autoincrement=True,
)
"""
``secrets`` is the submitted definition, encrypted (`secret_encryption`), and NULL after the training has ended.

``tags`` has a comma before each tag and after the last one (``,a,b,``), so that every database finds a whole tag in it;
a tag contains no comma. ``note``, ``tags``, ``ended_attempts``, ``checkpoint_sources`` and ``data_report`` are NULL
where there are none.
"""

FINAL_STATES = tuple(str(state) for state in TrainingState if state.is_final)
IS_UNFINISHED = trainings.c.state.not_in(FINAL_STATES)
IS_QUEUED = IS_UNFINISHED & trainings.c.started_at.is_(None)
# A recorded end frees the slots even if the state cannot be read.
HOLDS_SLOTS = (
    IS_UNFINISHED
    & trainings.c.finished_at.is_(None)
    & trainings.c.started_at.is_not(None)
    & trainings.c.phase.is_distinct_from(str(Phase.STORING))
)
"""Trainings that are started and whose command has not ended; one that stores its results holds no slots."""

leases = Table(
    "leases",
    metadata,
    Column("role", String(64), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("seq", ROW_ID, primary_key=True),
    Column("training_id", String(64), nullable=False),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("owner", String(255), nullable=False),
    Column("dag_id", String(255)),
    Column("task_id", String(255)),
    Column("slots", Integer, nullable=False),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("released_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("state", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("error_code", String(32)),
    Column("stalled_seconds", Double, nullable=False),
    Index("ix_usage_released", "released_at"),
    UniqueConstraint("training_id", "attempt", name="uq_usage_attempt"),
    sqlite_autoincrement=True,
)
"""One row for each attempt of a training that was started (`usage_queries`). There is no foreign key: rows stay when a
training is deleted."""

maintenance = Table(
    "maintenance",
    metadata,
    Column("subject", String(255), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
"""``drain`` as the subject: no training is started. ``gpu:NAME``: the GPU is given to no training."""
