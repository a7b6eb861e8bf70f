"""
Files and folders that a DAG names by relative paths: they are in the DAG bundle, beside the DAG's file.

A worker has the bundle in the version of its run, at a path of its own. The task parses the DAG's file there, so the
file's folder (`DAG.folder`) is the folder of that version. This module imports nothing that `airflow.sdk` has not
loaded.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG


def find_dag_file(location: str, dag: DAG | None, *, parameter: str, working_directory: bool = False) -> str:
    """
    Return the absolute path of *location* if it is a relative path, and *location* otherwise.

    A relative path is searched for in the folder of the DAG's file, then in the DAG's ``template_searchpath``, as the
    files of definitions are, and then in the root of the bundle (the dags folder). A glob that matches nothing is
    returned as one in the first of these that has its folder.

    :param dag: None for a task without a DAG, whose paths are relative to the working directory.
    :param working_directory: search in the working directory too, at last.
    :raises InvalidArgument: there is no such file or folder; the message names *parameter* and the folders searched.
    """
    if dag is None or location.startswith("/"):
        return location
    from airflow_dlaas.contract.patterns import GLOB_CHARACTERS
    from airflow_dlaas.exceptions import InvalidArgument
    from airflow_dlaas.hooks.sources import local_path

    path = local_path(location)
    if path is None or path.is_absolute():
        return location
    folders = search_folders(dag) + ([Path.cwd()] if working_directory else [])
    candidates = [folder / path for folder in folders]
    found = [one for one in candidates if one.exists()]
    if not found and GLOB_CHARACTERS & set(str(path)):
        wildcard = next(index for index, one in enumerate(path.parts) if GLOB_CHARACTERS & set(one))
        with_folder = [folder / path for folder in folders if folder.joinpath(*path.parts[:wildcard]).is_dir()]
        found = [one for one in with_folder if glob.glob(str(one), recursive=True)] or with_folder  # noqa: PTH207
    if not found:
        raise InvalidArgument(
            f"{parameter} names {location!r}, and there is no such file or folder in {', '.join(map(str, folders))}: "
            "put it beside the DAG's file, or give an absolute path or a URL"
        )
    return str(found[0])


def search_folders(dag: DAG) -> list[Path]:
    """Return the folders in which relative paths of *dag* are searched for, the first one first."""
    more = dag.template_searchpath or ()
    folders = [Path(dag.folder), *map(Path, [more] if isinstance(more, str) else more), *_bundle_root(dag)]
    return list(dict.fromkeys(folders))


def _bundle_root(dag: DAG) -> Sequence[Path]:
    """Return the root of the bundle that has the file of *dag*; none if Airflow did not load the file from a bundle."""
    file, relative = Path(dag.fileloc), Path(dag.relative_fileloc or "")
    if not relative.parts or file.parts[-len(relative.parts) :] != relative.parts:
        return ()
    return (file.parents[len(relative.parts) - 1],)
