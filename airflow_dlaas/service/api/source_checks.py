"""The checks of a definition's mounted folders, and its store of results, when it is submitted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from airflow_dlaas.contract.definition import RESULTS_REQUIRED, TrainingDefinition
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.stores import MountRef
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.error_responses import InvalidFields, field_error
from airflow_dlaas.service.mount_roots import MOUNTS_SETTING, describe_roots, innermost_root


def complete_results_store(deps: ApiDeps, definition: TrainingDefinition) -> TrainingDefinition:
    """
    Return *definition* with a store for its results: if it names none, with that of the service.

    :raises InvalidRequest: C101; it names none, and the service has none.
    """
    if definition.has_results_store:
        return definition
    results = deps.default_results()
    if results is None:
        raise InvalidFields.from_messages([RESULTS_REQUIRED], "C101")
    return definition.model_copy(update={"training_results": results})


def require_permitted_mounts(deps: ApiDeps, definition: TrainingDefinition) -> None:
    """
    Check that the site allows the mounted folders of *definition*, and that they exist if their file system is here.

    A learner checks them again: a folder may be replaced until then, and a learner may be on another machine.

    :raises InvalidRequest: C101 for each folder that cannot be mounted. The message has the allowed ones.
    """
    errors = [
        error
        for index, data in enumerate(definition.training_data)
        if isinstance(data.source, MountRef)
        for error in _mount_errors(deps, data.source, f"training_data[{index}].source")
    ]
    if errors:
        raise InvalidFields(errors)


def _mount_errors(deps: ApiDeps, source: MountRef, field: str) -> Iterator[ErrorItem]:
    def refused(key: str, problem: str) -> ErrorItem:
        return field_error(f"{field}.{key}", f"{field}.{key}: {problem}", "C101")

    allowed = ", ".join(describe_roots(deps.mount_roots)) or "none"
    root = innermost_root(PurePath(source.path), deps.mount_roots)
    if root is None:
        yield refused(
            "path",
            f"{source.path} is not below a folder that this site allows ({allowed}); the operator of the service can "
            f"add one to {MOUNTS_SETTING}",
        )
        return
    if not source.is_read_only and not root.writable:
        yield refused(
            "read_only",
            f"false is not allowed below {root.path}: the command may only read there. Leave it out; the operator of "
            f"the service can change that in {MOUNTS_SETTING}",
        )
    if _stat_problem(root.path) is None:  # else the file system is on the machines of the jobs only
        if (problem := _stat_problem(Path(source.path))) is not None:
            yield refused("path", f"{source.path} cannot be used on the machine of the service: {problem}")
        elif not _leads_below_a_root(source.path, deps):
            yield refused(
                "path", f"{source.path} is a link that leads out of the folders that this site allows ({allowed})"
            )


def _stat_problem(path: Path) -> str | None:
    try:
        path.stat()
    except OSError as error:
        return error.strerror
    return None


def _leads_below_a_root(path: str, deps: ApiDeps) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(one.path)) for one in deps.mount_roots)
