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
from airflow_dlaas.service.api.dependencies import Parts
from airflow_dlaas.service.api.error_responses import answer
from airflow_dlaas.service.api.file_follower import Follower, tail
from airflow_dlaas.service.api.log_stream_limit import MonitorLimit
from airflow_dlaas.service.api.log_watcher import LogWatcher
from airflow_dlaas.service.api.request_bodies import ID
from airflow_dlaas.service.api.training_report import PATH, read_metric
from airflow_dlaas.service.job_files import JobFolder
from airflow_dlaas.service.store.base import Store

READERS = 4
"""Monitors that read at a time: the threads of the pool are for requests, too."""

SEND_TIMEOUT = 60.0
"""Seconds in which a client that reads nothing is given up."""

logger = logging.getLogger(__name__)
_damaged = LoggedOnce(logger)
router = APIRouter()


class _Unreadable(Exception):
    """The log or the metrics of a training cannot be read; no `OSError`, which a broken connection is, too."""


@contextmanager
def _readable() -> Iterator[None]:
    """Raise `_Unreadable` where a file is there and cannot be read: a directory, a pipe, a loop of links."""
    try:
        yield
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        raise _Unreadable(f"{name} cannot be read: {error.strerror}") from error


class Monitors:
    """What the monitors of one process share."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self.limit = MonitorLimit()
        self.watcher = LogWatcher(store)
        self.readers = asyncio.Semaphore(READERS)


class Following:
    """
    One client's way through one training's log and metrics.

    ``last`` is how many lines of each it wants from the end; else all from ``offset`` on, a byte of the log, and from
    the metric numbered ``metrics`` on.
    """

    def __init__(self, folder: JobFolder, *, last: int | None, offset: int, metrics: int) -> None:
        self._state: TrainingState | None = None
        self._log = Follower(folder.log, offset if last is None else tail(folder.log, last))
        self._metrics = Follower(folder.metrics, 0 if last is None else tail(folder.metrics, last))
        self._skip = metrics

    def step(self, state: TrainingState) -> tuple[list[Frame], bool]:
        """
        Read what is new; the frames to send, and whether there may be more at once.

        *state* must have been learned before this reads the files: what an ended training wrote is then all there.
        Each change of state has a frame of its own, so that a client gets it even where nothing is printed.

        :raises _Unreadable: a file is there and cannot be read.
        """
        with _readable():
            log = self._log.read(ended=state.is_final)
            lines = self._metrics.read(ended=state.is_final)
        frames = [Frame(status=FrameStatus(metrics=(metric,), state=state)) for metric in self._unknown(lines)]
        if log or state is not self._state:
            message = log.decode("utf-8", errors="replace") if log else None
            frames.insert(0, Frame(status=FrameStatus(message=message, state=state, offset=self._log.offset)))
        self._state = state
        return frames, self._log.full or self._metrics.full

    def _unknown(self, lines: bytes) -> Iterator[Metric]:
        for line in lines.splitlines():
            metric = read_metric(line)
            if metric is None:
                continue
            if self._skip:
                self._skip -= 1
            else:
                yield metric


@router.websocket(PATH + "/{training_id}/monitor")
async def monitor(websocket: WebSocket, training_id: str) -> None:
    """
    Send frames until the training is over and all was sent, or the client goes away.

    ``?last=N``: the tail. ``?offset=N&metrics=M`` (ours): go on after N bytes of log and M metrics. A training that
    has not begun has nothing but its state; its log follows when there is one. When too many monitors are open, of all
    users or of this one, the handshake is answered with 429 and ``Retry-After``.
    """
    parts: Parts = websocket.app.state.parts
    monitors: Monitors = websocket.app.state.monitors
    with ExitStack() as stack:
        try:
            owner, state, following = await _begin(websocket, parts, training_id)
            stack.enter_context(monitors.limit.one_more(owner, parts.limits.monitors, ended=state.is_final))
        except DlaasError as error:
            await _deny(websocket, error)
            return
        followed, signal = stack.enter_context(monitors.watcher.following(training_id, state, parts.jobs / training_id))
        await websocket.accept()
        gone = asyncio.ensure_future(_gone(websocket))
        gone.add_done_callback(lambda _: signal.event.set())
        stack.callback(gone.cancel)
        try:
            async with asyncio.timeout(None) as patience:
                while not gone.done() and not followed.deleted:
                    signal.event.clear()
                    ended = followed.state.is_final
                    async with monitors.readers:
                        frames, more = await run_in_threadpool(following.step, followed.state)
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
                await websocket.close(reason=await _why_closed(parts, owner, training_id))
        except WebSocketDisconnect:
            pass
        except _Unreadable as error:
            _damaged.warning(training_id, "The monitor of %s is closed: %s", training_id, error)
            with suppress(WebSocketDisconnect):
                await websocket.close(reason=str(error))
        except TimeoutError:
            logger.info("The monitor of %s is closed: its client read nothing for %g s", training_id, SEND_TIMEOUT)


@router.websocket("/{path:path}")
async def nothing(websocket: WebSocket) -> None:
    """Refuse any other WebSocket as any other path is refused."""
    await _deny(websocket, NotFound("There is nothing at this path; monitors lie at /v3/models/{id}/monitor"))


async def _begin(websocket: WebSocket, parts: Parts, training_id: str) -> tuple[str, TrainingState, Following]:
    owner = parts.identity.user(websocket.headers.get("authorization"))
    last = _number(websocket, "last", MAX_LAST_LINES)
    offset = _number(websocket, "offset", None)
    metrics = _number(websocket, "metrics", None)
    if last is not None and (offset is not None or metrics is not None):
        raise _bad_query("last", "goes without offset and metrics: it counts from the end")
    if not re.fullmatch(ID, training_id):
        raise NotFound("There is nothing with this id")

    def begin() -> tuple[str, TrainingState, Following]:
        state = parts.store.training(owner, training_id).state
        folder = JobFolder(parts.jobs / training_id)
        try:
            with _readable():
                return owner, state, Following(folder, last=last, offset=offset or 0, metrics=metrics or 0)
        except _Unreadable as error:
            raise NotFound(f"Training {training_id}: {error}") from error

    return await run_in_threadpool(begin)


async def _why_closed(parts: Parts, owner: str, training_id: str) -> str:
    """Return why the monitor closes."""
    try:
        await run_in_threadpool(parts.store.training, owner, training_id)
    except NotFound:
        return "the training was deleted"
    return LOG_COMPLETE_REASON


def _number(websocket: WebSocket, name: str, most: int | None) -> int | None:
    said = websocket.query_params.get(name)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit() or len(said) > 18 or (most is not None and int(said) > most):
        raise _bad_query(name, f"must be a whole number from 0{'' if most is None else f' to {most}'}")
    return int(said)


def _bad_query(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {what}", code="invalid_query_parameter_value", target=name)


async def _deny(websocket: WebSocket, error: DlaasError) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(answer(error, websocket))
    else:
        await websocket.close(1008)  # a server that can say no more turns it into 403


async def _gone(websocket: WebSocket) -> None:
    """Return when the client is gone; whatever it says before that is not for us."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
