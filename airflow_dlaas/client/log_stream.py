"""Following a training's log and metrics over the WebSocket, across broken connections."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus, WebSocketException

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.protocol import ONCE, Reply, Retries, redirected, retry_after
from airflow_dlaas.contract.base import received
from airflow_dlaas.contract.error import refusal
from airflow_dlaas.contract.log_stream import LOG_COMPLETE, Frame, FrameStatus
from airflow_dlaas.exceptions import (
    DlaasError,
    Misunderstood,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Unauthenticated,
    Unreachable,
)

RECONNECT = Retries(attempts=8, first=1, longest=30)
"""How often, without a single new frame between, a broken connection is made anew: some two minutes."""

FRAME_LIMIT = 16 * 1024**2
"""Bytes of one frame; a frame may hold many lines, and one from the start the whole log."""

_SHORTEST = 0.5  # seconds before a new connection, so that a server that closes at once is not hammered
_read = received(Frame)


async def follow(
    client: Client,
    training_id: str,
    *,
    offset: int = 0,
    metrics: int = 0,
    retries: Retries = RECONNECT,
    ended: asyncio.Event | None = None,
) -> AsyncGenerator[Frame, None]:
    """
    Yield the frames of a training's log until it has ended and its log is told.

    A broken connection is made anew and taken up where it broke. Every frame yielded carries ``offset``, the bytes
    of the log up to its end: give it to a later call, with the number of *metrics* had, to go on from there. A foreign
    server tells no offsets and always begins at the start: the bytes are counted, and what was seen is dropped. To be
    closed (`aclose`) when left early.

    A connection that is closed cleanly has not shown that the log is complete: a proxy or a server that goes away
    closes so too. The log of an ended training is complete when our service says so (`LOG_COMPLETE`), or when a
    connection that was opened after the training had ended is closed cleanly and brought nothing new.

    A service at its limit of monitors answers 429 with ``Retry-After``. That is waited out where
    it is no longer than a pause of *retries* may be; else the refusal is raised, for the caller to come back later.

    :param ended: set when the training is known to have ended. Cuts the pause of that moment short, and later pauses
        take no notice of ``Retry-After``: our service has places kept for monitors of ended trainings.
    :raises NotFound: there is no such training.
    :raises ServiceError: the service can't be reached any more, refuses, or sends what is no frame.
    """
    place = Place(offset, metrics)
    ended = ended or asyncio.Event()
    refused: str | None = None
    final = False  # whether the training is known to have ended
    failures = 0
    while True:
        failed: DlaasError | None = None
        token = None
        reached = (place.offset, place.metrics)
        path = calls.monitor_path(training_id, offset=place.offset, metrics=place.metrics)
        try:
            token = await asyncio.to_thread(client.token, unlike=refused)
            async with _open(client, path, token) as connection:
                refused = None
                place.reconnected()
                async for message in connection:
                    frame = place.take(_read(message.encode() if isinstance(message, str) else message))
                    if frame is not None:
                        failures = 0
                        yield frame
            if connection.close_reason == LOG_COMPLETE or (final and (place.offset, place.metrics) == reached):
                return
            if not (final or place.ended):
                training = await asyncio.to_thread(client.send, calls.get_training(training_id), retries=ONCE)
                final = training.state.final
            if final := final or place.ended:
                continue  # at once: each of these connections brings something new, or is the last
        except InvalidStatus as error:
            failed = _refusal(error, client.url, path)
            if isinstance(failed, Unauthenticated) and refused is None:
                refused = token
                continue
        except ssl.SSLCertVerificationError as error:
            raise NotConfigured(f"The certificate of {client.url} is not trusted: {error.verify_message}") from error
        except (OSError, asyncio.TimeoutError, ConnectionClosedError, InvalidMessage) as error:
            failed = Unreachable(f"The log of {training_id} broke off at byte {place.offset}: {error}")
            failed.__cause__ = error
        except (WebSocketException, ImportError) as error:  # ImportError: a SOCKS proxy needs one more package
            raise Misunderstood(f"The log of {training_id} can't be followed: {error}") from error
        except DlaasError as error:
            failed = error
        if final and isinstance(failed, NotFound):
            return  # deleted since it ended: there is no more to be had
        failures += 1
        wanted = (failed.retry_after if isinstance(failed, Refused) else None) or 0
        if failed is not None and (not failed.transient or failures >= retries.attempts):
            raise failed
        if isinstance(failed, RateLimited) and wanted > retries.longest and not ended.is_set():
            raise failed
        pause = max(_SHORTEST, retries.pause(failures, random.SystemRandom().random()))
        if ended.is_set():
            await asyncio.sleep(pause)
            continue
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), max(pause, wanted))


class Place:
    """How far into a log one has come, in bytes of text and in metrics, across connections."""

    def __init__(self, offset: int = 0, metrics: int = 0) -> None:
        self.offset = offset
        self.metrics = metrics
        self.ended = False
        """Whether a frame of our own service has reported the training's end on this connection."""
        self._counted = 0
        self._silent = self._silent_counted = 0
        """Frames without text since the last text: those that were taken, and those of this connection."""

    def reconnected(self) -> None:
        """Say that a new connection begins to tell."""
        self._counted = self._silent_counted = 0
        self.ended = False

    def take(self, frame: Frame) -> Frame | None:
        """Return what is new in *frame*, with its offset; None where all of it was seen before."""
        status = frame.status
        self.ended = status.state is not None and status.state.final
        # Our service puts the state into every frame, and begins where it is asked to.
        new = self._take_ours(status) if status.state is not None else self._take_foreign(status)
        if new is None:
            return None
        self.metrics += len(new.metrics or ())
        return Frame(status=new.model_copy(update={"offset": self.offset}))

    def _take_ours(self, status: FrameStatus) -> FrameStatus | None:
        if status.offset is None:
            return status
        seen, self.offset = self.offset, max(self.offset, status.offset)
        return status if status.offset > seen or not status.message else None

    def _take_foreign(self, status: FrameStatus) -> FrameStatus | None:
        message = (status.message or "").encode()
        begin = self._counted
        self._counted += len(message)
        # A frame without text is as old as the text around it, and after the last text as its number.
        self._silent_counted = 0 if message else self._silent_counted + 1
        if begin < self.offset and self._counted <= self.offset:
            return None
        if message:
            self._silent = 0
        elif self._silent_counted <= self._silent:
            return None
        else:
            self._silent = self._silent_counted
        seen, self.offset = self.offset, self._counted
        fresh = message[max(0, seen - begin) :].decode(errors="replace") if status.message is not None else None
        return status.model_copy(update={"message": fresh})


class _open(connect):  # noqa: N801 - named as what it extends
    """A connection with our token, which a redirect takes nowhere else."""

    def __init__(self, client: Client, path: str, token: str) -> None:
        # A logger of its own, never at DEBUG: there websockets writes every header down, the token among them.
        quiet = logging.getLogger(f"{__name__}.socket")
        quiet.setLevel(logging.INFO)
        super().__init__(
            client.socket_url(path),
            additional_headers={"Authorization": f"Bearer {token}"},
            ssl=client.tls(),
            open_timeout=20,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=5,
            max_size=FRAME_LIMIT,
            compression=None,  # its buffers are most of a connection's memory, on either side
            logger=quiet,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _refusal(error: InvalidStatus, root: str, path: str) -> DlaasError:
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    reply = Reply(response.status_code, bytes(response.body or b""), time.time(), headers, root, root + path)
    if 300 <= reply.status < 400:
        return redirected(reply)
    if reply.status < 400:
        return Misunderstood(f"The service answers {reply.status} where its monitor should be")
    return refusal(reply.status, reply.content, retry_after=retry_after(reply))
