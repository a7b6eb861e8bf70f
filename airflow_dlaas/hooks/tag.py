"""
Whose training it is: the tag that ties a training to the task it was submitted for.

It goes along as `Idempotency-Key`, and inside the definition's description, which nobody interprets [page]: so any v3
server can be asked for it again, by whoever has lost the answer, or itself. Values only.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Self

    from airflow_dlaas.contract.definition import TrainingDefinition

MARK = "dlaas_training"
"""
XCom in which a task says which training it is about: its ``key``, the ``connection`` it is submitted over, and its
``id`` once there is one.
"""

_WRITTEN = re.compile(r"\[airflow-dlaas ([0-9a-f]{32})\.([0-9a-f]{12})\.([0-9]{1,6})\]")


@dataclass(frozen=True, slots=True)
class Tag:
    """A task instance, a generation of it, and the how-manieth training of that generation."""

    task: str
    """The task instance: DAG, run, task, map index, and which Airflow."""
    generation: str
    """Another one after a clear, and where a DAG run was deleted and made again under its old id; a retry keeps it."""
    attempt: int = 0
    """Counts the trainings of one generation: the next one is made when a try comes upon one that ended badly."""

    @property
    def key(self) -> str:
        """The `Idempotency-Key`."""
        return f"{self.task}.{self.generation}.{self.attempt}"

    @property
    def next(self) -> Tag:
        """The tag of the training after this one."""
        return replace(self, attempt=self.attempt + 1)

    def __str__(self) -> str:
        return f"[airflow-dlaas {self.key}]"

    @classmethod
    def read(cls, description: str) -> Self | None:
        """Read the tag out of a description; None where it holds none."""
        found = _WRITTEN.findall(description)
        if not found:
            return None
        task, generation, attempt = found[-1]
        return cls(task, generation, int(attempt))

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Read a tag's `key`."""
        task, generation, attempt = key.split(".")
        return cls(task, generation, int(attempt))

    @classmethod
    def of(cls, context: Context) -> Self:
        """
        Make the first tag of the task that runs in *context*.

        A clear raises the task instance's `max_tries`, a retry does not. A run that is made again starts anew; while a
        run is unfinished, its start never changes. The UI's address keeps apart two Airflows that run DAGs of the
        same names against one service.
        """
        ti, run = context["ti"], context["dag_run"]
        started = run.start_date.timestamp() if run.start_date else 0.0
        return cls(
            task=task_digest(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
            generation=_digest(f"{started:.6f}", str(ti.max_tries))[:12],
        )


def task_digest(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """Name a task instance of this Airflow as a `Tag` does; *map_index* is -1 where it is not mapped."""
    from airflow_dlaas.hooks.compat import conf

    airflow = conf.get("api", "base_url", fallback="")
    return _digest(airflow, dag_id, run_id, task_id, str(map_index))[:32]


def tagged(definition: TrainingDefinition, tag: Tag) -> TrainingDefinition:
    """Put *tag* into the description, behind what the author wrote there."""
    model = definition.model_definition
    description = f"{_WRITTEN.sub('', model.description).rstrip()} {tag}".strip()
    return definition.model_copy(update={"model_definition": model.model_copy(update={"description": description})})


def earliest(context: Context) -> datetime | None:
    """Say since when trainings of the task that runs in *context* may have been submitted."""
    run = context["dag_run"]
    known = [moment for moment in (run.start_date, run.run_after) if moment is not None]
    return min(known, default=None)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
