"""The hook of the training service."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.curves import Curves, LogChunk
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft
    from airflow_dlaas.contract.instance import Runtime
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection


class DlaasHook(BaseHook):
    """
    The training service of an Airflow connection of type `dlaas`: one method for each kind of request.

    Every method sends one request or a few, with retries, and blocks. They all raise

    - `NotConfigured` if the connection is incomplete or its certificate is not trusted,
    - a `ServiceError` if the service refuses or does not answer: `NotFound`, `InvalidRequest`, `Unauthenticated`,
      `Unreachable` and others; its `transient` states whether a later attempt can succeed.

    Requests without a method here are sent with ``hook.client.send(calls.…)``; see `airflow_dlaas.client.calls`.

    :param dlaas_conn_id: the id of the connection.
    """

    conn_name_attr = "dlaas_conn_id"
    default_conn_name = "dlaas_default"
    conn_type = "dlaas"
    hook_name = "Deep-learning service (DLaaS)"

    def __init__(self, dlaas_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.dlaas_conn_id = dlaas_conn_id

    @cached_property
    def service_connection(self) -> ServiceConnection:
        """The fields of the connection, checked."""
        from airflow_dlaas.hooks.connections import ServiceConnection

        return ServiceConnection.from_connection(self.get_connection(self.dlaas_conn_id))

    async def aget_service_connection(self) -> ServiceConnection:
        """Return the fields of the connection without blocking the event loop of a triggerer."""
        from airflow_dlaas.hooks.connections import ServiceConnection

        return ServiceConnection.from_connection(await self.aget_connection(self.dlaas_conn_id))

    @cached_property
    def client(self) -> Client:
        """The client that all methods use. Thread-safe; its connections are closed with ``client.close()``."""
        return make_client(self.service_connection)

    def get_conn(self) -> Client:
        """Return the client, by the name that Airflow's hooks use."""
        return self.client

    def test_connection(self) -> tuple[bool, str]:
        """Request a token and the description of the service, for the "Test" button of the connection form."""
        from airflow_dlaas.client import calls
        from airflow_dlaas.exceptions import DlaasError

        try:
            instance = self.client.send(calls.get_instance())
        except DlaasError as error:
            return False, str(error)
        return True, f"The service answers: {instance.entity.source or 'deep learning'}, {instance.entity.status}"

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """Return the frameworks and versions that the service can run; an extension of the API."""
        from airflow_dlaas.client import calls

        return self.client.send(calls.list_runtimes()).resources

    # -- trainings -----------------------------------------------------------

    def create_training(
        self, definition: TrainingDefinition | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Training:
        """
        Submit a training and return it without waiting for it.

        :param definition: the definition as the API defines it, with the credentials of the object stores.
        :param idempotency_key: equal keys give the same training, so the request can be retried. Without one, an error
            can mean that the training exists although its response was lost.
        :raises InvalidDefinition: with all wrong fields, or with the keys that the service does not know; nothing was
            sent.
        :raises Conflict: the key was used for another definition.
        """
        from airflow_dlaas.client import calls
        from airflow_dlaas.client.require_known_keys import require_known_keys
        from airflow_dlaas.contract.definition import TrainingDefinition

        if not isinstance(definition, TrainingDefinition):
            definition = TrainingDefinition.parse(definition)
        require_known_keys(self.client, definition)
        return self.client.send(calls.create_training(definition, idempotency_key=idempotency_key))

    def get_training(self, training_id: str) -> Training:
        """
        Return a training with its status.

        :raises NotFound: the service has no such training.
        """
        from airflow_dlaas.client import calls

        return self.client.send(calls.get_training(training_id))

    def list_trainings(self, limit: int = 100) -> list[Training]:
        """Return the newest trainings of the connection's user, up to *limit*, without those that cannot be read."""
        from airflow_dlaas.client import calls

        page = self.client.send(calls.list_trainings(limit))
        trainings = list(page.resources)
        while page.next is not None and len(trainings) < limit:
            page = self.client.send(calls.list_trainings_page(self.client.path_from_url(page.next.url)))
            trainings += page.resources
        return trainings[:limit]

    def cancel_training(self, training_id: str) -> None:
        """
        Request the cancellation of a training; no effect on one that has ended.

        The training may still complete before it is stopped. `wait_for_training` returns its final state.

        :raises NotFound: the service has no such training.
        """
        from airflow_dlaas.client import calls

        self.client.send(calls.cancel_training(training_id))

    def delete_training(self, training_id: str) -> None:
        """
        Delete the history of a training that has ended; its results stay in their container.

        :raises NotFound: the service has no such training.
        :raises Conflict: the training has not ended.
        """
        from airflow_dlaas.client import calls

        self.client.send(calls.delete_training(training_id))

    def get_training_log(
        self, training_id: str, *, offset: int | None = None, limit: int | None = None, tail: int | None = None
    ) -> LogChunk:
        """
        Return whole lines of a training's log; an extension of the API.

        :param offset: the byte at which to start: 0, or the ``end`` of the chunk before.
        :param limit: maximum number of bytes.
        :param tail: instead of *offset*, the number of bytes from the end of the log.
        :raises NotFound: the service has no such training, or not this extension.
        """
        from airflow_dlaas.client import calls

        return self.client.send(calls.get_log(training_id, offset=offset, limit=limit, tail=tail))

    def get_training_metrics(self, training_id: str, *, points: int | None = None) -> Curves:
        """
        Return the metrics of a training as curves; an extension of the API.

        :param points: maximum number of points of each curve; None means the default of the API.
        :raises NotFound: the service has no such training, or not this extension.
        """
        from airflow_dlaas.client import calls

        return self.client.send(
            calls.get_curves(training_id) if points is None else calls.get_curves(training_id, points=points)
        )

    def annotate_training(self, training_id: str, *, note: str = "", tags: Sequence[str] = ()) -> None:
        """
        Set the note and the tags of a training, both together; an extension of the API.

        They replace those of before, and change nothing in the training.

        :raises InvalidArgument: *note* or *tags* are not valid; nothing was sent.
        :raises NotFound: the service has no such training, or not this extension.
        """
        from pydantic import ValidationError

        from airflow_dlaas.client import calls
        from airflow_dlaas.contract.annotations import Annotations
        from airflow_dlaas.contract.validation_messages import validation_messages
        from airflow_dlaas.exceptions import InvalidArgument

        try:
            annotations = Annotations.model_validate({"note": note, "tags": tags})
        except ValidationError as error:
            raise InvalidArgument("; ".join(validation_messages(error))) from None
        self.client.send(calls.annotate_training(training_id, annotations))

    def wait_for_training(self, training_id: str, *, timeout: float | None = None) -> Training:
        """
        Wait until a training has ended; return it, whatever its final state. Blocks.

        Transient errors of the service do not end the wait. `airflow_dlaas.contract.outcome.raise_for_state` turns the
        returned training into a result or an exception.

        :param timeout: seconds; None means no limit.
        :raises TrainingOverdue: the timeout has passed; the training is in the error and goes on.
        :raises Unreachable: the timeout has passed without one answer of the service.
        :raises NotFound: the service has no such training.
        """
        import asyncio
        from contextlib import aclosing

        from airflow_dlaas.client.training_watcher import TrainingWatcher
        from airflow_dlaas.exceptions import TrainingOverdue, Unreachable

        latest: Training | None = None

        async def follow() -> Training | None:
            nonlocal latest
            async with aclosing(TrainingWatcher(self.client).updates(training_id)) as updates:
                async for training in updates:
                    if latest is None or training.state is not latest.state:
                        self.log.info("Training %s is %s", training_id, training.state)
                    latest = training
            return latest

        async def wait() -> Training | None:
            try:
                return await asyncio.wait_for(follow(), timeout)
            except asyncio.TimeoutError:
                return latest

        training = asyncio.run(wait())
        if training is None:
            raise Unreachable(f"Timeout: the service sent no status of training {training_id} within {timeout:g} s")
        if not training.state.is_final:
            raise TrainingOverdue(
                training, f"Timeout: training {training_id} is still {training.state} after {timeout:g} s"
            )
        return training

    # -- experiments ---------------------------------------------------------

    def create_experiment(self, draft: ExperimentDraft | Mapping[str, Any]) -> Experiment:
        """
        Create an experiment with its first version, which has no code yet; see `upload_experiment_code`.

        A lost response is an error although the experiment may exist: the API has no key for this request.

        :param draft: name, framework and, optionally, description, author and nested.
        :raises InvalidDefinition: *draft* has wrong fields; nothing was sent.
        :raises InvalidBundle: *draft* has nested, and the service does not know it; nothing was created.
        """
        from pydantic import ValidationError

        from airflow_dlaas.client import calls
        from airflow_dlaas.client.experiment_checks import require_nested_code
        from airflow_dlaas.contract.experiment import ExperimentDraft
        from airflow_dlaas.contract.validation_messages import validation_messages
        from airflow_dlaas.exceptions import InvalidDefinition

        if not isinstance(draft, ExperimentDraft):
            try:
                draft = ExperimentDraft.model_validate(draft)
            except ValidationError as error:
                raise InvalidDefinition(validation_messages(error)) from None
        require_nested_code(self.client, draft)
        return self.client.send(calls.create_experiment(draft))

    def add_experiment_version(self, experiment_id: str) -> Experiment:
        """
        Add a version, which has no code yet, to an experiment; return the experiment with that version.

        :raises NotFound: the service has no such experiment.
        """
        from airflow_dlaas.client import calls

        return self.client.send(calls.add_version(experiment_id))

    def upload_experiment_code(self, experiment: Experiment, archive: Path | bytes) -> None:
        """
        Upload *archive*, a zip, as the code of the version that *experiment* shows.

        :raises HostError: the file cannot be read.
        :raises InvalidRequest: the service does not accept the zip.
        :raises Conflict: the version has other code already.
        """
        from airflow_dlaas.client import calls

        path = self.client.path_from_url(experiment.entity.experiment_version.content_url)
        self.client.send(calls.put_content(path, archive))

    def download_experiment_code(self, experiment: Experiment, save_to: Path) -> Path:
        """
        Write the zip of the version that *experiment* shows to the file *save_to*, completely or not at all.

        :raises HostError: the file cannot be written.
        :raises NotFound: the version has no code.
        """
        from airflow_dlaas.client import calls

        path = self.client.path_from_url(experiment.entity.experiment_version.content_url)
        return self.client.send(calls.get_content(path, save_to))

    def list_experiments(self) -> tuple[Experiment, ...]:
        """Return all experiments of the connection's user, each with its newest version."""
        from airflow_dlaas.client import calls

        return self.client.send(calls.list_experiments()).resources

    def list_experiment_versions(self, experiment_id: str) -> tuple[Experiment, ...]:
        """
        Return an experiment once for each of its versions.

        :raises NotFound: the service has no such experiment.
        """
        from airflow_dlaas.client import calls

        return self.client.send(calls.list_versions(experiment_id)).resources

    def get_experiment(self, experiment_id: str, version_id: str | None = None) -> Experiment:
        """
        Return an experiment with the version *version_id*, or with its newest one.

        :raises NotFound: the service has no such experiment or version.
        """
        from airflow_dlaas.client import calls

        if version_id is None:
            return self.client.send(calls.get_experiment(experiment_id))
        return self.client.send(calls.get_version(experiment_id, version_id))

    def delete_experiment(self, experiment_id: str) -> None:
        """
        Delete an experiment with all its versions; trainings submitted before are not affected.

        :raises NotFound: the service has no such experiment.
        """
        from airflow_dlaas.client import calls

        self.client.send(calls.delete_experiment(experiment_id))

    def experiment_id(self, definition_location: str) -> str:
        """
        Return the id of the experiment in *definition_location*, the URL of one of its versions. Sends nothing.

        :raises InvalidDefinition: it is not the URL of an experiment.
        :raises ProtocolError: it is the URL of another service.
        """
        from airflow_dlaas.client import calls

        return calls.experiment_id_from_path(self.client.path_from_url(definition_location))


def make_client(connection: ServiceConnection) -> Client:
    """Return a client for *connection*; it sends nothing yet."""
    from airflow_dlaas.client.client import Client

    return Client(connection.url, connection.login, connection.password, verify=connection.verify)
