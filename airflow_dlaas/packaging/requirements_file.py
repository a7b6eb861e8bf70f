"""The requirements of a DAG, as a ``requirements.txt`` that is added to a zip of code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow_dlaas.contract.format_value import format_value
from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle

REQUIREMENTS_FILE = "requirements.txt"
DECIDING_FILES = (REQUIREMENTS_FILE, "uv.lock")
"""Files of code by which the service installs packages; a bundle has one of them."""


def parse_requirements(value: object, parameter: str = "requirements") -> tuple[str, ...]:
    """
    Return the requirements in *value* of *parameter*: a text is one requirement.

    :raises InvalidArgument: *value* is neither a text nor a sequence of texts, or a text is no requirement (PEP 508).
    """
    from packaging.requirements import InvalidRequirement, Requirement

    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, (list, tuple)):
        raise InvalidArgument(f"{parameter}: must be a text or a list of texts, not {format_value(value)}")
    for place, one in enumerate(value):
        where = f"{parameter}: item {place}"
        if not isinstance(one, str):
            raise InvalidArgument(f"{where} must be a text, not {format_value(one)}")
        try:
            parsed = Requirement(one)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise InvalidArgument(
                f"{where}: {format_value(one)} is no requirement ({reason}); write it as 'transformers==4.57'. Options "
                f"such as --index-url belong into a {REQUIREMENTS_FILE} in the folder of the code"
            ) from None
        if parsed.url is not None and parsed.url.startswith("file:"):
            raise InvalidArgument(f"{where}: {parsed.name} is a file of this machine; the service does not have it")
    return tuple(value)


@contextmanager
def requirements_file(requirements: Sequence[str] | None) -> Iterator[Sequence[tuple[str, Path]]]:
    """Yield a requirements.txt of *requirements* as files to add to a zip: its name, and its path during the block."""
    if not requirements:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="dlaas-") as folder:
        path = Path(folder) / REQUIREMENTS_FILE
        path.write_text("".join(f"{one}\n" for one in requirements), encoding="utf-8")
        yield ((REQUIREMENTS_FILE, path),)


def add_files(files: Sequence[tuple[str, Path]], extra: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """
    Return the files of a zip, sorted by name: *files* of the folder, and *extra* ones.

    :raises InvalidBundle: the folder itself has a file that names the packages.
    """
    there = {name for name, _ in files}
    if extra and (found := sorted(there.intersection(DECIDING_FILES))):
        raise InvalidBundle(
            f"requirements: the folder has its own {found[0]}: leave the parameter out, or leave the file out of the "
            "zip (exclude, or .dlaasignore)"
        )
    return sorted([*files, *extra])
