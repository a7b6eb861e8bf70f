"""Brings code and training data in place."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.results import is_result
from airflow_dlaas.contract.stores import TrainingData
from airflow_dlaas.service.allowed import AllowedStores
from airflow_dlaas.service.jobs import Spec
from airflow_dlaas.service.learner.journal import now_and_then
from airflow_dlaas.service.learner.surroundings import data_folders


def load_code(spec: Spec, code: Path, say: Callable[[str], None]) -> None:
    """
    Unpack the zip.

    :raises InvalidBundle: it is unusable.
    """
    from airflow_dlaas.storage import bundle

    say(f"Unpacking {spec.code.stat().st_size} bytes of code")
    bundle.unpack(spec.code, code, allow_nested=spec.allow_nested, unpacked_limit=spec.unpacked_limit)
    say("The code is in place")


def load_data(definition: TrainingDefinition, data: Path, say: Callable[[str], None], allowed: AllowedStores) -> None:
    """
    Download every container of training data, whole, and lay them where the command looks.

    Safe to repeat.

    :raises StoreError: one of them cannot be had.
    """
    sources = definition.training_data
    for source, place in zip(sources, data_folders([one.source.container for one in sources]), strict=True):
        folder = data / place
        folder.mkdir(parents=True, exist_ok=True)
        _load_container(source, folder, definition, say, allowed)


def _load_container(
    source: TrainingData,
    folder: Path,
    definition: TrainingDefinition,
    say: Callable[[str], None],
    allowed: AllowedStores,
) -> None:
    from airflow_dlaas.storage.swift import SwiftStore
    from airflow_dlaas.storage.transfer import download

    begun, name = time.monotonic(), source.source.container
    maybe = now_and_then(say)
    say(f"Loading container {name}")
    with SwiftStore.open(source.connection, require_allowed=allowed.require) as store:
        names = None
        if _holds_results_too(source, definition):
            # Without this, each training of a nightly series would download the models of all before it.
            everything = [one.name for one in store.list(name)]
            names = [one for one in everything if not is_result(one)]
            if len(names) < len(everything):
                say(f"Leaving {len(everything) - len(names)} objects where they are: results of earlier trainings")
        report = download(
            store,
            name,
            folder,
            names=names,
            progress=lambda at: maybe(lambda: f"{at.files_done} of {at.files_total} files, {at.bytes_done} bytes"),
        )
    say(f"Loaded {report.files} files, {report.bytes} bytes in {time.monotonic() - begun:.1f} s")


def _holds_results_too(source: TrainingData, definition: TrainingDefinition) -> bool:
    results = definition.results
    return (results.connection.auth_url, results.target.container) == (
        source.connection.auth_url,
        source.source.container,
    )


def link_data(data: Path, code: Path) -> None:
    """
    Make the data's top level visible from the working directory.

    So plain relative names of data files work, as the page has them; a file of the code with the same name comes first.
    """
    for entry in data.iterdir():
        here = code / entry.name
        if not here.is_symlink() and not here.exists():
            here.symlink_to(entry)
