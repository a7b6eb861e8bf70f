"""Folders and environment variables of the command. No I/O."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.shell_command import normalize_command
from airflow_dlaas.service.runtimes.provision import RuntimePaths

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH after the runtime's folders. The service's own PATH, with its Python, is not used."""

CODE, DATA, RESULTS, CHECKPOINTS, LOGS, HOME, TEMPORARY = (
    "code",
    "data",
    "results",
    "checkpoints",
    "logs",
    "home",
    "tmp",
)
COMMAND_FOLDERS = (CODE, DATA, RESULTS, CHECKPOINTS, LOGS, HOME, TEMPORARY)
"""The command's folders in the job directory."""

RESTORED = "restored"
"""The folder of the job directory in which a checkpoint is restored; it becomes CHECKPOINT_DIR when it is complete, so
that a part of a checkpoint is never stored as a result."""

DATA_FILES = "data-files"
"""The folder of the job directory for the files to which links in DATA_DIR lead, if they are in the cache of the
machine. A command in a sandbox or a container can only read it."""

USER_METRICS_FILE = "evaluation-metrics.txt"
"""File in LOG_DIR for metrics that the command writes itself, one JSON object in each line."""

REPLACEABLE_VARIABLES = {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
"""Variables that a definition may replace: without them, a log is late, and names in UTF-8 are unreadable."""

VIRTUAL_GPU_PREFIX = "virtual:"
"""Prefix of a GPU slot that is no device."""


def command_environment(
    job: JobDirectory,
    spec: JobSpec,
    provision: RuntimePaths,
    execution: Execution,
    *,
    resumed_from: str | None = None,
) -> dict[str, str]:
    """
    Return the command's environment. It contains only what is listed here, nothing of the service's environment.

    The variables of a definition replace those of the runtime and `REPLACEABLE_VARIABLES`; the service's own replace
    those of a definition. The names are in the contract, section 5; ``DATA`` is the spelling of 2017.

    :param resumed_from: the training whose checkpoint is in CHECKPOINT_DIR, if there is one.
    """
    code = job.subdirectory(CODE)
    devices = physical_gpus(spec.gpus)
    variables = {
        "DATA_DIR": job.subdirectory(DATA),
        "DATA": job.subdirectory(DATA),
        "RESULT_DIR": job.subdirectory(RESULTS),
        "MODEL_DIR": code,
        "LOG_DIR": job.subdirectory(LOGS),
        "CHECKPOINT_DIR": job.subdirectory(CHECKPOINTS),
        "JOB_STATE_DIR": job.path,
        "TRAINING_ID": spec.training_id,
        "TRAINING_COMMAND": normalize_command(spec.command),
        "ATTEMPT": spec.attempt,
        "GPU_COUNT": len(spec.gpus),
        "NUM_LEARNERS": 1,
        "LEARNER_ID": 1,
        "MASTER_ADDR": "127.0.0.1",
        "LOCAL_WORLD_SIZE": max(1, len(spec.gpus)),
        "CUDA_VISIBLE_DEVICES": ",".join(devices),
        "PATH": _join_paths([*provision.path, SYSTEM_PATH]),
        "PYTHONPATH": _join_paths([*provision.python_path, code]),
        "HOME": job.subdirectory(HOME),
        "TMPDIR": job.subdirectory(TEMPORARY),
    }
    if resumed_from is not None:
        variables["RESUMED_FROM"] = resumed_from
    if provision.library_path:
        variables["LD_LIBRARY_PATH"] = _join_paths(provision.library_path)
    return {
        **spec.runtime.env,
        **provision.variables,
        **REPLACEABLE_VARIABLES,
        **(execution.environment or {}),
        **secret_variables(execution),
        **{name: str(value) for name, value in variables.items()},
    }


def secret_variables(execution: Execution) -> dict[str, str]:
    """Return the secret variables of *execution*, in clear: never log them."""
    return {name: value.get_secret_value() for name, value in (execution.secrets or {}).items()}


def physical_gpus(gpus: Sequence[str]) -> list[str]:
    """Return the reserved slots that are devices."""
    return [one for one in gpus if not one.startswith(VIRTUAL_GPU_PREFIX)]


def log_header(spec: JobSpec, isolation: str) -> str:
    """Return the first lines of an attempt in the log: runtime, GPUs and isolation."""
    devices = physical_gpus(spec.gpus)
    virtual = f" (virtual slots: {len(spec.gpus)})" if spec.gpus else ""
    on = f"GPU {', '.join(devices)}" if devices else f"no GPU{virtual}"
    attempt = f" (attempt {spec.attempt})" if spec.attempt > 1 else ""
    text = f"{spec.training_id}{attempt} runs on {spec.runtime.provides}, {on}, isolation: {isolation}\n"
    if spec.runtime.compatibility:
        text += "This is a compatibility entry: a newer version runs in place of the requested one\n"
    return text


def data_subfolders(names: Sequence[str]) -> list[str]:
    """
    Return the folder of each source of data, relative to DATA_DIR, for their *names* (`data_folders.source_names`).

    A single source fills DATA_DIR itself. Several get one folder each, by name, numbered if names are equal.
    """
    if len(names) == 1:
        return ["."]
    taken: list[str] = []
    for name in names:
        free = (f"{name}-{number}" if number > 1 else name for number in range(1, len(names) + 1))
        taken.append(next(one for one in free if one not in taken))
    return taken


def _join_paths(parts: Iterable[object]) -> str:
    return os.pathsep.join(str(part) for part in parts)
