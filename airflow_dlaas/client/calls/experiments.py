"""Requests about experiments, their versions and their code."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_dlaas.client.calls.call import (
    JSON_CONTENT_TYPE,
    Call,
    delete_request,
    get_request,
    no_content,
    quote_segment,
)
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentList
from airflow_dlaas.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENTS_PATH = "/v3/ml_assets/experiments"


def create_experiment(draft: ExperimentDraft) -> Call[Experiment]:
    """
    Create an experiment with its first version, which has no code yet.

    Not idempotent: the API of 2017 defines no key by which the service could recognize a repetition.
    """
    return Call("POST", EXPERIMENTS_PATH, parse_response(Experiment), draft, content_type=JSON_CONTENT_TYPE)


def add_version(experiment_id: str) -> Call[Experiment]:
    """Add the next version, which has no code yet. Not idempotent, like `create_experiment`."""
    return Call("POST", _experiment_path(experiment_id), parse_response(Experiment))


def list_experiments() -> Call[ExperimentList]:
    """List all experiments, each with its newest version."""
    return get_request(EXPERIMENTS_PATH, parse_response(ExperimentList))


def get_experiment(experiment_id: str) -> Call[Experiment]:
    """Request one experiment, with its newest version."""
    return get_request(_experiment_path(experiment_id), parse_response(Experiment))


def list_versions(experiment_id: str) -> Call[ExperimentList]:
    """List an experiment once for each of its versions."""
    return get_request(f"{_experiment_path(experiment_id)}/versions", parse_response(ExperimentList))


def get_version(experiment_id: str, version_id: str) -> Call[Experiment]:
    """Request an experiment with a certain version."""
    return get_request(_experiment_path(experiment_id, version_id), parse_response(Experiment))


def delete_experiment(experiment_id: str) -> Call[None]:
    """Delete an experiment with all its versions."""
    return delete_request(_experiment_path(experiment_id))


def experiment_id_from_path(path: str) -> str:
    """
    Return the experiment's id from the path of an experiment, of one of its versions, or of their code.

    :raises InvalidDefinition: *path* is none of these.
    """
    head, _, rest = path.partition("/ml_assets/experiments/")
    experiment_id = unquote(rest.partition("/")[0])
    if head != "/v3" or not experiment_id:
        raise InvalidDefinition([f"definition_location: {path} is not the URL of an experiment"])
    return experiment_id


def content_path(experiment_id: str, version_id: str | None = None) -> str:
    """
    Return the path of the code of a version, by default the newest one.

    For the URL of a version's code, use `Client.path_from_url` instead.
    """
    return f"{_experiment_path(experiment_id, version_id)}/content"


def put_content(path: str, content: Path | bytes) -> Call[None]:
    """Upload the zip of the version whose code is at *path*. Idempotent: the same bytes again change nothing."""
    return Call("PUT", path, no_content, content, is_idempotent=True, content_type="application/octet-stream")


def get_content(path: str, save_to: Path) -> Call[Path]:
    """Download the zip at *path* to the file *save_to*, without loading it into memory."""
    return get_request(path, lambda _: save_to, save_to=save_to)


def _experiment_path(experiment_id: str, version_id: str | None = None) -> str:
    path = f"{EXPERIMENTS_PATH}/{quote_segment(experiment_id)}"
    return path if version_id is None else f"{path}/versions/{quote_segment(version_id)}"
