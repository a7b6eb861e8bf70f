"""What the service's operator sets about packages that trainings install. No I/O, and no credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.base import ApiModel

DEFAULT_PACKAGES_LIMIT = 20 * 1024**3
"""Bytes of all environments of packages: a dozen with large libraries."""

INDEX_USER_VARIABLE = "DLAAS_PACKAGE_INDEX_USER"
INDEX_PASSWORD_VARIABLE = "DLAAS_PACKAGE_INDEX_PASSWORD"  # noqa: S105 - the name of a variable
"""The learner inherits these two; they are in no file of a job, and its command does not get them."""


class PackageSettings(ApiModel):
    """The part of the settings that is in each job's specification, which commands may be able to read."""

    index: str | None = None
    """URL of the package index; None: that of uv's and pip's own settings, or PyPI."""
    extra_indexes: tuple[str, ...] = ()
    """URLs of further indexes. They come first: a package that one of them has is taken from there."""
    wheels: Path | None = None
    """A folder of wheels, in addition to the indexes."""
    offline: bool = False
    """Whether no index is asked: packages come from `wheels`, or from uv's cache."""
    netrc: Path | None = None
    """A netrc file with the credentials of indexes."""
    max_age: float | None = None
    """Seconds after which a stored lock is resolved again; None: never."""
    limit: int = DEFAULT_PACKAGES_LIMIT
    """Bytes that the environments of packages may take on disk; those in use count, and stay."""


@dataclass(frozen=True, slots=True)
class PackageCredentials:
    """The login at the package index."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
