"""Route of the log stream: log and metrics of a training over a WebSocket, while they are written."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.log_stream import LOG_COMPLETE_REASON, MAX_LAST_LINES, Frame, FrameStatus
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.exceptions import DlaasError, InvalidRequest, NotFound
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.error_responses import error_response
from airflow_dlaas.service.api.file_follower import FileFollower, tail_offset
from airflow_dlaas.service.api.log_stream_limit import LogStreamLimit
from airflow_dlaas.service.api.log_watcher import LogWatcher
from airflow_dlaas.service.api.request_bodies import ID_PATTERN
from airflow_dlaas.service.api.training_report import MODELS_PATH, parse_metric
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.store.base import Store

MAX_CONCURRENT_READS = 4
"""Log streams that may read files at the same time. They use the thread pool that also serves requests."""

SEND_TIMEOUT = 60.0
"""Seconds after which the connection to a client that reads nothing is closed."""

logger = logging.getLogger(__name__)
_log_once = LoggedOnce(logger)
router = APIRouter()


class _ReadError(Exception):
    """The log or the metrics of a training cannot be read. It is no OSError: a broken connection is one too."""


@contextmanager
def _translate_read_errors() -> Iterator[None]:
    """Raise `_ReadError` for a file that exists and cannot be read: a directory, a pipe, a loop of links."""
    try:
        yield
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        raise _ReadError(f"{name} cannot be read: {error.strerror}") from error


class LogStreams:
    """The objects that the log streams of one process share."""

    def __init__(self, get_store: Callable[[], Store]) -> None:
        self.limit = LogStreamLimit()
        self.watcher = LogWatcher(get_store)
        self.read_slots = asyncio.Semaphore(MAX_CONCURRENT_READS)


class FrameReader:
    """
    Reads log and metrics of one training, as frames for one client.

    :param last_lines: begin with this many last lines of log and metrics; None uses the other two parameters.
    :param log_offset: the byte of the log at which to begin.
    :param skip_metrics: metrics at the beginning that are not sent.
    """

    def __init__(self, job: JobDirectory, *, last_lines: int | None, log_offset: int, skip_metrics: int) -> None:
        self._state: TrainingState | None = None
        self._log = FileFollower(job.log, log_offset if last_lines is None else tail_offset(job.log, last_lines))
        self._metrics = FileFollower(job.metrics, 0 if last_lines is None else tail_offset(job.metrics, last_lines))
        self._metrics_to_skip = skip_metrics

    def read_frames(self, state: TrainingState) -> tuple[list[Frame], bool]:
        """
        Return frames with everything new, and whether the next call may return more without a wait.

        Each change of the state is sent in a frame, even if there is no new log.

        :param state: the state, read before this call: the files of a training that has ended are then complete.
        :raises _ReadError: a file exists and cannot be read.
        """
        with _translate_read_errors():
            log = self._log.read(ended=state.is_final)
            lines = self._metrics.read(ended=state.is_final)
        frames = [Frame(status=FrameStatus(metrics=(metric,), state=state)) for metric in self._new_metrics(lines)]
        if log or state is not self._state:
            message = log.decode("utf-8", errors="replace") if log else None
            frames.insert(0, Frame(status=FrameStatus(message=message, state=state, offset=self._log.offset)))
        self._state = state
        return frames, self._log.may_have_more or self._metrics.may_have_more

    def _new_metrics(self, lines: bytes) -> Iterator[Metric]:
        for line in lines.splitlines():
            metric = parse_metric(line)
            if metric is None:
                continue
            if self._metrics_to_skip:
                self._metrics_to_skip -= 1
            else:
                yield metric


@router.websocket(MODELS_PATH + "/{training_id}/monitor")
async def stream_log(websocket: WebSocket, training_id: str) -> None:
    """
    Send frames until the training has ended and everything was sent, or the client disconnects.

    ``?last=N`` begins with the last N lines; ``?offset=N&metrics=M`` (extension) begins after N bytes of the log and M
    metrics. For a training that has not started, only its state is sent; its log follows once it exists. If too many
    log streams are open, of all users or of this one, the handshake is answered with 429 and ``Retry-After``.
    """
    deps: ApiDeps = websocket.app.state.deps
    streams: LogStreams = websocket.app.state.log_streams
    with ExitStack() as stack:
        try:
            owner, state, reader = await _open_stream(websocket, deps, training_id)
            stack.enter_context(streams.limit.acquire(owner, deps.limits.log_streams, ended=state.is_final))
        except DlaasError as error:
            await _deny_handshake(websocket, error)
            return
        followed, changed = stack.enter_context(streams.watcher.follow(training_id, state, deps.jobs_dir / training_id))
        await websocket.accept()
        disconnect = asyncio.ensure_future(_wait_for_disconnect(websocket))
        disconnect.add_done_callback(lambda _: changed.event.set())
        stack.callback(disconnect.cancel)
        try:
            async with asyncio.timeout(None) as send_timeout:
                while not disconnect.done() and not followed.deleted:
                    changed.event.clear()
                    ended = followed.state.is_final
                    async with streams.read_slots:
                        frames, may_have_more = await run_in_threadpool(reader.read_frames, followed.state)
                    send_timeout.reschedule(asyncio.get_running_loop().time() + SEND_TIMEOUT)
                    for frame in frames:
                        await websocket.send_text(frame.model_dump_json(exclude_none=True))
                    send_timeout.reschedule(None)
                    if may_have_more:
                        continue
                    if ended:
                        break
                    await changed.event.wait()
            if not disconnect.done():
                await websocket.close(reason=await _close_reason(deps, owner, training_id))
        except WebSocketDisconnect:
            pass
        except _ReadError as error:
            _log_once.warning(training_id, "Closing the log stream of training %s: %s", training_id, error)
            with suppress(WebSocketDisconnect):
                await websocket.close(reason=str(error))
        except TimeoutError:
            logger.info(
                "Closing the log stream of training %s: its client read nothing for %g s (timeout)",
                training_id,
                SEND_TIMEOUT,
            )


@router.websocket("/{path:path}")
async def reject_unknown_path(websocket: WebSocket) -> None:
    """Refuse a WebSocket at any other path with the error of an unknown path."""
    await _deny_handshake(
        websocket, NotFound("This path does not exist; the path of a log stream is /v3/models/{id}/monitor")
    )


async def _open_stream(websocket: WebSocket, deps: ApiDeps, training_id: str) -> tuple[str, TrainingState, FrameReader]:
    owner = deps.authenticator.authenticate(websocket.headers.get("authorization"))
    last = _int_query(websocket, "last", MAX_LAST_LINES)
    offset = _int_query(websocket, "offset", None)
    metrics = _int_query(websocket, "metrics", None)
    if last is not None and (offset is not None or metrics is not None):
        raise _invalid_query("last", "cannot be combined with offset and metrics: it counts from the end")
    if not re.fullmatch(ID_PATTERN, training_id):
        raise NotFound("This id does not exist")

    def open_reader() -> tuple[TrainingState, FrameReader]:
        state = deps.store.get_training(owner, training_id).state
        job = JobDirectory(deps.jobs_dir / training_id)
        try:
            with _translate_read_errors():
                return state, FrameReader(job, last_lines=last, log_offset=offset or 0, skip_metrics=metrics or 0)
        except _ReadError as error:
            raise NotFound(f"Training {training_id}: {error}") from error

    return owner, *await run_in_threadpool(open_reader)


async def _close_reason(deps: ApiDeps, owner: str, training_id: str) -> str:
    """Return the reason for closing a log stream: the whole log was sent, or the training was deleted."""
    try:
        await run_in_threadpool(deps.store.get_training, owner, training_id)
    except NotFound:
        return "the training was deleted"
    return LOG_COMPLETE_REASON


def _int_query(websocket: WebSocket, name: str, maximum: int | None) -> int | None:
    value = websocket.query_params.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18 or (maximum is not None and int(value) > maximum):
        raise _invalid_query(name, f"must be a whole number from 0{'' if maximum is None else f' to {maximum}'}")
    return int(value)


def _invalid_query(name: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {reason}", code="invalid_query_parameter_value", target=name)


async def _deny_handshake(websocket: WebSocket, error: DlaasError) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(error_response(error, websocket))
    else:
        await websocket.close(1008)  # a server without that extension answers the handshake with 403


async def _wait_for_disconnect(websocket: WebSocket) -> None:
    """Return when the client has disconnected. Its messages are ignored."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
