"""
Keeps the account's counts of containers, objects and bytes up to date: a filter of the container server.

Swift has a daemon for this, which reads every container at an interval. Here the container server knows which
containers a request has changed, so only those are read and reported, about a second later, and an idle store does
nothing. At its start the server reads every container once, in about 3 ms of CPU time each: a report may be missing
because the store was stopped.

`BackendAuth` is before this filter, so that requests without the secret are not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from eventlet import Timeout, sleep, spawn
from eventlet.event import Event
from swift.common.swob import HTTPException, Request
from swift.common.utils import hash_path, storage_directory
from swift.container.backend import DATADIR
from swift.container.server import get_obj_name_and_placement
from swift.container.updater import ContainerUpdater

REPORT_DELAY = 1.0
"""Seconds from a change to the report: the changes of one second are one report for each container."""

RETRY_DELAY = 5.0
"""Seconds until a report that failed is sent again."""

WRITE_METHODS = ("PUT", "POST", "DELETE")

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class AccountReporter(ContainerUpdater):  # type: ignore[misc]  # Swift has no types
    """Reports the counts of one container to the account server."""

    def db_files(self) -> Iterator[str]:
        """Yield the database of each container."""
        for partition in self.get_paths():
            yield from map(str, Path(partition).rglob("*.db"))

    def report(self, db_file: str) -> bool:
        """
        Report the container in *db_file*, if its counts are not reported yet.

        Returns whether the report need not be sent again. A database that cannot be read is logged and not tried again.
        """
        failures: int = self.failures
        try:
            self.process_container(db_file)
        except (Exception, Timeout):
            self.logger.exception("The counts of the container in %s were not reported", db_file)
        return bool(self.failures == failures)

    def container_report(self, node: Any, part: Any, container: str, *args: Any) -> int:
        """
        Send one report and return the status of the response.

        Swift would put a container away whose account is missing on every node. Here there is one node, and an account
        that is missing on it is damage to repair, not a reason to take a container away.
        """
        status: int = super().container_report(node, part, container, *args)
        if status != HTTPStatus.NOT_FOUND:
            return status
        self.logger.warning("The counts of %s are not reported: its account is missing", container)
        return HTTPStatus.SERVICE_UNAVAILABLE


class AccountUpdates:
    """Passes requests on, and reports the containers that they changed."""

    def __init__(self, app: WsgiApp, reporter: AccountReporter) -> None:
        self.app = app
        self._reporter = reporter
        self._changed: set[str] = set()
        self._wake = Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            return self.app(environ, start_response)
        finally:
            if environ["REQUEST_METHOD"] in WRITE_METHODS:
                self._note_change(environ)

    def run(self) -> None:
        """Report all containers once, and then those that change; never return."""
        self._add(set(self._reporter.db_files()))
        while True:
            self._wake.wait()
            sleep(REPORT_DELAY)
            self._wake, changed, self._changed = Event(), self._changed, set()
            failed = {db_file for db_file in changed if not self._report(db_file)}
            if failed:
                sleep(RETRY_DELAY)
                self._add(failed)

    def _report(self, db_file: str) -> bool:
        sleep(0)  # lets requests pass between two containers
        return not Path(db_file).exists() or self._reporter.report(db_file)

    def _note_change(self, environ: dict[str, Any]) -> None:
        try:
            device, partition, account, container, _object = get_obj_name_and_placement(Request(environ))
        except HTTPException:
            return  # a path without a container, which the server has refused
        digest = hash_path(account, container)
        folder = storage_directory(DATADIR, partition, digest)
        self._add({str(Path(self._reporter.devices, device, folder, f"{digest}.db"))})

    def _add(self, db_files: set[str]) -> None:
        self._changed |= db_files
        if self._changed and not self._wake.ready():
            self._wake.send()


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[WsgiApp], WsgiApp]:
    """Return the filter for its section of the configuration file. PasteDeploy calls this in the container server."""
    conf = {**global_conf, **local_conf, "account_suppression_time": "0"}  # `RETRY_DELAY` is the pause after a failure

    def wrap(app: WsgiApp) -> WsgiApp:
        updates = AccountUpdates(app, AccountReporter(conf))
        spawn(updates.run)
        return updates

    return wrap
