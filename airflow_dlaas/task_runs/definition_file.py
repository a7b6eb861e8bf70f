"""Reads a training definition from a JSON file: next to the DAG, at a path, or in object storage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.parameters.rendering import has_template

if TYPE_CHECKING:
    import jinja2

FILE_SUFFIX = ".json"


def is_file_path(definition: object) -> bool:
    """Return whether *definition* is the path of a file, and not a definition."""
    return isinstance(definition, str) and definition.endswith(FILE_SUFFIX)


def read_at_parse(name: str, environment: jinja2.Environment) -> str | None:
    """Read the local file *name* while the DAG is parsed; return None if only the task can read it."""
    if has_template(name, environment) or "://" in name:
        return None
    try:
        return _read_file(name, environment)
    except (OSError, ValueError, LookupError):
        return None  # the task raises the error, if it persists


def parse_json_object(text: str) -> dict[str, Any] | None:
    """Parse *text* as a JSON object; return None for any other text, such as one that is JSON only after rendering."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def read_at_runtime(name: str, environment: jinja2.Environment, render: Callable[[str], str]) -> str:
    """
    Read the file *name* when the task runs.

    A name that contains a template is rendered first, and must then be a file next to the DAG or on the template search
    path: the parameters of a run can select one of these files, but no other file of the worker.

    :raises InvalidArgument: there is no such file, or it cannot be read.
    """
    rendered = render(name) if has_template(name, environment) else name
    try:
        if rendered != name:
            return _read_from_template_path(rendered, environment)
        if "://" in name:
            from airflow.sdk import ObjectStoragePath

            return str(ObjectStoragePath(name).read_text())
        return _read_file(name, environment)
    except (OSError, ValueError, LookupError) as error:
        raise InvalidArgument(
            f"definition names the file {rendered!r}, which cannot be read ({type(error).__name__}: {error}): give a "
            "path relative to the folder of the DAG or to template_searchpath, or an absolute path"
        ) from error


def _read_file(name: str, environment: jinja2.Environment) -> str:
    return Path(name).read_text() if Path(name).is_absolute() else _read_from_template_path(name, environment)


def _read_from_template_path(name: str, environment: jinja2.Environment) -> str:
    if environment.loader is None:
        raise LookupError("the task belongs to no DAG")
    return environment.loader.get_source(environment, name)[0]  # TemplateNotFound is a LookupError
