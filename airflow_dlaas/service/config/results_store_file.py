"""The store of the results of definitions that name none: a file with its connection and its container."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from airflow_dlaas.contract.stores import ResultsStore, TrainingResults
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.object_store_allowlist import OBJECT_STORES_SETTING

RESULTS_STORE_SETTING = "DLAAS_RESULTS_STORE"

logger = logging.getLogger(__name__)


class ResultsStoreFile:
    """
    The store in a file, which is read again when it has changed. Thread-safe.

    If the file is damaged or missing after a change, the store that was read last stays in use, and an error is logged.

    :param is_allowed: whether the service may call the object store at this URL.
    :raises NotConfigured: the file cannot be used.
    """

    def __init__(self, path: Path, is_allowed: Callable[[str], bool]) -> None:
        self._path = path
        self._is_allowed = is_allowed
        self._lock = threading.Lock()
        self._file_version = self._read_file_version()
        self._results = read_results_store(path, is_allowed)

    def current(self) -> TrainingResults:
        """Return the store as a definition has it, with its secrets."""
        with self._lock:
            file_version = self._read_file_version()
            if file_version != self._file_version:
                # The version before the content: a file that changes during the read is read once more.
                self._file_version = file_version
                try:
                    self._results = read_results_store(self._path, self._is_allowed)
                except NotConfigured as error:
                    logger.error("Reading the changed results store failed; the previous one stays in use: %s", error)
                else:
                    logger.info("Read the results store from %s", self._path)
            return self._results

    def _read_file_version(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_results_store(path: Path, is_allowed: Callable[[str], bool]) -> TrainingResults:
    """
    Read the store from the JSON document at *path*: an object with ``connection`` and ``target``.

    :raises NotConfigured: it cannot be read, is not valid, or names a store that the service may not call. The message
        contains no value of the document.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        store = ResultsStore.model_validate(document)
    except OSError as error:
        raise NotConfigured(f"{RESULTS_STORE_SETTING} is {path}, which cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(validation_messages(error))
        raise NotConfigured(f"{RESULTS_STORE_SETTING} is {path}, which is not valid: {problems}") from None
    except (ValueError, RecursionError):  # the message of the JSON parser may repeat a part of the document
        raise NotConfigured(f"{RESULTS_STORE_SETTING} is {path}, which is not JSON") from None
    if not is_allowed(store.connection.url):
        raise NotConfigured(
            f"{RESULTS_STORE_SETTING} is {path}, and the service may not call its connection."
            f"{store.connection.url_key} {store.connection.url}: add the host to {OBJECT_STORES_SETTING}"
        )
    return TrainingResults(target=store.target, connection=store.connection)
