"""The example DAGs of the installed package: where they are, and copies of them for a dags folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import airflow_dlaas
from airflow_dlaas._util.atomic_write import atomic_write
from airflow_dlaas.exceptions import HostError, InvalidArgument

IGNORED = ("__pycache__",)
"""Folders that Python makes beside the files of an example."""


@dataclass(frozen=True)
class Example:
    """
    An example: a folder with everything that its DAG needs.

    The DAG's id, its file without the suffix, and the folder have the same name.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The id of the DAG."""
        return self.folder.name

    @property
    def summary(self) -> str:
        """The first line of the DAG file's docstring."""
        text = ast.get_docstring(ast.parse((self.folder / f"{self.name}.py").read_text("utf-8"))) or ""
        return text.partition("\n")[0]

    def files(self) -> list[Path]:
        """Return the files relative to the folder. The DAG's file is the last one: a DAG has its code beside it."""
        found = [one.relative_to(self.folder) for one in self.folder.rglob("*") if one.is_file()]
        files = [one for one in found if not set(IGNORED) & set(one.parts)]
        return sorted(files, key=lambda one: (one.name == f"{self.name}.py", one))


def example_dags() -> Path:
    """
    Return the folder of the example DAGs: inside an installed package, or beside it in a checkout.

    :raises HostError: there is none.
    """
    package = Path(airflow_dlaas.__file__).parent
    for folder in (package / "example_dags", package.parent / "example_dags"):
        if folder.is_dir():
            return folder
    raise HostError(f"The example DAGs are not in {package}; install airflow-dlaas anew")


def list_examples() -> list[Example]:
    """Return all examples, by name."""
    return sorted(map(Example, _folders(example_dags())), key=lambda one: one.name)


def find_examples(name: str | None) -> list[Example]:
    """
    Return the example *name*, or all for None.

    :raises InvalidArgument: there is no such example; the message names those that there are.
    """
    examples = list_examples()
    found = [one for one in examples if name in {None, one.name}]
    if not found:
        raise InvalidArgument(
            f"There is no example {name!r}; the examples are: {', '.join(one.name for one in examples)}"
        )
    return found


def copy_examples(examples: list[Example], directory: Path, *, force: bool = False) -> dict[str, int]:
    """
    Copy each example to a folder of its name in *directory*; return the number of files written for each.

    A file that is there with the same content is left as it is. Other files in the folder stay. Each file appears
    complete or not at all, so that the DAG processor may read the folder meanwhile.

    :param force: replace files with other content.
    :raises HostError: a file is there with other content, and *force* is not set; nothing was written. Or a file cannot
        be written.
    """
    planned = [(one, directory / one.name / file, one.folder / file) for one in examples for file in one.files()]
    written = dict.fromkeys((one.name for one in examples), 0)
    try:
        changed = [target for _, target, source in planned if target.exists() and not _is_same(target, source)]
        if changed and not force:
            names = ", ".join(map(str, changed))
            raise HostError(
                f"Nothing was copied, because files with other content are there: {names}; --force replaces them"
            )
        for example, target, source in planned:
            if not target.exists() or target in changed:
                target.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(target) as file:
                    file.write(source.read_bytes())
                written[example.name] += 1
    except OSError as error:
        raise HostError(f"The examples cannot be copied to {directory}: {error}") from error
    return written


def _folders(folder: Path) -> Iterator[Path]:
    return (one for one in folder.iterdir() if (one / f"{one.name}.py").is_file())


def _is_same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()
