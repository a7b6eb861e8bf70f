"""
The markers that distinguish results of trainings from data in the same container. No I/O.

A training stores a small object, the marker, in the folder of its results: ``<training id>/.dlaas-training``. A folder
with a marker has results, under any name, also after it was copied with the marker. A folder without a marker has
data. The marker's content is for people; programs use its name only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

MARKER_BASENAME = ".dlaas-training"
"""The last component of the marker's name."""

CHECKPOINTS_FOLDER = ".dlaas-checkpoints"
"""The folder of stored checkpoints in the folder of a training's results."""

MAX_FOLDERS_SHOWN = 20
"""Folders that a message names; of further ones it has the number only."""

_UNMARKED_LOG = re.compile(r"(training-[A-Za-z0-9_-]{9})/learner-1/training-log\.txt")
"""The log of a training of a release that stored no marker, with the training's id as the name of the folder."""


def marker_name(training_id: str) -> str:
    """Return the name of the marker of a training's results."""
    return f"{training_id}/{MARKER_BASENAME}"


def marker_content(training_id: str) -> bytes:
    """Return the content of the marker: a JSON object."""
    about = "Results of a training; as training data, this folder is left out while this object is in it."
    return json.dumps({"training_id": training_id, "about": about}).encode()


def is_marker(name: str) -> bool:
    """Whether *name* is the name of a marker."""
    return name.rpartition("/")[2] == MARKER_BASENAME


def attempt_folder(training_id: str, attempt: int) -> str:
    """
    Return the folder of the results of an attempt, without a slash at the end.

    Each attempt has a folder of its own, so that a lost one that still runs cannot touch the results of the next one.
    """
    return training_id if attempt == 1 else f"{training_id}/attempt-{attempt}"


def results_root(training_id: str, model_location: str) -> str:
    """
    Return the folder with all that a training has stored: the results of all attempts, and its checkpoints.

    :param model_location: the folder of the attempt that counts, as the service reports it; another service may have
        folders of other names.
    """
    folder = model_location.rstrip("/")
    attempt = folder.removeprefix(f"{training_id}/attempt-")
    return training_id if attempt != folder and attempt.isascii() and attempt.isdigit() else folder


def checkpoints_folder(training_id: str) -> str:
    """Return the folder of a training's checkpoints; each attempt has a folder in it, named by its number."""
    return f"{training_id}/{CHECKPOINTS_FOLDER}"


def is_internal(name: str) -> bool:
    """Whether the object *name* is the service's own among the results of a training: a marker, or of a checkpoint."""
    return is_marker(name) or f"/{CHECKPOINTS_FOLDER}/" in name


def result_folders(names: Iterable[str]) -> frozenset[str]:
    """
    Return the folders that have results of trainings, without a slash at the end.

    A marker outside of all folders marks none.

    :param names: all object names of a listing.
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
    """Return the outermost of *folders* that has the object *name*, or None."""
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
    Return the objects that belong to results of trainings in folders below the folder *prefix*.

    Empty if the folder itself has results, or is in a folder that has.

    :param names: the listing of the folder.
    """
    names = list(names)
    folders = result_folders(names)
    here = f"{prefix.rstrip('/')}/"
    if any(here.startswith(f"{one}/") for one in folders):
        return []
    return [name for name in names if enclosing_folder(name, folders) is not None]


def internal_result_objects(names: Collection[str], prefix: str) -> list[str]:
    """
    Return the internal objects (`is_internal`) in the folder *prefix* if the folder itself has results.

    Empty if only folders below it have results: in a copy, their markers still show which folders these are.

    :param names: the listing of the folder.
    """
    folder = prefix.rstrip("/")
    return [name for name in names if is_internal(name)] if folder and f"{folder}/{MARKER_BASENAME}" in names else []


def uploaded_results_warning(container: str, folders: Collection[str]) -> str:
    """Return a warning that *folders*, which were uploaded to *container*, are not used as training data."""
    listed = ", ".join(sorted(folders)[:MAX_FOLDERS_SHOWN]) + (
        f" and {len(folders) - MAX_FOLDERS_SHOWN} more" if len(folders) > MAX_FOLDERS_SHOWN else ""
    )
    return (
        f"These folders in container {container} count as results of trainings, and a training that has the container "
        f"as training data leaves them out: {listed}. To have them as data, exclude {MARKER_BASENAME!r} from the "
        "upload and delete the objects of that name from the container"
    )
