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
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient, AirflowApiError
from airflow_dlaas.plugin.services import ServiceClients
from airflow_dlaas.plugin.xcoms import TaskInstanceRef, TrainingXCom, TrainingXComReader
from airflow_dlaas.task_runs.run_key import RunKey

MAX_SINGLE_LOOKUPS = 20
"""Trainings of one listing that are asked for one by one, being older than what their service lists."""

TRIES_TTL = 30.0
"""Seconds for which a task's earlier trainings are not listed anew: a page asks every other second, a try is rare."""

TRAINING_NOT_FOUND = "This task has no training with this id"


@dataclass(frozen=True, slots=True)
class LookupResult:
    """A training of a task, by the service's word or by what the task has kept."""

    ref: TaskInstanceRef
    conn_id: str
    training: Training | None
    current_id: str | None = None
    """The id of the training that the task is about now, which need not be this one."""
    curves: Curves | None = None
    """What the task has kept, where the service has forgotten it."""
    source: str = "service"
    service_error: str | None = None
    """Why the service itself has not told it."""
    is_unavailable: bool = False
    """Whether the service could not be asked, and may be soon."""
    airflow_digest: str | None = None
    """The Airflow that the task's trainings are tagged with, as `RunKey.airflow_digest`; None where it is not known."""


@dataclass(slots=True)
class TrainingLookup:
    """
    Finds trainings.

    A training is shown for a task only if its tag says that this very task has submitted it, or, for a task that waits
    for another one's training, a task of the same run. What a task has written into its XComs is no proof by itself:
    whoever may edit one DAG could name a training of another there.
    """

    service_clients: ServiceClients = field(default_factory=ServiceClients)
    xcoms: TrainingXComReader = field(default_factory=TrainingXComReader)

    async def find_for_task(
        self, api: AirflowApiClient, ref: TaskInstanceRef, training_id: str | None = None
    ) -> LookupResult | None:
        """Find the training that a task is about, or an earlier one of it; None where it has submitted none."""
        mark = await self.xcoms.get(api, ref)
        if mark is None:
            return None
        wanted = training_id or mark.training_id
        if wanted is None:
            return LookupResult(ref, mark.conn_id, None, airflow_digest=mark.airflow_digest)
        try:
            training = await run_in_threadpool(self.service_clients.send, mark.conn_id, calls.get_training(wanted))
        except NotFound:
            return await self._from_summary(api, mark, wanted, None)
        except DlaasError as error:
            return replace(await self._from_summary(api, mark, wanted, str(error)), is_unavailable=True)
        await self._require_ownership(api, mark, training)
        return LookupResult(ref, mark.conn_id, training, mark.training_id, airflow_digest=mark.airflow_digest)

    async def list_tries(self, result: LookupResult) -> tuple[list[Training], str | None]:
        """List all trainings of a task that the service still knows; why they can't be listed."""
        try:
            known = await run_in_threadpool(self.service_clients.list_trainings, result.conn_id, max_age=TRIES_TTL)
        except DlaasError as error:
            return ([result.training] if result.training else []), str(error)
        mine = {
            one.id: one
            for one in known
            if _task_digest(one) in result.ref.task_digests and _is_same_airflow(result.airflow_digest, one)
        }
        if result.training is not None:
            mine[result.training.id] = result.training
        return list(mine.values()), None

    async def list_task_trainings(self, api: AirflowApiClient, dag_id: str, run_id: str, limit: int) -> dict[str, Any]:
        """List the trainings that tasks are about, newest first, with one question to each service, or few more."""
        marks = await self.xcoms.list_recent(api, dag_id, run_id, limit=limit)
        connections = sorted({mark.conn_id for mark in marks})
        told = dict(zip(connections, await asyncio.gather(*map(self._list_by_id, connections)), strict=True))
        trouble = [f"{connection}: {why}" for connection, why in told.items() if isinstance(why, str)]
        known = {connection: listed for connection, listed in told.items() if not isinstance(listed, str)}
        patience = iter(range(MAX_SINGLE_LOOKUPS))
        tasks: dict[tuple[str, str], set[str]] = {}
        for mark in marks:
            tasks.setdefault((mark.ref.dag_id, mark.ref.run_id), set()).update(mark.ref.task_digests)
        rows = [
            await self._build_row(api, mark, known.get(mark.conn_id), tasks[mark.ref.dag_id, mark.ref.run_id], patience)
            for mark in marks
        ]
        rows.sort(key=lambda row: row["submitted_at"] or "9", reverse=True)
        return {"trainings": rows, "trouble": trouble}

    async def _list_by_id(self, conn_id: str) -> dict[str, Training] | str:
        """List the newest that the service of *conn_id* knows, by id; or say why that can't be had."""
        try:
            return {one.id: one for one in await run_in_threadpool(self.service_clients.list_trainings, conn_id)}
        except DlaasError as error:
            return str(error)

    async def _build_row(
        self,
        api: AirflowApiClient,
        xcom: TrainingXCom,
        listed: Mapping[str, Training] | None,
        task_digests: Collection[str],
        lookup_budget: Iterator[int],
    ) -> dict[str, Any]:
        """
        Tell of one training: as listed, or as its task has kept it, or else as the service tells when asked for it.

        :param listed: what the service has listed; None where it can't be asked.
        :param lookup_budget: has an element for each training that may still be asked for by itself.
        """
        training = (listed or {}).get(xcom.training_id or "")
        if training is None and xcom.training_id is not None:
            kept = await self._from_summary(api, xcom, xcom.training_id, None)
            if kept.training is not None:
                return responses.training_row(xcom.ref, xcom.conn_id, kept.training, source="task")
            if listed is not None and next(lookup_budget, None) is not None:
                training = await self._get_or_none(xcom.conn_id, xcom.training_id)
        if (
            training is not None
            and _task_digest(training) in task_digests
            and _is_same_airflow(xcom.airflow_digest, training)
        ):
            return responses.training_row(xcom.ref, xcom.conn_id, training)
        return responses.unknown_row(xcom.ref, xcom.conn_id, xcom.training_id if listed is None else None)

    async def _get_or_none(self, conn_id: str, training_id: str) -> Training | None:
        try:
            return await run_in_threadpool(self.service_clients.send, conn_id, calls.get_training(training_id))
        except DlaasError:
            return None

    async def _from_summary(
        self, api: AirflowApiClient, xcom: TrainingXCom, training_id: str, service_error: str | None
    ) -> LookupResult:
        summary = await self.xcoms.get_summary(api, xcom)
        try:
            training = Training.model_validate((summary or {}).get("training"), extra="ignore")
            curves = summary.get("curves") if summary else None
            kept = Curves.model_validate(curves, extra="ignore") if curves else None
        except ValidationError:
            training, kept = None, None
        if training is None or training.id != training_id:
            why = service_error or f"The service does not know {training_id}"
            return LookupResult(xcom.ref, xcom.conn_id, None, service_error=why, airflow_digest=xcom.airflow_digest)
        return LookupResult(
            xcom.ref,
            xcom.conn_id,
            training,
            xcom.training_id,
            kept,
            source="task",
            service_error=service_error,
            airflow_digest=xcom.airflow_digest,
        )

    async def _require_ownership(self, api: AirflowApiClient, xcom: TrainingXCom, training: Training) -> None:
        if not (_is_same_airflow(xcom.airflow_digest, training) and await self._is_from_run(api, xcom.ref, training)):
            raise AirflowApiError(404, TRAINING_NOT_FOUND)

    async def _is_from_run(self, api: AirflowApiClient, ref: TaskInstanceRef, training: Training) -> bool:
        task = _task_digest(training)
        return task in ref.task_digests or task in await self.xcoms.list_task_digests(api, ref.dag_id, ref.run_id)


def _task_digest(training: Training) -> str | None:
    tag = RunKey.from_description(training.entity.model_definition.description)
    return tag.task_digest if tag else None


def _is_same_airflow(airflow_digest: str | None, training: Training) -> bool:
    """Whether no other Airflow than *airflow_digest*, which has a task of the same name, has submitted *training*."""
    tag = RunKey.from_description(training.entity.model_definition.description)
    return airflow_digest is None or tag is None or tag.airflow_digest in {None, airflow_digest}
