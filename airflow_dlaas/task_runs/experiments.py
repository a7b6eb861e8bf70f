"""Code as a version of an experiment: the version that is there already, while the code is unchanged."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentVersion
from airflow_dlaas.exceptions import (
    DlaasError,
    InvalidBundle,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ProtocolError,
)
from airflow_dlaas.packaging import archive

LOOKUP_ERRORS = (NotFound, MethodNotAllowed, InvalidRequest, ProtocolError)
"""How a service fails to tell what it has, now and later: then nothing is reused, and all goes on without."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReuseVersion:
    """The newest version holds this very code."""

    version: ExperimentVersion
    message: ClassVar[str] = "the code is unchanged, its version is reused"


@dataclass(frozen=True, slots=True)
class AddVersion:
    """There is an experiment for the code, and its newest version holds other code."""

    experiment_id: str
    message: ClassVar[str] = "the code has changed, a version is added"


@dataclass(frozen=True, slots=True)
class CreateExperiment:
    """There is no experiment for the code."""

    message: ClassVar[str] = "a new experiment"


PublishAction = ReuseVersion | AddVersion | CreateExperiment


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """Where the code lies, and what was done for that."""

    url: str
    """Of the version: a `definition_location`."""
    action: PublishAction


def plan_publish(existing: Experiment | None, *, current_digest: str | None, new_digest: str) -> PublishAction:
    """
    Say what brings code with the digest *new_digest* into a version of *existing*, whose newest version holds *current_digest*.

    An empty version is never filled: whoever added it may be about to.
    """
    if existing is None:
        return CreateExperiment()
    return (
        ReuseVersion(existing.entity.experiment_version)
        if current_digest == new_digest
        else AddVersion(existing.metadata.guid)
    )


def find_experiment(draft: ExperimentDraft, experiments: Iterable[Experiment]) -> Experiment | None:
    """
    Find the newest experiment that *draft* could have created: of the same name, framework and description.

    The author, too, has to be the same where *draft* names one; where not, a service may have put one in.
    """
    alike = (one for one in experiments if _matches_draft(draft, one))
    return max(alike, key=lambda one: one.metadata.created_at, default=None)


def publish_code(client: Client, draft: ExperimentDraft, code: Path, *, reuse: bool) -> PublishedCode:
    """
    Have the zip *code* as a version of the experiment that *draft* describes.

    With *reuse*, what is there is used as `find_experiment` and `plan_publish` say; without, an experiment is created in any case. Two
    that do this at once may both create or add: each gets a version of its own that holds its code.

    :raises InvalidBundle: the zip is unusable; the service was asked for nothing.
    :raises ServiceError: if the upload failed, a new experiment was deleted again. An added version cannot be, so it
        stays: empty and unused, and the next try adds another.
    """
    wanted = archive.digest_archive(code)
    ours = find_experiment(draft, _list_experiments(client)) if reuse else None
    held = _fetch_digest(client, ours.entity.experiment_version) if ours else None
    step = plan_publish(ours, current_digest=held, new_digest=wanted)
    return PublishedCode(_apply_action(client, step, draft, code).url, step)


def _apply_action(client: Client, action: PublishAction, draft: ExperimentDraft, code: Path) -> ExperimentVersion:
    match action:
        case ReuseVersion(version):
            return version
        case AddVersion(experiment_id):
            added = client.send(calls.add_version(experiment_id)).entity.experiment_version
            _upload_code(client, added, code)
            return added
        case CreateExperiment():
            return _create_experiment(client, draft, code)


def _create_experiment(client: Client, draft: ExperimentDraft, code: Path) -> ExperimentVersion:
    experiment = client.send(calls.create_experiment(draft))
    try:
        _upload_code(client, experiment.entity.experiment_version, code)
    except DlaasError:
        with contextlib.suppress(DlaasError):  # why the upload failed is what has to be said
            client.send(calls.delete_experiment(experiment.metadata.guid))
        raise
    return experiment.entity.experiment_version


def _matches_draft(draft: ExperimentDraft, experiment: Experiment) -> bool:
    entity = experiment.entity
    return (entity.name, entity.framework, entity.description) == (draft.name, draft.framework, draft.description) and (
        draft.author is None or draft.author == entity.author
    )


def _list_experiments(client: Client) -> Sequence[Experiment]:
    try:
        return client.send(calls.list_experiments()).resources
    except LOOKUP_ERRORS as error:
        _log.warning("Which experiments there are is unknown, none is reused: %s", error)
        return ()


def _fetch_digest(client: Client, version: ExperimentVersion) -> str | None:
    """Digest the code that *version* holds; None where it is empty or holds no zip of code."""
    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        try:
            path = client.path_from_url(version.content_url)
            return archive.digest_archive(client.send(calls.get_content(path, Path(folder) / "there.zip")))
        except (*LOOKUP_ERRORS, InvalidBundle):
            return None


def _upload_code(client: Client, version: ExperimentVersion, code: Path) -> None:
    client.send(calls.put_content(client.path_from_url(version.content_url), code))
