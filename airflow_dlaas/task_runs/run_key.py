"""
The run key: the idempotency key that connects a training with its task. Values only.

It is sent as `Idempotency-Key`, and the definition's description has it in a tag. No server interprets the description
in the API of 2017, so any worker or triggerer finds a training whose response was lost, on any v3 server.
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

TRAINING_XCOM_KEY = "dlaas_training"
"""
The XCom with a task's training: its ``key``, the ``connection`` with which it is submitted, and its ``id`` once it
exists.
"""

UNKNOWN_AIRFLOW = "unknown"

_NUMBER_PATTERN = "[0-9]{1,6}"
_KEY_V1 = re.compile(rf"([0-9a-f]{{32}})\.([0-9a-f]{{12}})\.({_NUMBER_PATTERN})")
_KEY_V2 = re.compile(
    rf"2(a?)\.([0-9a-f]{{16}}|{UNKNOWN_AIRFLOW})\.([0-9a-f]{{32}})\.([0-9a-f]{{12}})\.({_NUMBER_PATTERN})\.({_NUMBER_PATTERN})\.({_NUMBER_PATTERN})"
)
_RUN_KEY_TAG = re.compile(rf"\[airflow-dlaas ({_KEY_V2.pattern}|{_KEY_V1.pattern})\]")


@dataclass(frozen=True, slots=True)
class RunKey:
    """
    A task instance, its generation, and the number of the training within the generation.

    A *generation* is all tries of a task instance between two clears. New keys have form 2. Form 1 is read for
    trainings that earlier releases submitted: it has neither `airflow_digest` nor `clear_number` nor `first_try`.
    """

    task_digest: str
    """Digest of DAG, run, task and map index; in form 1 also of Airflow's ``[api] base_url``."""
    generation: str
    """
    Digest of the run's start and of `max_tries`. It changes after a clear, and if a run was deleted and created again
    with its id. It stays the same after a clear if ``retries`` was lowered by the number of tries made.
    """
    training_number: int = 0
    """
    Number of the training within the generation, from 0: a try after a failed or canceled training creates the next
    one.
    """
    airflow_digest: str | None = None
    """Digest of the identity of the Airflow that submitted the training; None if that is unknown."""
    clear_number: int = 0
    """How often tasks of the DAG run had been cleared: this task or others."""
    first_try: int = 1
    """
    Number of the first try of the generation; a clear sets it to ``max_tries - retries + 1``. It is not the number of
    the try that submits: two tries that race for one training must have the same key.
    """
    acknowledges: bool = False
    """Whether a task that succeeds with this training acknowledges it at the service."""
    version: int = 2
    """The form of the key: 1 or 2."""

    @property
    def idempotency_key(self) -> str:
        """The `Idempotency-Key`; `parse` reads it."""
        if self.version == 1:
            return f"{self.task_digest}.{self.generation}.{self.training_number}"
        form = "2a" if self.acknowledges else "2"
        counts = f"{self.clear_number}.{self.first_try}.{self.training_number}"
        return f"{form}.{self.airflow_digest or UNKNOWN_AIRFLOW}.{self.task_digest}.{self.generation}.{counts}"

    @property
    def next_training(self) -> RunKey:
        """The key of the training after this one."""
        return replace(self, training_number=self.training_number + 1)

    def __str__(self) -> str:
        return f"[airflow-dlaas {self.idempotency_key}]"

    @classmethod
    def from_description(cls, description: str) -> Self | None:
        """Return the key in the tag of a description; None without a tag."""
        found = [match.group(1) for match in _RUN_KEY_TAG.finditer(description)]
        return cls.parse(found[-1]) if found else None

    @classmethod
    def parse(cls, key: str) -> Self:
        """
        Parse an `idempotency_key` of either form.

        :raises ValueError: *key* is not a run key.
        """
        if match := _KEY_V2.fullmatch(key):
            acknowledges, airflow, task, generation, clears, first_try, number = match.groups()
            return cls(
                task,
                generation,
                int(number),
                airflow_digest=None if airflow == UNKNOWN_AIRFLOW else airflow,
                clear_number=int(clears),
                first_try=int(first_try),
                acknowledges=bool(acknowledges),
            )
        if match := _KEY_V1.fullmatch(key):
            task, generation, number = match.groups()
            return cls(task, generation, int(number), version=1)
        raise ValueError(f"{key!r} is not the key of a training")

    @classmethod
    def from_context(cls, context: Context, *, airflow_id: str | None = None, acknowledges: bool = False) -> Self:
        """
        Return the key of the first training in the generation of the task that runs in *context*.

        A clear raises the task instance's `max_tries`, or leaves it if ``retries`` was lowered; a retry never changes
        it. While a run is unfinished, its start does not change.

        :param airflow_id: the identity of this Airflow (`airflow_dlaas.task_runs.airflow_identity.airflow_id`).
        """
        ti, run = context["ti"], context["dag_run"]
        current_try = TaskTry.from_context(context)
        return cls(
            task_digest=task_digest(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
            generation=_generation_digest(context),
            airflow_digest=None if airflow_id is None else _digest(airflow_id)[:16],
            clear_number=getattr(run, "clear_number", None) or 0,
            first_try=max(1, min(current_try.first_try, current_try.try_number)),
            acknowledges=acknowledges,
        )

    @classmethod
    def from_context_v1(cls, context: Context) -> Self:
        """Return the same key in form 1, with which earlier releases submitted the same training."""
        ti = context["ti"]
        task = task_digest_v1(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        return cls(task, _generation_digest(context), version=1)


@dataclass(frozen=True, slots=True)
class TaskTry:
    """A try of a task."""

    try_number: int
    first_try: int = 1
    """
    The number of the first try of the generation, if ``retries`` has not changed since the generation began: a clear
    sets ``max_tries = try_number + retries`` (`clear_task_instances`). If ``retries`` has changed, it can be more than
    `try_number`.
    """

    @classmethod
    def from_context(cls, context: Context) -> Self:
        """Return the try of the task that runs in *context*."""
        ti = context["ti"]
        retries = getattr(context.get("task"), "retries", None) or 0
        return cls(ti.try_number, ti.max_tries - retries + 1)


def task_digest(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """Return the digest of a task instance in a `RunKey`; *map_index* is -1 for a task that is not mapped."""
    return _digest(dag_id, run_id, task_id, str(map_index))[:32]


def task_digest_v1(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """Return the digest of a task instance of this Airflow in a `RunKey` of form 1."""
    from airflow_dlaas.hooks.compat import conf

    airflow = conf.get("api", "base_url", fallback="")
    return _digest(airflow, dag_id, run_id, task_id, str(map_index))[:32]


def with_run_key(definition: TrainingDefinition, run_key: RunKey) -> TrainingDefinition:
    """Return *definition* with the tag of *run_key* at the end of its description."""
    model = definition.model_definition
    description = f"{without_run_key(model.description)} {run_key}".strip()
    return definition.model_copy(update={"model_definition": model.model_copy(update={"description": description})})


def without_run_key(description: str) -> str:
    """Return a description without tags of run keys."""
    return _RUN_KEY_TAG.sub("", description).rstrip()


def earliest_submission(context: Context) -> datetime | None:
    """Return the earliest time at which trainings of the task that runs in *context* can have been submitted."""
    run = context["dag_run"]
    known = [moment for moment in (run.start_date, run.run_after) if moment is not None]
    return min(known, default=None)


def _generation_digest(context: Context) -> str:
    ti, run = context["ti"], context["dag_run"]
    started = run.start_date.timestamp() if run.start_date else 0.0
    return _digest(f"{started:.6f}", str(ti.max_tries))[:12]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
