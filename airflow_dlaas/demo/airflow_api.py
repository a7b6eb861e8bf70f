"""Airflow's public REST API, as much of it as the demo and the system tests ask."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

from airflow_dlaas.exceptions import HostError

REQUEST_TIMEOUT = 30.0
"""Seconds one request may take: while Airflow starts on a slow machine, its first answers need several."""

HEALTH_TIMEOUT = 5.0
"""Seconds the question for its health may take: it is asked again anyway, and whoever asks has other things to do."""

RETRY_TIMEOUT = 30.0
"""Seconds for which a request that Airflow answered with 5xx is repeated: its SQLite is locked for some seconds."""

FINAL_RUN_STATES = frozenset({"success", "failed"})


@dataclass(frozen=True)
class TaskInstanceInfo:
    """A task instance, as Airflow reported it. ``state`` is None before the scheduler has looked at it."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    started: str | None
    ended: str | None
    seconds: float | None


class AirflowApi:
    """
    A conversation with one Airflow; not for more than one thread.

    A request that may be sent twice without harm is repeated every *retry_interval* seconds, for *retry_timeout* seconds at most,
    while the answer is 5xx. Raises `HostError` when Airflow refuses or does not answer: this Airflow is ours, so a
    refusal is a fault of the machine or of this package, never of the user.
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
        self._session.trust_env = False  # a proxy has no business between us and the loopback
        self._session.max_redirects = 0  # password and token are for this address

    def close(self) -> None:
        self._session.close()

    def health(self) -> dict[str, str | None]:
        """Each part of Airflow and what it says of itself ("healthy" or not); empty while nobody answers."""
        try:
            reply = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=HEALTH_TIMEOUT)
            reply.raise_for_status()
            return {part: said.get("status") for part, said in reply.json().items() if isinstance(said, dict)}
        except (requests.RequestException, ValueError):
            return {}

    def put_connection(self, connection_id: str, fields: Mapping[str, Any]) -> None:
        """
        Add a connection, or replace the one of that name.

        *fields* are those of `airflow connections import` (``conn_type``, ``host``, ``login`` …); ``extra`` may be a
        mapping.
        """
        body = {key: value for key, value in fields.items() if value is not None} | {"connection_id": connection_id}
        if not isinstance(body.get("extra", ""), str):
            body["extra"] = json.dumps(body["extra"])
        path = f"/connections/{quote(connection_id, safe='')}"
        if self._request("GET", path, missing=None) is None:
            self._request("POST", "/connections", body)
        else:
            self._request("PATCH", path, body)

    def test_connection(self, body: Mapping[str, Any]) -> tuple[bool, str]:
        """Press the "Test" button for the connection *body*."""
        reply = self._request("POST", "/connections/test", body)
        return bool(reply["status"]), str(reply["message"])

    def import_errors(self) -> list[str]:
        """What went wrong in DAG files, file name first."""
        found = self._request("GET", "/importErrors")["import_errors"]
        return [f"{one['filename']}: {one['stack_trace']}" for one in found]

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG processor has stored *dag_id* by now."""
        return self._request("GET", f"/dags/{quote(dag_id)}", missing=None) is not None

    def wait_for_dag(self, dag_id: str, timeout: float = 120.0) -> None:
        """Return when *dag_id* is known; raises `HostError` on an import error, or after *timeout* seconds."""
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
        Start a run of *dag_id* now; returns its run id.

        Without *run_id* the run gets a new one, made here. So the request can be repeated after an answer of 5xx, which
        says nothing of whether the run exists: an answer of 409 to the repetition says that it does.
        """
        run_id = run_id or f"manual__{uuid.uuid4()}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        self._request("POST", f"/dags/{quote(dag_id)}/dagRuns", body, already_done_status=HTTPStatus.CONFLICT)
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self._request("GET", _run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float) -> str:
        """The state a run ends with; raises `HostError` when it has none within *timeout* seconds."""
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in FINAL_RUN_STATES:
            if time.monotonic() > deadline:
                raise HostError(f"The run {run_id} of {dag_id} is still {state} after {timeout:.0f} s")
            time.sleep(0.5)
        return state

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstanceInfo]:
        """The task instances of a run, in the order in which they began; those not begun come last."""
        found = self._request("GET", f"{_run_path(dag_id, run_id)}/taskInstances?limit=100")["task_instances"]
        views = [
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
        return sorted(views, key=lambda view: (view.started is None, view.started or ""))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstanceInfo:
        """One task instance; raises `HostError` when the run has no such task."""
        for view in self.tasks(dag_id, run_id):
            if (view.task_id, view.map_index) == (task_id, map_index):
                return view
        raise HostError(f"The run {run_id} of {dag_id} has no task {task_id}")

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> list[str]:
        """
        The events in a task's log, oldest first, without their time; empty while there is none.

        An error is followed by what Airflow keeps beside it: the exception, as ``Type: message``.
        """
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}?full_content=true&map_index={map_index}"
        reply = self._request("GET", path, missing={"content": []})
        return [line for one in reply["content"] for line in _event_lines(one)]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task handed on, or None when it has not."""
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key)}?map_index={map_index}&deserialize=false"
        reply = self._request("GET", path, missing=None)
        if reply is None or not isinstance(reply["value"], str):
            return reply and reply["value"]
        try:
            return json.loads(reply["value"])  # Airflow stores JSON, and some values come back as they are stored
        except ValueError:
            return reply["value"]

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """A task's parameters as its page in the UI shows them, templates rendered."""
        reply = self._request("GET", _task_path(dag_id, run_id, task_id))
        return dict(reply["rendered_fields"])

    def clear_tasks(self, dag_id: str, run_id: str, task_ids: Sequence[str], *, downstream: bool = True) -> None:
        """Press "Clear" for *task_ids*, and for what follows them."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
        }
        self._request("POST", f"/dags/{quote(dag_id)}/clearTaskInstances", body)

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Press "Mark as …": *state* is "success", "failed" or "skipped"."""
        self._request("PATCH", _task_path(dag_id, run_id, task_id), {"new_state": state})

    def downstream_tasks(self, dag_id: str) -> dict[str, list[str]]:
        """Each task of *dag_id* with those that follow it."""
        found = self._request("GET", f"/dags/{quote(dag_id)}/tasks")["tasks"]
        return {one["task_id"]: one["downstream_task_ids"] for one in found}

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Where a person sees the run."""
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
        Send one request; with ``missing=`` that value stands for an answer of 404.

        GET and PATCH are repeated after 5xx; another method is where *already_done_status* is given: the status that answers
        the repetition of a request that was carried out. The result is None then.
        """
        repeatable = method in {"GET", "PATCH"} or already_done_status is not None
        deadline = time.monotonic() + self._retry_timeout
        reply = self._send_with_token(method, path, body)
        repeated = False
        while repeatable and reply.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and time.monotonic() < deadline:
            time.sleep(self._retry_interval)
            reply, repeated = self._send_with_token(method, path, body), True
        if reply.status_code == HTTPStatus.NOT_FOUND and "missing" in default:
            return default["missing"]
        if repeated and reply.status_code == already_done_status:
            return None
        if not reply.ok:
            raise HostError(f"Airflow answered {reply.status_code} to {method} {path}: {reply.text[:500]}")
        return reply.json() if reply.content else None

    def _send_with_token(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        """Send it, with a new token where the last one is not accepted any more."""
        reply = self._send(method, path, body)
        if reply.status_code == HTTPStatus.UNAUTHORIZED:
            self._authenticate()
            reply = self._send(method, path, body)
        return reply

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
            reply = self._session.post(f"{self.url}/auth/token", json=credentials, timeout=REQUEST_TIMEOUT)
            reply.raise_for_status()
        except requests.RequestException as error:
            raise HostError(f"Airflow at {self.url} gives us no token: {error}") from error
        self._session.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}"


def _event_lines(event: Any) -> list[str]:
    if not isinstance(event, dict):
        return [str(event)]
    errors = event.get("error_detail") or ()
    return [str(event["event"]), *(f"{one.get('exc_type')}: {one.get('exc_value')}" for one in errors)]
