"""Operators for the code of a training: package it as a zip, and create or delete experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.parameters.checked_operator import CheckedOperator
from airflow_dlaas.parameters.checks import (
    ParameterCheck,
    optional,
    require_any_text,
    require_bool,
    require_location,
    require_patterns,
    require_requirements,
    require_text,
    require_text_dict,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_dlaas.contract.patterns import Patterns


class PackageModelOperator(CheckedOperator):
    """
    Package a folder of model code as a zip: without folders, the form of 2017, or with *nested* as it is.

    The same code gives the same bytes. Returns *destination*, for `CreateExperimentOperator`.

    The patterns in the folder's ``.dlaasignore`` exclude files, like a ``.gitignore``. A file that looks like a secret
    (``.env``, a private key) fails the task before anything is written.

    :param source: the folder: a path relative to the folder of the DAG's file, a path on every worker, or any address
        of `ObjectStoragePath`. With a versioned DAG bundle, a relative path is of the version of the run. (templated)
    :param destination: the location of the zip; the worker of the next task must be able to read it. (templated)
    :param include: names and globs of the files to package, a text or a list of texts; all if not given. (templated)
    :param exclude: names and globs of files to leave out, as for *include*. (templated)
    :param nested: accept folders in the zip, for code in packages; give it to `CreateExperimentOperator`, too.
    :param requirements: packages that the code needs, each as a line of a ``requirements.txt``
        (``["transformers==4.57", "datasets"]``): the zip gets that file. The service installs them on top of the
        framework. (templated)
    :param allow_nested: the same as *nested*, for services whose site accepts folders (``DLAAS_ALLOW_NESTED``).
    :param allow_secrets: names and globs of files to package although they look like secrets, as for *include*.
        (templated)
    """

    template_fields: Sequence[str] = ("source", "destination", "include", "exclude", "allow_secrets", "requirements")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "source": require_location,
        "destination": require_location,
        "include": optional(require_patterns),
        "exclude": optional(require_patterns),
        "allow_nested": require_bool,
        "allow_secrets": optional(require_patterns),
        "nested": require_bool,
        "requirements": optional(require_requirements),
    }
    dag_files: ClassVar[Sequence[str]] = ("source",)
    ui_color = "#d9e8fb"

    source: str
    destination: str

    def __init__(
        self,
        *,
        source: str | PurePath | ObjectStoragePath,
        destination: str | PurePath | ObjectStoragePath,
        include: Patterns = None,
        exclude: Patterns = (),
        allow_nested: bool = False,
        allow_secrets: Patterns = (),
        nested: bool = False,
        requirements: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source  # type: ignore[assignment]  # the check converts both to texts
        self.destination = destination  # type: ignore[assignment]
        self.include = include
        self.exclude = exclude
        self.allow_nested = allow_nested
        self.allow_secrets = allow_secrets
        self.nested = nested
        self.requirements = requirements
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Write the zip; after an `InvalidBundle` the earlier file at *destination* is unchanged."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.packaging import archive
        from airflow_dlaas.packaging.requirements_file import requirements_file
        from airflow_dlaas.task_runs.locations import fetch_to_local, publish_from_local

        with (
            fetch_to_local(self.find_dag_file("source")) as folder,
            publish_from_local(self.destination) as file,
            requirements_file(self.requirements) as extra,
        ):
            archive.pack(
                folder,
                target=file,
                include=self.include,
                exclude=self.exclude,
                allow_nested=self.nested or self.allow_nested,
                allow_secrets=self.allow_secrets,
                extra=extra,
            )
            size = file.stat().st_size
        self.log.info("Packaged %s into %s: %s bytes", self.source, self.destination, f"{size:,}")
        return self.destination


class CreateExperimentOperator(CheckedOperator):
    """
    Publish code as a version of an experiment; an existing version with the same code is reused.

    Returns the URL of the version: the `definition_location` of a training definition. The operator uses the newest
    experiment with the same name, framework, description and, if given, author. It reuses the newest version if the
    code is unchanged, whatever program made the zip, and otherwise adds a version. If there is no such experiment, it
    creates one.

    The zip is checked before anything is created. If the upload fails, a new experiment is deleted again. The API
    cannot delete an added version, so it stays, empty and unused, and the next try adds another one. Two runs at the
    same time may both create an experiment or add a version: each then trains with its own.

    Several runs can share a reused experiment. If a DAG deletes the experiment at its end, set ``reuse=False`` (or
    ``max_active_runs=1``), so that no other run loses it before it has submitted its training.

    :param name: the name of the experiment. (templated)
    :param bundle: the zip, as `PackageModelOperator` returned it, or a path relative to the folder of the DAG's file.
        (templated)
    :param framework: the framework of the code: ``{"name": "tensorflow", "version": "2.21"}``. (templated)
    :param description: free text. (templated)
    :param author: the author of the code. (templated)
    :param reuse: reuse an existing experiment or version; otherwise each run creates an experiment.
    :param nested: accept folders in the zip; a service that does not know this is refused before anything is created.
    :param dlaas_conn_id: the id of the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("name", "bundle", "framework", "description", "author", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "name": require_text,
        "bundle": require_location,
        "framework": require_text_dict,
        "description": require_any_text,
        "author": optional(require_text),
        "reuse": require_bool,
        "nested": require_bool,
        "dlaas_conn_id": require_text,
    }
    ui_color = "#d9e8fb"

    bundle: str

    def __init__(
        self,
        *,
        name: str,
        bundle: str | PurePath | ObjectStoragePath,
        framework: dict[str, str],
        description: str = "",
        author: str | None = None,
        reuse: bool = True,
        nested: bool = False,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.bundle = bundle  # type: ignore[assignment]  # the check converts it to a text
        self.framework = framework
        self.description = description
        self.author = author
        self.reuse = reuse
        self.nested = nested
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Publish the code, and log whether a version was reused, added or created."""
        self.check_parameters(rendered=True)
        from pydantic import ValidationError

        from airflow_dlaas.contract.experiment import ExperimentDraft
        from airflow_dlaas.contract.validation_messages import validation_messages
        from airflow_dlaas.exceptions import InvalidDefinition
        from airflow_dlaas.task_runs.experiments import publish_code
        from airflow_dlaas.task_runs.locations import fetch_to_local

        try:
            draft = ExperimentDraft.model_validate(
                {
                    "name": self.name,
                    "description": self.description,
                    "framework": self.framework,
                    "author": self.author,
                    "nested": self.nested,
                }
            )
        except ValidationError as error:
            raise InvalidDefinition(validation_messages(error)) from None
        # Another task may have made it in the working directory.
        with fetch_to_local(self.find_dag_file("bundle", working_directory=True)) as file:
            published = publish_code(DlaasHook(self.dlaas_conn_id).client, draft, file, reuse=self.reuse)
        self.log.info("Experiment %r, %s: %s", self.name, published.action.message, published.url)
        return published.url


class DeleteExperimentOperator(CheckedOperator):
    """
    Delete an experiment with all its versions; an experiment that does not exist is no error.

    Submitted trainings are not affected. Other runs that reuse the experiment and have not yet submitted their training
    fail.

    :param definition_location: the URL that `CreateExperimentOperator` returned. (templated)
    :param dlaas_conn_id: the id of the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("definition_location", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "definition_location": require_text,
        "dlaas_conn_id": require_text,
    }
    ui_color = "#eeeeee"

    def __init__(
        self, *, definition_location: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.definition_location = definition_location
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> None:
        """Delete the experiment."""
        from airflow_dlaas.exceptions import NotFound

        self.check_parameters(rendered=True)
        hook = DlaasHook(self.dlaas_conn_id)
        experiment_id = hook.experiment_id(self.definition_location)
        try:
            hook.delete_experiment(experiment_id)
        except NotFound:
            self.log.info("Experiment %s does not exist; nothing to delete", experiment_id)
