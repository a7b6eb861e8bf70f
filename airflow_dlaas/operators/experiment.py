"""Operators for the code: the zip, and the experiment made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_dlaas.hooks.dlaas import DlaasHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class PackageModelOperator(BaseOperator):
    """
    Zip a folder of model code, flat as the service wants it; the same code gives the same bytes.

    Returns *destination*, for `CreateExperimentOperator`.

    :param source: the folder; a path on every worker, or anything `ObjectStoragePath` reaches. (templated)
    :param destination: where the zip goes, a place that the next task's worker reaches too. (templated)
    :param exclude: names and globs that stay out of the zip.
    :param allow_nested: let folders into the zip; for services that were set up to take them.
    """

    template_fields: Sequence[str] = ("source", "destination", "exclude")
    ui_color = "#d9e8fb"

    def __init__(
        self,
        *,
        source: str,
        destination: str,
        exclude: Sequence[str] = (),
        allow_nested: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.destination = destination
        self.exclude = exclude
        self.allow_nested = allow_nested

    def execute(self, context: Context) -> str:
        """Write the zip, or raise `InvalidBundle` and leave what was there."""
        from airflow_dlaas.hooks.places import brought_here, put_there
        from airflow_dlaas.storage import bundle

        with brought_here(self.source) as folder, put_there(self.destination) as file:
            file.write_bytes(bundle.pack(folder, exclude=tuple(self.exclude), allow_nested=self.allow_nested))
            size = file.stat().st_size
        self.log.info("Packaged %s into %s: %s bytes", self.source, self.destination, f"{size:,}")
        return self.destination


class CreateExperimentOperator(BaseOperator):
    """
    Create an experiment and upload its code.

    Returns the URL of the experiment's version: the `definition_location` of a training definition. If the upload
    fails, the experiment is deleted again.

    :param name: the experiment's name. (templated)
    :param bundle: the zip, as `PackageModelOperator` returned it. (templated)
    :param framework: what the code is written for: ``{"name": "tensorflow", "version": "2.21"}``. (templated)
    :param description: free text. (templated)
    :param author: who wrote the code. (templated)
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("name", "bundle", "framework", "description", "author")
    ui_color = "#d9e8fb"

    def __init__(
        self,
        *,
        name: str,
        bundle: str,
        framework: dict[str, str],
        description: str = "",
        author: str | None = None,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.bundle = bundle
        self.framework = framework
        self.description = description
        self.author = author
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> str:
        """Create, upload; or raise and leave nothing behind."""
        from pydantic import ValidationError

        from airflow_dlaas.client import calls
        from airflow_dlaas.contract.experiment import ExperimentDraft
        from airflow_dlaas.contract.words import complaints
        from airflow_dlaas.errors import DlaasError, InvalidDefinition
        from airflow_dlaas.hooks.places import brought_here

        try:
            draft = ExperimentDraft.model_validate(
                {
                    "name": self.name,
                    "description": self.description,
                    "framework": self.framework,
                    "author": self.author,
                }
            )
        except ValidationError as error:
            raise InvalidDefinition(complaints(error)) from None
        client = DlaasHook(self.dlaas_conn_id).client
        with brought_here(self.bundle) as file:
            experiment = client.send(calls.create_experiment(draft))
            version = experiment.entity.experiment_version
            try:
                client.send(calls.put_content(client.path_of(version.content_url), file))
            except DlaasError:
                client.send(calls.delete_experiment(experiment.metadata.guid))
                raise
        self.log.info("Experiment %r: %s", self.name, version.url)
        return version.url


class DeleteExperimentOperator(BaseOperator):
    """
    Delete an experiment with all its versions. Trainings made from it are not affected.

    :param definition_location: the URL that `CreateExperimentOperator` returned. (templated)
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("definition_location",)
    ui_color = "#eeeeee"

    def __init__(
        self, *, definition_location: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.definition_location = definition_location
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> None:
        """Delete it; one that is gone already is no error."""
        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import NotFound

        client = DlaasHook(self.dlaas_conn_id).client
        experiment_id = calls.experiment_of(client.path_of(self.definition_location))
        try:
            client.send(calls.delete_experiment(experiment_id))
        except NotFound:
            self.log.info("Experiment %s is gone already", experiment_id)
