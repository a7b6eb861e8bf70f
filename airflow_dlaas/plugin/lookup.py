"""Finds the trainings of a task, of a run and of a DAG, with the permissions of the user who sent the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from cachetools import TTLCache
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import Curves
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.response_models import Source, TrainingList, TrainingListItem
from airflow_dlaas.plugin.services import ServiceClients
from airflow_dlaas.plugin.xcoms import TaskInstanceRef, TrainingXCom, TrainingXComReader
from airflow_dlaas.task_runs.run_key import RunKey

MAX_SINGLE_LOOKUPS = 20
"""Trainings of one list that are requested one by one, because they are older than those that the service lists."""

TRIES_TTL = 30.0
"""Maximum age in seconds of the list of a task's tries: a page asks every 2 s, and a new try is rare."""

OWNERSHIP_TTL = 20.0
"""Seconds for which a verified ownership counts; after that it is verified again, also while a page is open."""

MAX_CACHED_OWNERSHIPS = 10_000


class TrainingNotFound(Exception):
    """The task has no training with the requested id, or the user must not learn that it exists."""

    def __init__(self) -> None:
        super().__init__("This task has no training with this id")


class TrainingUnavailable(Exception):
    """The service that has the training does not answer now."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """A training of a task, from the service or from the summary that the task stored."""

    ref: TaskInstanceRef
    conn_id: str
    training: Training | None
    current_id: str | None = None
    """The id of the task's current training; `training` may be an earlier one."""
    curves: Curves | None = None
    """The curves in the task's summary; None where the training comes from the service."""
    source: Source = "service"
    service_error: str | None = None
    """Why the service did not return the training."""
    is_unavailable: bool = False
    """Whether the service did not answer; a later request may succeed."""
    airflow_digest: str | None = None
    """The Airflow that the task's trainings are tagged with, as `RunKey.airflow_digest`; None where it is not known."""

    def require_service(self) -> None:
        """
        Raise where the training comes from the task's summary.

        :raises TrainingUnavailable: the service does not answer.
        :raises TrainingNotFound: the service does not have the training any more.
        """
        if self.source == "task":
            raise TrainingUnavailable(self.service_error) if self.is_unavailable else TrainingNotFound


class TrainingLookup:
    """
    Finds trainings.

    A training is shown for a task only if its tag names this task instance, or, for a task that waits for another
    task's training, a task of the same run. The task's XCom alone proves nothing: a user who may edit one DAG can write
    the id of another DAG's training there.

    A verified ownership is cached for one user, one XCom value and one training. The cache saves requests to the
    service only: each request to the plugin still reads the XCom through Airflow's API, which checks the user's
    permissions.
    """

    def __init__(
        self,
        service_clients: ServiceClients | None = None,
        xcoms: TrainingXComReader | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service_clients = service_clients or ServiceClients()
        self.xcoms = xcoms or TrainingXComReader()
        self._ownerships: TTLCache[tuple[str, TrainingXCom, str], bool] = TTLCache(
            MAX_CACHED_OWNERSHIPS, OWNERSHIP_TTL, timer=clock
        )

    async def find_for_task(
        self, api: AirflowApiClient, ref: TaskInstanceRef, training_id: str | None = None
    ) -> LookupResult | None:
        """
        Find a task's current training, or the one with *training_id*; None where the task has submitted none.

        :raises AirflowApiError: the user may not read the task's XComs.
        :raises TrainingNotFound: the training belongs to another task.
        """
        xcom = await self.xcoms.get(api, ref)
        return None if xcom is None else await self._find(api, xcom, training_id or xcom.training_id)

    async def require_for_task(self, api: AirflowApiClient, ref: TaskInstanceRef, training_id: str) -> LookupResult:
        """
        Find the training with *training_id* of a task; the result has a training.

        :raises AirflowApiError: the user may not read the task's XComs.
        :raises TrainingNotFound: the task has no such training.
        :raises TrainingUnavailable: the service does not answer, and the task stored no summary of the training.
        """
        xcom = await self.xcoms.get(api, ref)
        if xcom is None:
            raise TrainingNotFound
        return await self._require(api, xcom, training_id)

    async def resolve_connection(self, api: AirflowApiClient, ref: TaskInstanceRef, training_id: str) -> LookupResult:
        """
        Like `require_for_task`, but without a request to the service where the ownership is cached.

        The result has no training then, and its connection is the one to use.
        """
        xcom = await self.xcoms.get(api, ref)  # at each request: this is Airflow's check of the user's permissions
        if xcom is None:
            raise TrainingNotFound
        if (api.user_id, xcom, training_id) in self._ownerships:
            return LookupResult(ref, xcom.conn_id, None, xcom.training_id, airflow_digest=xcom.airflow_digest)
        return await self._require(api, xcom, training_id)

    async def list_tries(self, result: LookupResult) -> tuple[list[Training], str | None]:
        """List all trainings of a task that the service still knows, and why they cannot be listed."""
        try:
            listed = await run_in_threadpool(self.service_clients.list_trainings, result.conn_id, max_age=TRIES_TTL)
        except DlaasError as error:
            return ([result.training] if result.training else []), str(error)
        tries = {
            one.id: one
            for one in listed
            if _task_digest(one) in result.ref.task_digests and _is_same_airflow(result.airflow_digest, one)
        }
        if result.training is not None:
            tries[result.training.id] = result.training
        return list(tries.values()), None

    async def list_task_trainings(self, api: AirflowApiClient, dag_id: str, run_id: str, limit: int) -> TrainingList:
        """
        List the current trainings of tasks, newest first, of all DAGs or runs where *dag_id* or *run_id* is ``~``.

        Each service receives one request, and up to `MAX_SINGLE_LOOKUPS` more for trainings that it did not list.
        """
        xcoms = await self.xcoms.list_recent(api, dag_id, run_id, limit=limit)
        connections = sorted({xcom.conn_id for xcom in xcoms})
        answers = dict(zip(connections, await asyncio.gather(*map(self._list_by_id, connections)), strict=True))
        errors = {connection: error for connection, error in answers.items() if isinstance(error, str)}
        listed = {connection: trainings for connection, trainings in answers.items() if not isinstance(trainings, str)}
        lookup_budget = iter(range(MAX_SINGLE_LOOKUPS))
        tasks: dict[tuple[str, str], set[str]] = {}
        for xcom in xcoms:
            tasks.setdefault((xcom.ref.dag_id, xcom.ref.run_id), set()).update(xcom.ref.task_digests)
        items = [
            await self._list_item(
                api, xcom, listed.get(xcom.conn_id), tasks[xcom.ref.dag_id, xcom.ref.run_id], lookup_budget
            )
            for xcom in xcoms
        ]
        items.sort(key=lambda item: (item.submitted_at is None, item.submitted_at), reverse=True)
        return TrainingList(
            trainings=items,
            service_errors=[f"{connection}: {error}" for connection, error in errors.items()],
            unavailable=list(errors),
        )

    async def _list_by_id(self, conn_id: str) -> dict[str, Training] | str:
        """Return the newest trainings of the service of *conn_id* by id, or why the service did not list them."""
        try:
            return {one.id: one for one in await run_in_threadpool(self.service_clients.list_trainings, conn_id)}
        except DlaasError as error:
            return str(error)

    async def _list_item(
        self,
        api: AirflowApiClient,
        xcom: TrainingXCom,
        listed: Mapping[str, Training] | None,
        task_digests: Collection[str],
        lookup_budget: Iterator[int],
    ) -> TrainingListItem:
        """
        Build the row of one training: from the service's list, else from the task's summary, else by a single request.

        :param listed: the service's list; None where the service does not answer.
        :param task_digests: the digests of the run's tasks, one of which the training's tag must name.
        :param lookup_budget: has one element for each single request that is still allowed.
        """
        training = (listed or {}).get(xcom.training_id or "")
        if training is None and xcom.training_id is not None:
            summary = await self._from_summary(api, xcom, xcom.training_id, None)
            if summary.training is not None:
                return responses.training_list_item(xcom.ref, xcom.conn_id, summary.training, source="task")
            if listed is not None and next(lookup_budget, None) is not None:
                training = await self._get_or_none(xcom.conn_id, xcom.training_id)
        if (
            training is not None
            and _task_digest(training) in task_digests
            and _is_same_airflow(xcom.airflow_digest, training)
        ):
            return responses.training_list_item(xcom.ref, xcom.conn_id, training)
        return responses.unknown_training(xcom.ref, xcom.conn_id, xcom.training_id if listed is None else None)

    async def _get_or_none(self, conn_id: str, training_id: str) -> Training | None:
        try:
            return await run_in_threadpool(self.service_clients.send, conn_id, calls.get_training(training_id))
        except DlaasError:
            return None

    async def _find(self, api: AirflowApiClient, xcom: TrainingXCom, training_id: str | None) -> LookupResult:
        if training_id is None:
            return LookupResult(xcom.ref, xcom.conn_id, None, airflow_digest=xcom.airflow_digest)
        try:
            training = await run_in_threadpool(self.service_clients.send, xcom.conn_id, calls.get_training(training_id))
        except NotFound:
            return await self._from_summary(api, xcom, training_id, None)
        except DlaasError as error:
            return replace(await self._from_summary(api, xcom, training_id, str(error)), is_unavailable=True)
        await self._require_ownership(api, xcom, training)
        return LookupResult(xcom.ref, xcom.conn_id, training, xcom.training_id, airflow_digest=xcom.airflow_digest)

    async def _require(self, api: AirflowApiClient, xcom: TrainingXCom, training_id: str) -> LookupResult:
        found = await self._find(api, xcom, training_id)
        if found.training is None:
            raise TrainingUnavailable(found.service_error) if found.is_unavailable else TrainingNotFound
        return found

    async def _from_summary(
        self, api: AirflowApiClient, xcom: TrainingXCom, training_id: str, service_error: str | None
    ) -> LookupResult:
        summary = await self.xcoms.get_summary(api, xcom)
        try:
            training = Training.model_validate((summary or {}).get("training"), extra="ignore")
            stored_curves = summary.get("curves") if summary else None
            curves = Curves.model_validate(stored_curves, extra="ignore") if stored_curves else None
        except ValidationError:
            training, curves = None, None
        if training is None or training.id != training_id:
            reason = service_error or f"The service does not know {training_id}"
            return LookupResult(xcom.ref, xcom.conn_id, None, service_error=reason, airflow_digest=xcom.airflow_digest)
        return LookupResult(
            xcom.ref,
            xcom.conn_id,
            training,
            xcom.training_id,
            curves,
            source="task",
            service_error=service_error,
            airflow_digest=xcom.airflow_digest,
        )

    async def _require_ownership(self, api: AirflowApiClient, xcom: TrainingXCom, training: Training) -> None:
        key = (api.user_id, xcom, training.id)
        if key in self._ownerships:
            return  # without a renewal: an open page must not extend it for ever
        if not (_is_same_airflow(xcom.airflow_digest, training) and await self._is_from_run(api, xcom.ref, training)):
            raise TrainingNotFound
        self._ownerships[key] = True

    async def _is_from_run(self, api: AirflowApiClient, ref: TaskInstanceRef, training: Training) -> bool:
        task = _task_digest(training)
        return task in ref.task_digests or task in await self.xcoms.list_task_digests(api, ref.dag_id, ref.run_id)


def _task_digest(training: Training) -> str | None:
    tag = RunKey.from_description(training.entity.model_definition.description)
    return tag.task_digest if tag else None


def _is_same_airflow(airflow_digest: str | None, training: Training) -> bool:
    """Whether the tag does not exclude *airflow_digest*: another Airflow may have a task of the same name."""
    tag = RunKey.from_description(training.entity.model_definition.description)
    return airflow_digest is None or tag is None or tag.airflow_digest in {None, airflow_digest}
