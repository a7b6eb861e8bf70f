"""Publishes code as a version of an experiment; an existing version with the same code is reused."""

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
from airflow_dlaas.client.experiment_checks import require_nested_code
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
"""Errors of a service that cannot list what it has. They are final, and then no version is reused."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReuseVersion:
    """The newest version of the experiment contains this code."""

    version: ExperimentVersion
    message: ClassVar[str] = "the code is unchanged; its version is reused"


@dataclass(frozen=True, slots=True)
class AddVersion:
    """There is an experiment for the code, and its newest version contains other code."""

    experiment_id: str
    message: ClassVar[str] = "the code has changed; a version was added"


@dataclass(frozen=True, slots=True)
class CreateExperiment:
    """There is no experiment for the code."""

    message: ClassVar[str] = "a new experiment was created"


PublishAction = ReuseVersion | AddVersion | CreateExperiment


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """The address of published code, and the action that published it."""

    url: str
    """The URL of the version: a `definition_location`."""
    action: PublishAction


def plan_publish(existing: Experiment | None, *, current_digest: str | None, new_digest: str) -> PublishAction:
    """
    Return the action that publishes the code with the digest *new_digest*.

    An empty version is never filled: the task that added it may be uploading its code.

    :param existing: the experiment for the code, or None.
    :param current_digest: the digest of the newest version's code; None if that version has no usable code.
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
    Return the newest experiment with the name, framework, description and ``nested`` of *draft*, or None.

    If *draft* names an author, the author must be equal too; otherwise the service may have set one.
    """
    matching = (one for one in experiments if _matches_draft(draft, one))
    return max(matching, key=lambda one: one.metadata.created_at, default=None)


def publish_code(client: Client, draft: ExperimentDraft, code: Path, *, reuse: bool) -> PublishedCode:
    """
    Publish the zip *code* as a version of the experiment that *draft* describes.

    With *reuse*, an existing experiment or version is used (`find_experiment`, `plan_publish`); without it, an
    experiment is always created. Two tasks that run this at the same time may both create an experiment or add a
    version: each gets a version of its own with its code.

    :raises InvalidBundle: the zip is unusable; no request was sent.
    :raises ServiceError: a request failed. If an upload failed, a new experiment was deleted again. The API cannot
        delete an added version, so it stays, empty and unused, and the next try adds another one.
    """
    action = plan_publication(client, draft, code, reuse=reuse)
    return PublishedCode(apply_action(client, action, draft, code).url, action)


def plan_publication(client: Client, draft: ExperimentDraft, code: Path, *, reuse: bool) -> PublishAction:
    """
    Return what `publish_code` would do; changes nothing.

    :raises InvalidBundle: the zip is unusable, or the service does not know the experiment's ``nested``; nothing was
        sent but a question for that.
    """
    digest = archive.digest_archive(code)
    require_nested_code(client, draft)
    existing = find_experiment(draft, _list_experiments(client)) if reuse else None
    current_digest = _fetch_digest(client, existing.entity.experiment_version) if existing else None
    return plan_publish(existing, current_digest=current_digest, new_digest=digest)


def apply_action(client: Client, action: PublishAction, draft: ExperimentDraft, code: Path) -> ExperimentVersion:
    """Carry out *action* for the zip *code*, and return the version; see `publish_code` for the errors."""
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
        with contextlib.suppress(DlaasError):  # raise the error of the upload, not that of the deletion
            client.send(calls.delete_experiment(experiment.metadata.guid))
        raise
    return experiment.entity.experiment_version


def _matches_draft(draft: ExperimentDraft, experiment: Experiment) -> bool:
    entity = experiment.entity
    wanted = (draft.name, draft.framework, draft.description, bool(draft.nested))
    return (entity.name, entity.framework, entity.description, bool(entity.nested)) == wanted and (
        draft.author is None or draft.author == entity.author
    )


def _list_experiments(client: Client) -> Sequence[Experiment]:
    try:
        return client.send(calls.list_experiments()).resources
    except LOOKUP_ERRORS as error:
        _log.warning(
            "Listing the experiments failed (%s); no version is reused, and a new experiment is created", error
        )
        return ()


def _fetch_digest(client: Client, version: ExperimentVersion) -> str | None:
    """Return the digest of the code in *version*; None if the version is empty or has no usable zip."""
    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        try:
            path = client.path_from_url(version.content_url)
            return archive.digest_archive(client.send(calls.get_content(path, Path(folder) / "code.zip")))
        except (*LOOKUP_ERRORS, InvalidBundle):
            return None


def _upload_code(client: Client, version: ExperimentVersion, code: Path) -> None:
    client.send(calls.put_content(client.path_from_url(version.content_url), code))
