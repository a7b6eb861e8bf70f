"""
How the results of trainings are distinguished from data in the same container. No I/O.

A training stores a small object, the marker, in the folder of its results: ``<training id>/.dlaas-training``. A folder
that holds a marker holds results, whatever the folder is called and wherever it was copied to with the marker; a folder
without one is data. The marker's content is for people; only its name is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

MARKER_BASENAME = ".dlaas-training"
"""Last step of the marker's name."""

MAX_FOLDERS_SHOWN = 20
"""Folders that a message names; a number stands for those beyond."""

_UNMARKED_LOG = re.compile(r"(training-[A-Za-z0-9_-]{9})/learner-1/training-log\.txt")
"""What releases that stored no marker left of each training: its id as the folder's name, and the log in its place."""


def marker_name(training_id: str) -> str:
    """Name the marker of a training's results."""
    return f"{training_id}/{MARKER_BASENAME}"


def marker_content(training_id: str) -> bytes:
    """Make the marker's content: a JSON object."""
    about = "Results of a training; as training data, this folder is left out while this object is in it."
    return json.dumps({"training_id": training_id, "about": about}).encode()


def is_marker(name: str) -> bool:
    """Whether an object of this *name* is a marker."""
    return name.rpartition("/")[2] == MARKER_BASENAME


def result_folders(names: Iterable[str]) -> frozenset[str]:
    """
    Find the folders that hold results of trainings.

    :param names: all names of a listing.
    :return: folders without a slash at the end; a marker outside any folder marks none.
    """
    found: set[str] = set()
    for name in names:
        folder, _, last = name.rpartition("/")
        if folder and last == MARKER_BASENAME:
            found.add(folder)
        elif unmarked := _UNMARKED_LOG.fullmatch(name):
            found.add(unmarked[1])
    return frozenset(found)


def enclosing_folder(name: str, folders: Collection[str]) -> str | None:
    """Return the outermost of *folders* that the object *name* lies in, or None."""
    if not folders:
        return None
    end = name.find("/")
    while end >= 0:
        if name[:end] in folders:
            return name[:end]
        end = name.find("/", end + 1)
    return None


def nested_result_objects(names: Iterable[str], prefix: str) -> list[str]:
    """
    Return those of *names*, a listing of the folder *prefix*, that belong to results of trainings in folders below it.

    None where the folder is itself one of results, or lies in one.
    """
    names = list(names)
    folders = result_folders(names)
    here = f"{prefix.rstrip('/')}/"
    if any(here.startswith(f"{one}/") for one in folders):
        return []
    return [name for name in names if enclosing_folder(name, folders) is not None]


def result_folder_markers(names: Collection[str], prefix: str) -> list[str]:
    """
    Return the markers among *names*, a listing of the folder *prefix*, where that folder is itself one of results.

    None where it only holds such folders: a copy of it with the markers still shows which folders hold results.
    """
    folder = prefix.rstrip("/")
    return [name for name in names if is_marker(name)] if folder and f"{folder}/{MARKER_BASENAME}" in names else []


def uploaded_results_warning(container: str, folders: Collection[str]) -> str:
    """Say, in a message for people, that *folders*, just uploaded to *container*, are no data for a training."""
    listed = ", ".join(sorted(folders)[:MAX_FOLDERS_SHOWN]) + (
        f" and {len(folders) - MAX_FOLDERS_SHOWN} more" if len(folders) > MAX_FOLDERS_SHOWN else ""
    )
    return (
        f"These folders in container {container} count as results of trainings, and a training that has the container "
        f"as training data leaves them out: {listed}. To have them as data, exclude {MARKER_BASENAME!r} from the upload and "
        "delete the objects of that name from the container"
    )
