"""What the learner of `train --here` gets: the definition and the spec of its job, and its folders."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from airflow_dlaas.cli.connection_options import StoreAccess
from airflow_dlaas.cli.train.definition import build_definition, require_slots
from airflow_dlaas.cli.train.options import DataSource, FollowOptions, TrainOptions
from airflow_dlaas.contract.definition import Framework, TrainingDefinition
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobFolders, JobSpec, LocalData, RuntimeSpec
from airflow_dlaas.service.requested_resources import requested_amounts

RESULTS_FOLDER = "results"
"""The folder of all results, in the current folder, unless `--output` names one."""

WORK_FOLDER = ".dlaas"
"""The folder of job directories, beside the results: on the same file system, results are linked and not copied."""

CODE_FILE = "code.zip"

NO_STORE: dict[str, str | bool] = {"auth_url": "http://localhost/", "userId": "none", "password": "none"}
"""The connection in the definition: the document requires one. The learner calls no object store."""

NO_DATA = DataSource("none")

OWNER = "this machine"


@dataclass(frozen=True, slots=True)
class HereFolders:
    """The folders of one job, absolute."""

    job: JobDirectory
    results: Path
    excluded: Path
    """The folder with results of this and of other jobs: it is no code."""

    @property
    def code(self) -> Path:
        """The zip of the code."""
        return self.job.path / CODE_FILE


def make_id(now: datetime) -> str:
    """Return the id of a job: ids of one folder sort by time, and two jobs of one second differ."""
    return f"here-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def choose_folders(job_id: str, output: Path | None) -> HereFolders:
    """Return the folders of the job *job_id*; creates nothing."""
    results = (output or Path(RESULTS_FOLDER) / job_id).absolute()
    job = JobDirectory(results.parent / WORK_FOLDER / "jobs" / job_id)
    return HereFolders(job, results, results if output is not None else results.parent)


def exclude_results(options: TrainOptions, folders: HereFolders) -> TrainOptions:
    """Return *options* that leave the folder of results out of the code, if it is in the folder of the code."""
    source, excluded = options.code.path.resolve(), folders.excluded.resolve()
    if not source.is_dir() or excluded == source or not excluded.is_relative_to(source):
        return options
    pattern = excluded.relative_to(source).as_posix()
    return replace(options, code=replace(options.code, exclude=(*options.code.exclude, pattern)))


def require_local_options(options: TrainOptions, follow: FollowOptions) -> None:
    """
    Check that no option needs a service or an object store.

    :raises InvalidArgument: one does; the message names it.
    """
    refused = {
        "--data of a store or a mount": any(one.mount or one.connection or one.prefix for one in options.data),
        "--container without --data": any(one.path is None and one.container for one in options.data),
        "--results": options.results is not None,
        "--connection": options.connection is not None,
        "--delete": options.data_options.delete,
        "--allow-extra": options.data_options.allow_extra,
        "--detach": not follow.follow,
        "--no-fetch": not follow.fetch,
    }
    if found := [name for name, given in refused.items() if given]:
        raise InvalidArgument(f"{', '.join(found)}: with --here there is no service and no object store; leave it out")
    if given := options.recovery.given:
        raise InvalidArgument(
            f"{', '.join(given)}: with --here there is no service, which starts further attempts and has the "
            "checkpoints; leave it out"
        )


def build_here_definition(options: TrainOptions, framework: Framework) -> TrainingDefinition:
    """
    Return the definition of the job; its containers only have the names of the folders of data.

    :raises InvalidDefinition: a value cannot be in a definition; the error names its field.
    """
    return build_definition(
        replace(options, data=options.data or (NO_DATA,), results=None),
        framework,
        {None: StoreAccess(NO_STORE, True, "")},
    )


def require_local_data(sources: Sequence[DataSource]) -> None:
    """
    Check that each folder of data exists.

    :raises InvalidArgument: one does not.
    """
    for one in sources:
        if one.path is not None and not one.path.exists():
            raise InvalidArgument(f"--data: {one.path} does not exist")


def build_spec(
    options: TrainOptions,
    definition: TrainingDefinition,
    folders: HereFolders,
    runtime: RuntimeSpec,
    environments: Path,
    slots: tuple[str, ...],
    settings: Settings,
) -> JobSpec:
    """
    Return what the learner runs, with the limits of *settings*, which a service of this machine would have too.

    :param slots: all GPU slots of this machine; the job gets the first ones.
    :raises InvalidArgument: it needs more, or more time to save its state than the settings permit.
    """
    require_slots(options.execution.resources, len(slots), OWNER)
    grace = DEFAULT_GRACE if options.execution.grace is None else options.execution.grace
    if grace > settings.grace_limit:
        raise InvalidArgument(f"--grace: {grace:g} seconds are more than DLAAS_GRACE_LIMIT, {settings.grace_limit:g}")
    execution = definition.model_definition.execution
    data = tuple(LocalData(name=one.container, path=one.path.resolve()) for one in options.data if one.path is not None)
    return JobSpec(
        training_id=folders.job.path.name,
        grace=grace,
        command=execution.command,
        runtime=runtime,
        code=folders.code,
        environments=environments,
        gpus=slots[: execution.gpus],
        timeout=settings.run_limit,  # the learner knows the limit of the definition
        given=requested_amounts(definition.model_dump(mode="json", by_alias=True), execution.gpus),
        cgroups=settings.cgroups,
        allow_nested=options.code.allow_nested or settings.allow_nested,
        unpacked_limit=settings.unpacked_limit,
        isolation=settings.isolation,
        secrets_without_isolation=True,  # they come from this user's own shell
        visible=(*settings.visible, *([settings.wheels] if settings.wheels else []), *(one.path for one in data)),
        log_limit=settings.log_limit,
        folders=JobFolders(data=data, results=folders.results),
        packages=settings.packages,
    )
