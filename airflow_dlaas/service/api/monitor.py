"""The monitor: a training's log and metrics over a WebSocket, as they come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from airflow_dlaas.contract.monitor import LAST_LIMIT, Frame, FrameStatus
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.errors import DlaasError, InvalidRequest, NotFound
from airflow_dlaas.service.api.bodies import ID
from airflow_dlaas.service.api.follow import Follower, tail
from airflow_dlaas.service.api.parts import Parts
from airflow_dlaas.service.api.problems import answer
from airflow_dlaas.service.api.report import PATH, read_metric
from airflow_dlaas.service.jobs import JobFolder

GLANCE = 0.25
"""Seconds between two looks at the files."""

router = APIRouter()


class Following:
    """
    One client's way through one training's log and metrics.

    ``last`` is how many lines of each it wants from the end; else all from ``offset`` on, a byte of the log, and from
    the metric numbered ``metrics`` on.
    """

    def __init__(self, parts: Parts, owner: str, training_id: str, *, last: int | None, offset: int, metrics: int):
        self._parts = parts
        self._owner = owner
        self._id = training_id
        self._state: TrainingState | None = None
        folder = JobFolder(parts.jobs / training_id)
        self._log = Follower(folder.log, offset if last is None else tail(folder.log, last))
        self._metrics = Follower(folder.metrics, 0 if last is None else tail(folder.metrics, last))
        self._skip = metrics

    def step(self) -> tuple[list[Frame], bool]:
        """
        Read what is new; the frames to send, and whether the training is over and all of it was told.

        The state is asked for before the files are read: what an ended training wrote is then all there. Each change
        of state has a frame of its own, so a client hears of it even where nothing is printed.
        """
        state = self._parts.store.training(self._owner, self._id).state
        log = self._log.read(ended=state.final)
        lines = self._metrics.read(ended=state.final)
        frames = [Frame(status=FrameStatus(metrics=(metric,), state=state)) for metric in self._unknown(lines)]
        if log or state is not self._state:
            message = log.decode("utf-8", errors="replace") if log else None
            frames.insert(0, Frame(status=FrameStatus(message=message, state=state, offset=self._log.offset)))
        self._state = state
        return frames, state.final and not (log or lines or frames)

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
    Send frames until the training is over and all was told, or the client goes away.

    ``?last=N``: the tail. ``?offset=N&metrics=M`` (ours): go on after N bytes of log and M metrics. A training that
    has not begun has nothing to tell but its state; its log follows when there is one.
    """
    parts: Parts = websocket.app.state.parts
    try:
        following = await _begin(websocket, parts, training_id)
    except DlaasError as error:
        await _deny(websocket, error)
        return
    await websocket.accept()
    gone = asyncio.ensure_future(_gone(websocket))
    try:
        while not gone.done():
            frames, over = await run_in_threadpool(following.step)
            for frame in frames:
                await websocket.send_text(frame.model_dump_json(exclude_none=True))
            if over:
                await websocket.close()
                return
            if not frames:
                await asyncio.wait({gone}, timeout=GLANCE)
    except NotFound:
        await websocket.close(reason="the training was deleted")
    except WebSocketDisconnect:
        pass
    finally:
        gone.cancel()


@router.websocket("/{path:path}")
async def nothing(websocket: WebSocket) -> None:
    """Refuse any other WebSocket as any other path is refused."""
    await _deny(websocket, NotFound("There is nothing at this path; monitors lie at /v3/models/{id}/monitor"))


async def _begin(websocket: WebSocket, parts: Parts, training_id: str) -> Following:
    owner = parts.identity.user(websocket.headers.get("authorization"))
    last = _number(websocket, "last", LAST_LIMIT)
    offset = _number(websocket, "offset", None)
    metrics = _number(websocket, "metrics", None)
    if last is not None and (offset is not None or metrics is not None):
        raise _bad_query("last", "goes without offset and metrics: it counts from the end")
    if not re.fullmatch(ID, training_id):
        raise NotFound("There is nothing with this id")
    await run_in_threadpool(parts.store.training, owner, training_id)
    return await run_in_threadpool(
        lambda: Following(parts, owner, training_id, last=last, offset=offset or 0, metrics=metrics or 0)
    )


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
