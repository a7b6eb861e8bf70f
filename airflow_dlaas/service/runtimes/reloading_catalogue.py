"""
The catalogue of a running service: the site's file is read again when it changes.

The file is looked at whenever the catalogue is used; there is no thread. A changed file that cannot be used leaves the
catalogue as it is, is logged once, and is shown with the list of runtimes until it is corrected.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue import RuntimeCatalogue

log = logging.getLogger(__name__)


class ReloadingCatalogue:
    """
    The catalogue as of now. Thread-safe.

    Reading the file again takes milliseconds and checks no entry: `RuntimeCatalogue` does that when an entry is needed.

    :param site_file: the site's file; None: there is none, and nothing is read again.
    :param load: reads the file and returns the catalogue; raises `NotConfigured` for a file that cannot be used.
    :raises NotConfigured: the file cannot be used now.
    """

    def __init__(self, site_file: Path | None, load: Callable[[], RuntimeCatalogue]) -> None:
        self._site_file = site_file
        self._load = load
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._file_version = self._read_file_version()
        self._catalogue = load()
        for one in self._catalogue.entries:
            if one.probe:
                self._catalogue.check_entry(one)  # now, so that no request has to wait for it

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """See `RuntimeCatalogue.resolve`."""
        return self._current().resolve(framework, command)

    def get_spec(self, key: str) -> RuntimeSpec:
        """See `RuntimeCatalogue.get_spec`."""
        return self._current().get_spec(key)

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """See `RuntimeCatalogue.list_runtimes`."""
        return self._current().list_runtimes()

    @property
    def image_patterns(self) -> str | None:
        """The patterns of images that definitions may name; None without any."""
        return self._current().images.description if self._current().images.patterns else None

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in use; None if it is."""
        self._current()
        return self._problem

    def _current(self) -> RuntimeCatalogue:
        with self._lock:
            file_version = self._read_file_version()
            if file_version != self._file_version:
                # The version before the content: a file that changes during the read is read once more.
                self._file_version = file_version
                try:
                    self._catalogue = self._load()
                except NotConfigured as error:
                    self._problem = str(error)
                    log.error("Reading the changed catalogue failed; the previous one stays in use: %s", error)
                else:
                    self._problem = None
                    log.info(
                        "Read the changed catalogue %s: %d runtimes", self._site_file, len(self._catalogue.entries)
                    )
            return self._catalogue

    def _read_file_version(self) -> tuple[int, int, int] | None:
        if self._site_file is None:
            return None
        try:
            stat = self._site_file.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
