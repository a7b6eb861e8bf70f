"""The monitor: a training's log and metrics over a WebSocket, as they come."""

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
"""Monitors that read at a time: the threads of the pool are for requests, too."""

SEND_TIMEOUT = 60.0
"""Seconds in which a client that reads nothing is given up."""

logger = logging.getLogger(__name__)
_log_once = LoggedOnce(logger)
router = APIRouter()


class _ReadError(Exception):
    """The log or the metrics of a training cannot be read; no `OSError`, which a broken connection is, too."""


@contextmanager
def _translate_read_errors() -> Iterator[None]:
    """Raise `_ReadError` where a file is there and cannot be read: a directory, a pipe, a loop of links."""
    try:
        yield
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        raise _ReadError(f"{name} cannot be read: {error.strerror}") from error


class LogStreams:
    """What the monitors of one process share."""

    def __init__(self, get_store: Callable[[], Store]) -> None:
        self.limit = LogStreamLimit()
        self.watcher = LogWatcher(get_store)
        self.read_slots = asyncio.Semaphore(MAX_CONCURRENT_READS)


class FrameReader:
    """
    One client's way through one training's log and metrics.

    ``last`` is how many lines of each it wants from the end; else all from ``offset`` on, a byte of the log, and from
    the metric numbered ``metrics`` on.
    """

    def __init__(self, folder: JobDirectory, *, last_lines: int | None, log_offset: int, skip_metrics: int) -> None:
        self._state: TrainingState | None = None
        self._log = FileFollower(folder.log, log_offset if last_lines is None else tail_offset(folder.log, last_lines))
        self._metrics = FileFollower(
            folder.metrics, 0 if last_lines is None else tail_offset(folder.metrics, last_lines)
        )
        self._metrics_to_skip = skip_metrics

    def read_frames(self, state: TrainingState) -> tuple[list[Frame], bool]:
        """
        Read what is new; the frames to send, and whether there may be more at once.

        *state* must have been learned before this reads the files: what an ended training wrote is then all there.
        Each change of state has a frame of its own, so that a client gets it even where nothing is printed.

        :raises _Unreadable: a file is there and cannot be read.
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
    Send frames until the training is over and all was sent, or the client goes away.

    ``?last=N``: the tail. ``?offset=N&metrics=M`` (ours): go on after N bytes of log and M metrics. A training that
    has not begun has nothing but its state; its log follows when there is one. When too many monitors are open, of all
    users or of this one, the handshake is answered with 429 and ``Retry-After``.
    """
    parts: ApiDeps = websocket.app.state.deps
    monitors: LogStreams = websocket.app.state.log_streams
    with ExitStack() as stack:
        try:
            owner, state, following = await _open_stream(websocket, parts, training_id)
            stack.enter_context(monitors.limit.acquire(owner, parts.limits.log_streams, ended=state.is_final))
        except DlaasError as error:
            await _deny_handshake(websocket, error)
            return
        followed, signal = stack.enter_context(
            monitors.watcher.follow(training_id, state, parts.jobs_dir / training_id)
        )
        await websocket.accept()
        gone = asyncio.ensure_future(_wait_for_disconnect(websocket))
        gone.add_done_callback(lambda _: signal.event.set())
        stack.callback(gone.cancel)
        try:
            async with asyncio.timeout(None) as patience:
                while not gone.done() and not followed.deleted:
                    signal.event.clear()
                    ended = followed.state.is_final
                    async with monitors.read_slots:
                        frames, more = await run_in_threadpool(following.read_frames, followed.state)
                    patience.reschedule(asyncio.get_running_loop().time() + SEND_TIMEOUT)
                    for frame in frames:
                        await websocket.send_text(frame.model_dump_json(exclude_none=True))
                    patience.reschedule(None)
                    if more:
                        continue
                    if ended:
                        break
                    await signal.event.wait()
            if not gone.done():
                await websocket.close(reason=await _close_reason(parts, owner, training_id))
        except WebSocketDisconnect:
            pass
        except _ReadError as error:
            _log_once.warning(training_id, "The monitor of %s is closed: %s", training_id, error)
            with suppress(WebSocketDisconnect):
                await websocket.close(reason=str(error))
        except TimeoutError:
            logger.info("The monitor of %s is closed: its client read nothing for %g s", training_id, SEND_TIMEOUT)


@router.websocket("/{path:path}")
async def reject_unknown_path(websocket: WebSocket) -> None:
    """Refuse any other WebSocket as any other path is refused."""
    await _deny_handshake(websocket, NotFound("There is nothing at this path; monitors lie at /v3/models/{id}/monitor"))


async def _open_stream(websocket: WebSocket, deps: ApiDeps, training_id: str) -> tuple[str, TrainingState, FrameReader]:
    owner = deps.authenticator.authenticate(websocket.headers.get("authorization"))
    last = _int_query(websocket, "last", MAX_LAST_LINES)
    offset = _int_query(websocket, "offset", None)
    metrics = _int_query(websocket, "metrics", None)
    if last is not None and (offset is not None or metrics is not None):
        raise _invalid_query("last", "goes without offset and metrics: it counts from the end")
    if not re.fullmatch(ID_PATTERN, training_id):
        raise NotFound("There is nothing with this id")

    def begin() -> tuple[str, TrainingState, FrameReader]:
        state = deps.store.get_training(owner, training_id).state
        folder = JobDirectory(deps.jobs_dir / training_id)
        try:
            with _translate_read_errors():
                return (
                    owner,
                    state,
                    FrameReader(folder, last_lines=last, log_offset=offset or 0, skip_metrics=metrics or 0),
                )
        except _ReadError as error:
            raise NotFound(f"Training {training_id}: {error}") from error

    return await run_in_threadpool(begin)


async def _close_reason(deps: ApiDeps, owner: str, training_id: str) -> str:
    """Return why the monitor closes."""
    try:
        await run_in_threadpool(deps.store.get_training, owner, training_id)
    except NotFound:
        return "the training was deleted"
    return LOG_COMPLETE_REASON


def _int_query(websocket: WebSocket, name: str, maximum: int | None) -> int | None:
    said = websocket.query_params.get(name)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit() or len(said) > 18 or (maximum is not None and int(said) > maximum):
        raise _invalid_query(name, f"must be a whole number from 0{'' if maximum is None else f' to {maximum}'}")
    return int(said)


def _invalid_query(name: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {reason}", code="invalid_query_parameter_value", target=name)


async def _deny_handshake(websocket: WebSocket, error: DlaasError) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(error_response(error, websocket))
    else:
        await websocket.close(1008)  # a server that can say no more turns it into 403


async def _wait_for_disconnect(websocket: WebSocket) -> None:
    """Return when the client is gone; whatever it says before that is not for us."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
