"""Which trainings belong to a task, a run, a DAG: found for one user, with that user's eyes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import Curves
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.airflow_api_client import Denied, PublicApi
from airflow_dlaas.plugin.services import Services
from airflow_dlaas.plugin.xcoms import Mark, Marks, Ref
from airflow_dlaas.task_runs.run_key import Tag

ASKED_APART = 20
"""Trainings of one listing that are asked for one by one, being older than what their service lists."""

TRIES_LAST = 30.0
"""Seconds for which a task's earlier trainings are not listed anew: a page asks every other second, a try is rare."""

NOT_HERE = "This task has no training with this id"


@dataclass(frozen=True, slots=True)
class Found:
    """A training of a task, by the service's word or by what the task has kept."""

    ref: Ref
    connection: str
    training: Training | None
    current: str | None = None
    """The id of the training that the task is about now, which need not be this one."""
    curves: Curves | None = None
    """What the task has kept, where the service has forgotten it."""
    source: str = "service"
    trouble: str | None = None
    """Why the service itself has not told it."""
    away: bool = False
    """Whether the service could not be asked, and may be soon."""
    airflow: str | None = None
    """The Airflow that the task's trainings are tagged with, as `Tag.airflow`; None where it is not known."""


@dataclass(slots=True)
class Finder:
    """
    Finds trainings.

    A training is shown for a task only if its tag says that this very task has submitted it, or, for a task that waits
    for another one's training, a task of the same run. What a task has written into its XComs is no proof by itself:
    whoever may edit one DAG could name a training of another there.
    """

    services: Services = field(default_factory=Services)
    marks: Marks = field(default_factory=Marks)

    async def of_task(self, api: PublicApi, ref: Ref, training_id: str | None = None) -> Found | None:
        """Find the training that a task is about, or an earlier one of it; None where it has submitted none."""
        mark = await self.marks.of_task(api, ref)
        if mark is None:
            return None
        wanted = training_id or mark.id
        if wanted is None:
            return Found(ref, mark.connection, None, airflow=mark.airflow)
        try:
            training = await run_in_threadpool(self.services.send, mark.connection, calls.get_training(wanted))
        except NotFound:
            return await self._kept(api, mark, wanted, None)
        except DlaasError as error:
            return replace(await self._kept(api, mark, wanted, str(error)), away=True)
        await self._insist(api, mark, training)
        return Found(ref, mark.connection, training, mark.id, airflow=mark.airflow)

    async def tries(self, found: Found) -> tuple[list[Training], str | None]:
        """List all trainings of a task that the service still knows; why they can't be listed."""
        try:
            known = await run_in_threadpool(self.services.trainings, found.connection, lasts=TRIES_LAST)
        except DlaasError as error:
            return ([found.training] if found.training else []), str(error)
        mine = {one.id: one for one in known if _task_of(one) in found.ref.digests and _may_be_of(found.airflow, one)}
        if found.training is not None:
            mine[found.training.id] = found.training
        return list(mine.values()), None

    async def listing(self, api: PublicApi, dag_id: str, run_id: str, limit: int) -> dict[str, Any]:
        """List the trainings that tasks are about, newest first, with one question to each service, or few more."""
        marks = await self.marks.listed(api, dag_id, run_id, limit=limit)
        connections = sorted({mark.connection for mark in marks})
        told = dict(zip(connections, await asyncio.gather(*map(self._listed, connections)), strict=True))
        trouble = [f"{connection}: {why}" for connection, why in told.items() if isinstance(why, str)]
        known = {connection: listed for connection, listed in told.items() if not isinstance(listed, str)}
        patience = iter(range(ASKED_APART))
        tasks: dict[tuple[str, str], set[str]] = {}
        for mark in marks:
            tasks.setdefault((mark.ref.dag_id, mark.ref.run_id), set()).update(mark.ref.digests)
        rows = [
            await self._row(api, mark, known.get(mark.connection), tasks[mark.ref.dag_id, mark.ref.run_id], patience)
            for mark in marks
        ]
        rows.sort(key=lambda row: row["submitted_at"] or "9", reverse=True)
        return {"trainings": rows, "trouble": trouble}

    async def _listed(self, connection: str) -> dict[str, Training] | str:
        """List the newest that the service of *connection* knows, by id; or say why that can't be had."""
        try:
            return {one.id: one for one in await run_in_threadpool(self.services.trainings, connection)}
        except DlaasError as error:
            return str(error)

    async def _row(
        self,
        api: PublicApi,
        mark: Mark,
        known: Mapping[str, Training] | None,
        tasks: Collection[str],
        patience: Iterator[int],
    ) -> dict[str, Any]:
        """
        Tell of one training: as listed, or as its task has kept it, or else as the service tells when asked for it.

        :param known: what the service has listed; None where it can't be asked.
        :param patience: has an element for each training that may still be asked for by itself.
        """
        training = (known or {}).get(mark.id or "")
        if training is None and mark.id is not None:
            kept = await self._kept(api, mark, mark.id, None)
            if kept.training is not None:
                return responses.outline(mark.ref, mark.connection, kept.training, source="task")
            if known is not None and next(patience, None) is not None:
                training = await self._asked(mark.connection, mark.id)
        if training is not None and _task_of(training) in tasks and _may_be_of(mark.airflow, training):
            return responses.outline(mark.ref, mark.connection, training)
        return responses.unheard(mark.ref, mark.connection, mark.id if known is None else None)

    async def _asked(self, connection: str, training_id: str) -> Training | None:
        try:
            return await run_in_threadpool(self.services.send, connection, calls.get_training(training_id))
        except DlaasError:
            return None

    async def _kept(self, api: PublicApi, mark: Mark, wanted: str, trouble: str | None) -> Found:
        summary = await self.marks.summary(api, mark)
        try:
            training = Training.model_validate((summary or {}).get("training"), extra="ignore")
            curves = summary.get("curves") if summary else None
            kept = Curves.model_validate(curves, extra="ignore") if curves else None
        except ValidationError:
            training, kept = None, None
        if training is None or training.id != wanted:
            why = trouble or f"The service does not know {wanted}"
            return Found(mark.ref, mark.connection, None, trouble=why, airflow=mark.airflow)
        return Found(
            mark.ref, mark.connection, training, mark.id, kept, source="task", trouble=trouble, airflow=mark.airflow
        )

    async def _insist(self, api: PublicApi, mark: Mark, training: Training) -> None:
        if not (_may_be_of(mark.airflow, training) and await self._is_of(api, mark.ref, training)):
            raise Denied(404, NOT_HERE)

    async def _is_of(self, api: PublicApi, ref: Ref, training: Training) -> bool:
        task = _task_of(training)
        return task in ref.digests or task in await self.marks.tasks(api, ref.dag_id, ref.run_id)


def _task_of(training: Training) -> str | None:
    tag = Tag.read(training.entity.model_definition.description)
    return tag.task if tag else None


def _may_be_of(airflow: str | None, training: Training) -> bool:
    """Whether no other Airflow than *airflow*, which has a task of the same name, has submitted *training*."""
    tag = Tag.read(training.entity.model_definition.description)
    return airflow is None or tag is None or tag.airflow in {None, airflow}
