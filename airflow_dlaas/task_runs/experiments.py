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
    ProtocolError,
    NotFound,
)
from airflow_dlaas.packaging import archive

NOT_TOLD = (NotFound, MethodNotAllowed, InvalidRequest, ProtocolError)
"""How a service fails to tell what it has, now and later: then nothing is reused, and all goes on without."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reuse:
    """The newest version holds this very code."""

    version: ExperimentVersion
    told: ClassVar[str] = "the code is unchanged, its version is reused"


@dataclass(frozen=True, slots=True)
class Add:
    """There is an experiment for the code, and its newest version holds other code."""

    experiment_id: str
    told: ClassVar[str] = "the code has changed, a version is added"


@dataclass(frozen=True, slots=True)
class Create:
    """There is no experiment for the code."""

    told: ClassVar[str] = "a new experiment"


Step = Reuse | Add | Create


@dataclass(frozen=True, slots=True)
class Published:
    """Where the code lies, and what was done for that."""

    url: str
    """Of the version: a `definition_location`."""
    step: Step


def decide(ours: Experiment | None, *, held: str | None, wanted: str) -> Step:
    """
    Say what brings code with the digest *wanted* into a version of *ours*, whose newest version holds *held*.

    An empty version is never filled: whoever added it may be about to.
    """
    if ours is None:
        return Create()
    return Reuse(ours.entity.experiment_version) if held == wanted else Add(ours.metadata.guid)


def find(draft: ExperimentDraft, experiments: Iterable[Experiment]) -> Experiment | None:
    """
    Find the newest experiment that *draft* could have created: of the same name, framework and description.

    The author, too, has to be the same where *draft* names one; where not, a service may have put one in.
    """
    alike = (one for one in experiments if _could_have_created(draft, one))
    return max(alike, key=lambda one: one.metadata.created_at, default=None)


def publish(client: Client, draft: ExperimentDraft, code: Path, *, reuse: bool) -> Published:
    """
    Have the zip *code* as a version of the experiment that *draft* describes.

    With *reuse*, what is there is used as `find` and `decide` say; without, an experiment is created in any case. Two
    that do this at once may both create or add: each gets a version of its own that holds its code.

    :raises InvalidBundle: the zip is unusable; the service was asked for nothing.
    :raises ServiceError: if the upload failed, a new experiment was deleted again. An added version cannot be, so it
        stays: empty and unused, and the next try adds another.
    """
    wanted = archive.digest_archive(code)
    ours = find(draft, _experiments(client)) if reuse else None
    held = _digest_there(client, ours.entity.experiment_version) if ours else None
    step = decide(ours, held=held, wanted=wanted)
    return Published(_carry_out(client, step, draft, code).url, step)


def _carry_out(client: Client, step: Step, draft: ExperimentDraft, code: Path) -> ExperimentVersion:
    match step:
        case Reuse(version):
            return version
        case Add(experiment_id):
            added = client.send(calls.add_version(experiment_id)).entity.experiment_version
            _upload(client, added, code)
            return added
        case Create():
            return _create(client, draft, code)


def _create(client: Client, draft: ExperimentDraft, code: Path) -> ExperimentVersion:
    experiment = client.send(calls.create_experiment(draft))
    try:
        _upload(client, experiment.entity.experiment_version, code)
    except DlaasError:
        with contextlib.suppress(DlaasError):  # why the upload failed is what has to be said
            client.send(calls.delete_experiment(experiment.metadata.guid))
        raise
    return experiment.entity.experiment_version


def _could_have_created(draft: ExperimentDraft, experiment: Experiment) -> bool:
    entity = experiment.entity
    return (entity.name, entity.framework, entity.description) == (draft.name, draft.framework, draft.description) and (
        draft.author is None or draft.author == entity.author
    )


def _experiments(client: Client) -> Sequence[Experiment]:
    try:
        return client.send(calls.list_experiments()).resources
    except NOT_TOLD as error:
        _log.warning("Which experiments there are is unknown, none is reused: %s", error)
        return ()


def _digest_there(client: Client, version: ExperimentVersion) -> str | None:
    """Digest the code that *version* holds; None where it is empty or holds no zip of code."""
    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        try:
            path = client.path_from_url(version.content_url)
            return archive.digest_archive(client.send(calls.get_content(path, Path(folder) / "there.zip")))
        except (*NOT_TOLD, InvalidBundle):
            return None


def _upload(client: Client, version: ExperimentVersion, code: Path) -> None:
    client.send(calls.put_content(client.path_from_url(version.content_url), code))
