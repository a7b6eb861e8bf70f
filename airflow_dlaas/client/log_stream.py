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
from airflow_dlaas.client.protocol import NO_RETRY, HttpResponse, RequestRetryPolicy, redirect_error, retry_after
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.log_stream import LOG_COMPLETE_REASON, Frame, FrameStatus
from airflow_dlaas.exceptions import (
    ApiError,
    DlaasError,
    NotConfigured,
    NotFound,
    ProtocolError,
    RateLimited,
    Unauthenticated,
    Unreachable,
)

RECONNECT_RETRY = RequestRetryPolicy(max_attempts=8, initial_delay=1, max_delay=30)
"""How often, without a single new frame between, a broken connection is made anew: some two minutes."""

MAX_FRAME_BYTES = 16 * 1024**2
"""Bytes of one frame; a frame may hold many lines, and one from the start the whole log."""

_MIN_RECONNECT_DELAY = 0.5  # seconds before a new connection, so that a server that closes at once is not hammered
_parse_frame = parse_response(Frame)


async def follow_log(
    client: Client,
    training_id: str,
    *,
    offset: int = 0,
    metric_count: int = 0,
    retries: RequestRetryPolicy = RECONNECT_RETRY,
    training_ended: asyncio.Event | None = None,
) -> AsyncGenerator[Frame, None]:
    """
    Yield the frames of a training's log until it has ended and its log is told.

    A broken connection is made anew and taken up where it broke. Every frame yielded carries ``offset``, the bytes
    of the log up to its end: give it to a later call, with the number of *metric_count* had, to go on from there. A foreign
    server tells no offsets and always begins at the start: the bytes are counted, and what was seen is dropped. To be
    closed (`aclose`) when left early.

    A connection that is closed cleanly has not shown that the log is complete: a proxy or a server that goes away
    closes so too. The log of an ended training is complete when our service says so (`LOG_COMPLETE_REASON`), or when a
    connection that was opened after the training had ended is closed cleanly and brought nothing new.

    A service at its limit of monitors answers 429 with ``Retry-After``. That is waited out where
    it is no longer than a pause of *retries* may be; else the refusal is raised, for the caller to come back later.

    :param ended: set when the training is known to have ended. Cuts the pause of that moment short, and later pauses
        take no notice of ``Retry-After``: our service has places kept for monitors of ended trainings.
    :raises NotFound: there is no such training.
    :raises ServiceError: the service can't be reached any more, refuses, or sends what is no frame.
    """
    place = StreamCursor(offset, metric_count)
    training_ended = training_ended or asyncio.Event()
    refused: str | None = None
    final = False  # whether the training is known to have ended
    failures = 0
    while True:
        failed: DlaasError | None = None
        token = None
        reached = (place.offset, place.metric_count)
        path = calls.log_stream_path(training_id, offset=place.offset, metric_count=place.metric_count)
        try:
            token = await asyncio.to_thread(client.token, rejected=refused)
            async with _connect(client, path, token) as connection:
                refused = None
                place.on_connect()
                async for message in connection:
                    frame = place.accept(_parse_frame(message.encode() if isinstance(message, str) else message))
                    if frame is not None:
                        failures = 0
                        yield frame
            if connection.close_reason == LOG_COMPLETE_REASON or (
                final and (place.offset, place.metric_count) == reached
            ):
                return
            if not (final or place.has_ended):
                training = await asyncio.to_thread(client.send, calls.get_training(training_id), retries=NO_RETRY)
                final = training.state.is_final
            if final := final or place.has_ended:
                continue  # at once: each of these connections brings something new, or is the last
        except InvalidStatus as error:
            failed = _handshake_error(error, client.url, path)
            if isinstance(failed, Unauthenticated) and refused is None:
                refused = token
                continue
        except ssl.SSLCertVerificationError as error:
            raise NotConfigured(f"The certificate of {client.url} is not trusted: {error.verify_message}") from error
        except (OSError, asyncio.TimeoutError, ConnectionClosedError, InvalidMessage) as error:
            failed = Unreachable(f"The log of {training_id} broke off at byte {place.offset}: {error}")
            failed.__cause__ = error
        except (WebSocketException, ImportError) as error:  # ImportError: a SOCKS proxy needs one more package
            raise ProtocolError(f"The log of {training_id} can't be followed: {error}") from error
        except DlaasError as error:
            failed = error
        if final and isinstance(failed, NotFound):
            return  # deleted since it ended: there is no more to be had
        failures += 1
        wanted = (failed.retry_after if isinstance(failed, ApiError) else None) or 0
        if failed is not None and (not failed.transient or failures >= retries.max_attempts):
            raise failed
        if isinstance(failed, RateLimited) and wanted > retries.max_delay and not training_ended.is_set():
            raise failed
        pause = max(_MIN_RECONNECT_DELAY, retries.delay(failures, random.SystemRandom().random()))
        if training_ended.is_set():
            await asyncio.sleep(pause)
            continue
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(training_ended.wait(), max(pause, wanted))


class StreamCursor:
    """How far into a log one has come, in bytes of text and in metrics, across connections."""

    def __init__(self, offset: int = 0, metric_count: int = 0) -> None:
        self.offset = offset
        self.metric_count = metric_count
        self.has_ended = False
        """Whether a frame of our own service has reported the training's end on this connection."""
        self._connection_bytes = 0
        self._textless_seen = self._textless_on_connection = 0
        """Frames without text since the last text: those that were taken, and those of this connection."""

    def on_connect(self) -> None:
        """Say that a new connection begins to tell."""
        self._connection_bytes = self._textless_on_connection = 0
        self.has_ended = False

    def accept(self, frame: Frame) -> Frame | None:
        """Return what is new in *frame*, with its offset; None where all of it was seen before."""
        status = frame.status
        self.has_ended = status.state is not None and status.state.is_final
        # Our service puts the state into every frame, and begins where it is asked to.
        new = self._accept_with_offset(status) if status.state is not None else self._accept_by_byte_count(status)
        if new is None:
            return None
        self.metric_count += len(new.metrics or ())
        return Frame(status=new.model_copy(update={"offset": self.offset}))

    def _accept_with_offset(self, status: FrameStatus) -> FrameStatus | None:
        if status.offset is None:
            return status
        seen, self.offset = self.offset, max(self.offset, status.offset)
        return status if status.offset > seen or not status.message else None

    def _accept_by_byte_count(self, status: FrameStatus) -> FrameStatus | None:
        message = (status.message or "").encode()
        begin = self._connection_bytes
        self._connection_bytes += len(message)
        # A frame without text is as old as the text around it, and after the last text as its number.
        self._textless_on_connection = 0 if message else self._textless_on_connection + 1
        if begin < self.offset and self._connection_bytes <= self.offset:
            return None
        if message:
            self._textless_seen = 0
        elif self._textless_on_connection <= self._textless_seen:
            return None
        else:
            self._textless_seen = self._textless_on_connection
        seen, self.offset = self.offset, self._connection_bytes
        fresh = message[max(0, seen - begin) :].decode(errors="replace") if status.message is not None else None
        return status.model_copy(update={"message": fresh})


class _connect(connect):  # noqa: N801 - named as what it extends
    """A connection with our token, which a redirect takes nowhere else."""

    def __init__(self, client: Client, path: str, token: str) -> None:
        # A logger of its own, never at DEBUG: there websockets writes every header down, the token among them.
        quiet = logging.getLogger(f"{__name__}.socket")
        quiet.setLevel(logging.INFO)
        super().__init__(
            client.websocket_url(path),
            additional_headers={"Authorization": f"Bearer {token}"},
            ssl=client.ssl_context(),
            open_timeout=20,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=5,
            max_size=MAX_FRAME_BYTES,
            compression=None,  # its buffers are most of a connection's memory, on either side
            logger=quiet,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _handshake_error(error: InvalidStatus, base_url: str, path: str) -> DlaasError:
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    reply = HttpResponse(
        response.status_code, bytes(response.body or b""), time.time(), headers, base_url, base_url + path
    )
    if 300 <= reply.status < 400:
        return redirect_error(reply)
    if reply.status < 400:
        return ProtocolError(f"The service answers {reply.status} where its monitor should be")
    return parse_api_error(reply.status, reply.content, retry_after=retry_after(reply))
