"""Experiments: the code asset and its versions. One version is one zip."""

from __future__ import annotations

from pydantic import Field, field_validator

from airflow_dlaas.contract.base import ApiModel, Author, Identifier, OpaqueJson, RequestModel, Timestamp
from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.listing import Listing


class Metadata(ApiModel):
    """The id, the URL and the times of a resource. Assets have absolute URLs, trainings relative ones."""

    guid: Identifier
    url: str
    created_at: Timestamp
    modified_at: Timestamp


class ExperimentDraft(RequestModel):
    """The request for an experiment, or for its next version."""

    name: str = Field(min_length=1)
    description: str = ""
    framework: Framework
    author: Author | None = None
    """Our client sends a string; clients of 2017 sent an object with name and e-mail address."""
    training_data_reference: OpaqueJson | None = None
    nested: bool | None = None
    """Whether the zips of this experiment may contain folders (an extension); a zip is flat without it."""

    @field_validator("nested")
    @classmethod
    def _drop_false(cls, value: bool | None) -> bool | None:
        return value or None  # the same experiment, written in two ways

    @field_validator("framework")
    @classmethod
    def _require_valid_runtimes(cls, value: Framework) -> Framework:
        for one in value.runtimes or ():
            if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("name", "version")):
                raise ValueError("runtimes must be a list of objects with the strings name and version")
        return value


class ExperimentVersion(ApiModel):
    """One version of an experiment's code. ``url`` is the value for a `definition_location`."""

    guid: Identifier
    url: str
    content_url: str


class ExperimentEntity(ApiModel):
    """An experiment's own fields, and its newest version."""

    name: str
    description: str = ""
    framework: Framework
    author: Author | None = None
    training_data_reference: OpaqueJson | None = None
    nested: bool | None = None
    experiment_version: ExperimentVersion


class Experiment(ApiModel):
    """An experiment, as the service returns it."""

    metadata: Metadata
    entity: ExperimentEntity


class ExperimentList(Listing[Experiment]):
    """All experiments of a user, or all versions of one."""
