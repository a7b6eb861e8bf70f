"""A client of Airflow's public REST API, with the requests that the demo and the system tests need."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

from airflow_dlaas.exceptions import HostError

REQUEST_TIMEOUT = 120.0
"""Seconds that a request may take: a machine that starts several Airflows at once may need more than 30."""

HEALTH_TIMEOUT = 5.0
"""Seconds that a health check may take: callers repeat it, and have other work to do meanwhile."""

RETRY_TIMEOUT = 30.0
"""Seconds for which a request is retried after a 5xx response: Airflow's SQLite can be locked for some seconds."""

FINAL_RUN_STATES = frozenset({"success", "failed"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskInstanceInfo:
    """A task instance as Airflow reports it. ``state`` is None until the scheduler has processed it."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    started: str | None
    ended: str | None
    seconds: float | None


class AirflowApi:
    """
    A session with one Airflow; for one thread only.

    A request that can be sent twice without harm is retried every *retry_interval* seconds while the response is 5xx,
    for *retry_timeout* seconds at most. Every method raises `HostError` when Airflow refuses a request or does not
    answer: the demo starts this Airflow itself, so a refusal is an error of the machine or of this package, never of
    the user.
    """

    def __init__(
        self, url: str, login: str, password: str, *, retry_timeout: float = RETRY_TIMEOUT, retry_interval: float = 1.0
    ) -> None:
        self.url = url.rstrip("/")
        self._retry_timeout = retry_timeout
        self._retry_interval = retry_interval
        self._login = login
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False  # requests to loopback must not use a proxy
        self._session.max_redirects = 0  # password and token are for this address only

    def close(self) -> None:
        self._session.close()

    def health(self) -> dict[str, str | None]:
        """Return the status of each component ("healthy" or not); empty while Airflow does not answer."""
        try:
            response = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=HEALTH_TIMEOUT)
            response.raise_for_status()
            return {name: entry.get("status") for name, entry in response.json().items() if isinstance(entry, dict)}
        except (requests.RequestException, ValueError):
            return {}

    def put_connection(self, connection_id: str, fields: Mapping[str, Any]) -> None:
        """
        Add a connection, or replace an existing one.

        :param fields: the fields of `airflow connections import` (``conn_type``, ``host``, ``login`` …); ``extra`` can
            be a mapping.
        """
        body = {key: value for key, value in fields.items() if value is not None} | {"connection_id": connection_id}
        if not isinstance(body.get("extra", ""), str):
            body["extra"] = json.dumps(body["extra"])
        path = f"/connections/{quote(connection_id, safe='')}"
        if self._request("GET", path, missing=None) is None:
            self._request("POST", "/connections", body)
        else:
            self._request("PATCH", path, body)

    def connection(self, connection_id: str) -> dict[str, Any]:
        """Return a connection as the list of connections shows it: its password as stars."""
        response: dict[str, Any] = self._request("GET", f"/connections/{quote(connection_id, safe='')}")
        return response

    def test_connection(self, body: Mapping[str, Any]) -> tuple[bool, str]:
        """Test the connection *body*, as the "Test" button does; return success and message."""
        response = self._request("POST", "/connections/test", body)
        return bool(response["status"]), str(response["message"])

    def import_errors(self) -> list[str]:
        """Return the import errors of DAG files, each as "file name: stack trace"."""
        found = self._request("GET", "/importErrors")["import_errors"]
        return [f"{one['filename']}: {one['stack_trace']}" for one in found]

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG processor has stored *dag_id*."""
        return self._request("GET", f"/dags/{quote(dag_id)}", missing=None) is not None

    def wait_for_dag(self, dag_id: str, timeout: float = 120.0) -> None:
        """Return when Airflow knows *dag_id*; raise `HostError` for an import error, or after *timeout* seconds."""
        deadline = time.monotonic() + timeout
        while not self.has_dag(dag_id):
            if errors := self.import_errors():
                raise HostError("Airflow could not read the DAG file " + "\n".join(errors))
            if time.monotonic() > deadline:
                raise HostError(f"Airflow has not found the DAG {dag_id} within {timeout:.0f} s")
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        self._request("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """
        Start a run of *dag_id* and return its run id.

        If *run_id* is None, a new id is made here. The request can be retried after a 5xx response, which leaves open
        whether the run exists: a 409 response to the retry means that it does.
        """
        run_id = run_id or f"manual__{uuid.uuid4()}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        self._request("POST", f"/dags/{quote(dag_id)}/dagRuns", body, already_done_status=HTTPStatus.CONFLICT)
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self._request("GET", _run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float) -> str:
        """Wait for the end of a run and return its final state; raise `HostError` after *timeout* seconds."""
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in FINAL_RUN_STATES:
            if time.monotonic() > deadline:
                raise HostError(f"The run {run_id} of {dag_id} is still {state} after {timeout:.0f} s")
            time.sleep(0.5)
        return state

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstanceInfo]:
        """Return the task instances of a run in the order of their start; those that have not started come last."""
        found = self._request("GET", f"{_run_path(dag_id, run_id)}/taskInstances?limit=100")["task_instances"]
        task_instances = [
            TaskInstanceInfo(
                one["task_id"],
                one["map_index"],
                one["state"],
                one["try_number"],
                one["start_date"],
                one["end_date"],
                one["duration"],
            )
            for one in found
        ]
        return sorted(task_instances, key=lambda one: (one.started is None, one.started or ""))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstanceInfo:
        """Return one task instance; raise `HostError` when the run has no such task."""
        for one in self.tasks(dag_id, run_id):
            if (one.task_id, one.map_index) == (task_id, map_index):
                return one
        raise HostError(f"The run {run_id} of {dag_id} has no task {task_id}")

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> list[str]:
        """
        Return the events of a task's log, oldest first, without their times; empty while there is no log.

        After the event of an error comes the exception that Airflow stores with it, as ``Type: message``.
        """
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}?full_content=true&map_index={map_index}"
        response = self._request("GET", path, missing={"content": []})
        return [line for one in response["content"] for line in _event_lines(one)]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom value of a task, or None if there is none."""
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key)}?map_index={map_index}&deserialize=false"
        response = self._request("GET", path, missing=None)
        if response is None or not isinstance(response["value"], str):
            return response and response["value"]
        try:
            return json.loads(response["value"])  # Airflow stores JSON, and returns some values in the stored form
        except ValueError:
            return response["value"]

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return the rendered template fields of a task, as its page in the UI shows them."""
        response = self._request("GET", _task_path(dag_id, run_id, task_id))
        return dict(response["rendered_fields"])

    def clear_tasks(self, dag_id: str, run_id: str, task_ids: Sequence[str], *, downstream: bool = True) -> None:
        """Clear *task_ids*, and their downstream tasks unless *downstream* is False, as the "Clear" button does."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
        }
        self._request("POST", f"/dags/{quote(dag_id)}/clearTaskInstances", body)

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Set the state "success", "failed" or "skipped", as the "Mark as …" button does."""
        self._request("PATCH", _task_path(dag_id, run_id, task_id), {"new_state": state})

    def downstream_tasks(self, dag_id: str) -> dict[str, list[str]]:
        """Return the downstream task ids of each task of *dag_id*."""
        found = self._request("GET", f"/dags/{quote(dag_id)}/tasks")["tasks"]
        return {one["task_id"]: one["downstream_task_ids"] for one in found}

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Return the address of the run in the UI."""
        return f"{self.url}/dags/{quote(dag_id)}/runs/{quote(run_id)}"

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        already_done_status: HTTPStatus | None = None,
        **default: Any,
    ) -> Any:
        """
        Send a request and return the JSON of the response; ``missing=`` sets the value to return for a 404 response.

        GET and PATCH are retried after a 5xx response. Another method is retried only with *already_done_status*: the
        status of the response to a retry of a request that took effect; then the result is None.
        """
        retryable = method in {"GET", "PATCH"} or already_done_status is not None
        deadline = time.monotonic() + self._retry_timeout
        response = self._send_with_token(method, path, body)
        attempts = 1
        while retryable and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and time.monotonic() < deadline:
            attempts += 1
            _log.warning(
                "Airflow answered %d to %s %s; retrying in %.1f s (attempt %d)",
                *(response.status_code, method, path, self._retry_interval, attempts),
            )
            time.sleep(self._retry_interval)
            response = self._send_with_token(method, path, body)
        if response.status_code == HTTPStatus.NOT_FOUND and "missing" in default:
            return default["missing"]
        if attempts > 1 and response.status_code == already_done_status:
            return None
        if not response.ok:
            raise HostError(f"Airflow answered {response.status_code} to {method} {path}: {response.text[:500]}")
        return response.json() if response.content else None

    def _send_with_token(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        """Send a request; log in and send it again after a 401 response."""
        response = self._send(method, path, body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._authenticate()
            response = self._send(method, path, body)
        return response

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"{self.url}/api/v2{path}",
                json=body,
                timeout=REQUEST_TIMEOUT,
                headers={"Accept": "application/json"},
            )
        except requests.RequestException as error:
            raise HostError(f"Airflow does not answer at {self.url}: {error}") from error

    def _authenticate(self) -> None:
        credentials = {"username": self._login, "password": self._password}
        try:
            response = self._session.post(f"{self.url}/auth/token", json=credentials, timeout=REQUEST_TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise HostError(f"Login to Airflow at {self.url} failed: {error}") from error
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}"


def _event_lines(event: Any) -> list[str]:
    if not isinstance(event, dict):
        return [str(event)]
    errors = event.get("error_detail") or ()
    return [str(event["event"]), *(f"{one.get('exc_type')}: {one.get('exc_value')}" for one in errors)]
