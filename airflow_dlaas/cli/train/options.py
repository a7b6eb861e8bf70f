"""The options of `train` as one value, and what follows from them alone. Raises before any request is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.cli.train.execution import ExecutionOptions
from airflow_dlaas.cli.train.recovery import RecoveryOptions
from airflow_dlaas.contract.store_names import require_container_name
from airflow_dlaas.exceptions import InvalidArgument


@dataclass(frozen=True, slots=True)
class CodeSource:
    """The code: a folder, or a zip of one."""

    path: Path
    exclude: tuple[str, ...] = ()
    allow_nested: bool = False
    allow_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSource:
    """A container of training data, and the files that are uploaded to it first; or a mounted folder."""

    container: str
    """Empty for a mounted folder."""
    path: Path | None = None
    """None for a container that is used as it is, and for a mounted folder."""
    prefix: str = ""
    """The folder in the container that is the data; empty for the whole container."""
    connection: str | None = None
    """The name of the connection to the store of the container; None for the one of `--connection`."""
    mount: str | None = None
    """The path of a folder of the machine of the service, which is mounted and not copied."""

    def __str__(self) -> str:
        """Return where the data is, in words."""
        if self.mount is not None:
            return f"mounted folder {self.mount}"
        return f"container {self.container}" + (f", folder {self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What to do with objects that are in a container and not in the folder that is uploaded to it."""

    delete: bool = False
    allow_extra: bool = False


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What `train` does, as the command line requests it."""

    code: CodeSource
    command: str
    framework: str
    """Name, or ``NAME:VERSION``; empty with ``--here`` for the Python that runs the console."""
    data: tuple[DataSource, ...]
    data_options: DataOptions = DataOptions()
    results: str | None = None
    """The container of the results; None for the first one of the data."""
    results_store: str | None = None
    """The name of the connection to the store of `results`; None for the one of `--connection`."""
    name: str | None = None
    execution: ExecutionOptions = field(default_factory=ExecutionOptions)
    recovery: RecoveryOptions = field(default_factory=RecoveryOptions)
    author: str | None = None
    description: str = ""
    connection: str | None = None
    output: Path | None = None
    """The folder of the model; None for one with the training's id."""
    home: Path | None = None

    @property
    def results_connection(self) -> str | None:
        """The name of the connection to the store of the results; None for the one of `--connection`."""
        if self.results is not None:
            return self.results_store
        return next((one.connection for one in self.data if one.mount is None), None)

    @property
    def connections(self) -> tuple[str | None, ...]:
        """The names of all connections to stores; None stands for the one of `--connection`."""
        names = [self.results_connection, *(one.connection for one in self.data if one.mount is None)]
        return tuple(dict.fromkeys(names))

    @property
    def training_name(self) -> str:
        """The name of the training and of its experiment."""
        return self.name or default_name(self.code.path)


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What `train` does after the submission, and what it prints."""

    follow: bool = True
    fetch: bool = True
    quiet: bool = False
    """Whether to leave out the log."""
    json: bool = False
    metric: str | None = None
    """The metric to plot; None to choose one."""
    cancel_on_interrupt: bool = False
    overwrite: bool = False
    """Whether files of the output folder may be replaced."""


def default_name(path: Path) -> str:
    """Return the name of a folder, also of ``.``, or the name of a file without its suffixes."""
    absolute = path.resolve()
    return absolute.name.partition(".")[0] if absolute.is_file() else absolute.name


def require_results_store(options: TrainOptions) -> None:
    """
    Require a container for the results.

    :raises InvalidArgument: there is none: all data is in mounted folders, or there is no data.
    """
    if options.results is None and not options.data:
        raise InvalidArgument(
            "--data: a training needs data: add --data FOLDER, or --container NAME for data in the store; for a "
            "training without data add --results NAME"
        )
    if options.results is None and all(one.mount is not None for one in options.data):
        raise InvalidArgument("--results: name the container of the results: all data is in mounted folders")


def pair_data(
    paths: Sequence[Path], containers: Sequence[str], places: Sequence[DataSource] = ()
) -> tuple[DataSource, ...]:
    """
    Pair the paths of ``--data`` with the values of ``--container``, in their order; *places* come after them.

    Further containers are used as they are; a further path goes to a container of its own name.

    :param places: the values of ``--data`` that name data where it is.
    :raises InvalidArgument: a container has no valid name, or two paths have the same container.
    """
    sources = []
    for number in range(max(len(paths), len(containers))):
        path = paths[number] if number < len(paths) else None
        if number < len(containers):
            container = require_container_name(containers[number], "--container")
        else:
            container = require_container_name(default_name(paths[number]), f"--data {paths[number]}")
        sources.append(DataSource(container, path))
    names = [one.container for one in sources]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise InvalidArgument(f"--container: {twice!r} would be used twice: give each --data a --container of its own")
    return (*sources, *places)


def require_free_output(folder: Path | None, *, overwrite: bool) -> None:
    """
    Check, before the training, that the model can be written into *folder* without replacing other files.

    :raises InvalidArgument: it is a file, or it has files and *overwrite* is not set.
    """
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise InvalidArgument(f"--output: {folder} is a file: name a folder for the model")
    if not overwrite and any(folder.iterdir()):
        raise InvalidArgument(f"--output: {folder} is not empty: name another folder, or add --overwrite")
