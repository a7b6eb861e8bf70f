"""Everything that can be checked before the first byte is uploaded, and the plan that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.cli.attempt_text import describe_checkpoint
from airflow_dlaas.cli.connection_options import StoreAccess
from airflow_dlaas.cli.train.data import DataPlan, Stores, plan_data
from airflow_dlaas.cli.train.definition import build_definition, build_draft, require_slots
from airflow_dlaas.cli.train.framework import choose_runtime, split_framework
from airflow_dlaas.cli.train.options import TrainOptions
from airflow_dlaas.cli.train.output import PlainOutput
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.require_known_keys import require_known_keys
from airflow_dlaas.contract.definition import Framework, TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.exceptions import InvalidArgument, NotFound
from airflow_dlaas.task_runs.experiments import AddVersion, PublishAction, ReuseVersion, plan_publication


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """What `train` will do; nothing has been changed yet."""

    framework: Framework
    definition: TrainingDefinition
    """Checked; the location of the code is not known yet."""
    data: tuple[DataPlan, ...]
    draft: ExperimentDraft
    publication: PublishAction
    archive: Path
    """The zip of the code."""


def prepare(
    options: TrainOptions,
    client: Client,
    stores: Mapping[str | None, StoreAccess],
    opened: Stores,
    archive: Path,
    output: PlainOutput,
) -> TrainPlan:
    """
    Check everything that can be checked, and return the plan. Changes nothing on the service and in the stores.

    :param stores: the stores by the names of their connections, and *opened* the same.
    :param archive: the zip of the code, which has been checked.
    :raises DlaasError: the message names the option, and the way out.
    """
    framework, provides = _resolve_framework(client, options)
    output.step("framework", f"{framework}{provides}")
    definition = build_definition(options, framework, stores)
    require_known_keys(client, definition)
    if options.recovery.resume_from is not None:
        output.step("resume", _describe_resume(client, options.recovery.resume_from))
    plans = tuple(plan_data(opened, one, options.data_options) for one in options.data)
    # Without the extension, the setting of the service decides.
    nested = options.code.allow_nested and client.extensions.nested_code
    draft = build_draft(options, framework, nested=nested)
    publication = plan_publication(client, draft, archive, reuse=True)
    return TrainPlan(framework, definition, plans, draft, publication, archive)


def describe_publication(action: PublishAction, name: str) -> str:
    """Return what becomes of the code, in words."""
    match action:
        case ReuseVersion():
            return f"{name}: the code is unchanged, nothing to upload"
        case AddVersion():
            return f"{name}: the code has changed, a new version"
        case _:
            return f"{name}: a new experiment"


def _describe_resume(client: Client, training_id: str) -> str:
    """
    Return what a training begins with that resumes from the training *training_id*.

    :raises InvalidArgument: there is no such training.
    """
    try:
        earlier = client.send(calls.get_training(training_id))
    except NotFound:
        raise InvalidArgument(
            f"--resume-from: there is no training {training_id}; airflow-dlaas runs lists them"
        ) from None
    if not earlier.state.is_final:
        return f"{training_id} has not ended: the training waits for its end"
    found = describe_checkpoint(earlier)
    if found is None:
        return f"{training_id} has stored no checkpoint: that of the training it resumed from counts, if there is one"
    return f"{training_id}, checkpoint {found}"


def _resolve_framework(client: Client, options: TrainOptions) -> tuple[Framework, str]:
    """Return the framework of the definition, and what it stands for, in brackets."""
    name, version = split_framework(options.framework)
    if not client.extensions.runtimes:
        if version is None:
            raise InvalidArgument(
                f"--framework: this service does not list its versions: name one, like {options.framework}:2.21"
            )
        return Framework(name=name, version=version, image=options.execution.image), ""
    listed = client.send(calls.list_runtimes())
    runtime = choose_runtime(listed.resources, name, version)
    require_slots(options.execution.resources, listed.gpus)
    note = f" ({runtime.provides})"
    return Framework(name=name, version=version or runtime.version, image=options.execution.image), note
