"""Experiments: the code asset and its versions. One version is one zip."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.words import Many, Moment, Word


class Metadata(Word):
    """Who a thing is, and since when. Assets carry absolute URLs, trainings relative ones [page]."""

    guid: str
    url: str
    created_at: Moment
    modified_at: Moment


class ExperimentDraft(Word):
    """What one says to create an experiment, or the next version of one."""

    name: str = Field(min_length=1)
    description: str = ""
    framework: Framework
    author: str | dict[str, Any] | None = None
    """A string on our side; contemporary clients sent an object with name and e-mail."""
    training_data_reference: dict[str, Any] | None = None


class ExperimentVersion(Word):
    """One version of an experiment's code. ``url`` is what a `definition_location` holds."""

    guid: str
    url: str
    content_url: str


class ExperimentEntity(Word):
    """An experiment's own fields, and its newest version."""

    name: str
    description: str = ""
    framework: Framework
    author: str | dict[str, Any] | None = None
    training_data_reference: dict[str, Any] | None = None
    experiment_version: ExperimentVersion


class Experiment(Word):
    """An experiment as the service reports it."""

    metadata: Metadata
    entity: ExperimentEntity


class ExperimentList(Word):
    """All experiments of a user, or all versions of one."""

    resources: Many[Experiment]
