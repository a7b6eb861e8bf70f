"""Follows the log and the metrics of a training over a WebSocket, across broken connections."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from random import random

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus, WebSocketException

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy, parse_retry_after, retry_message
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.protocol import HttpResponse, redirect_error
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

RECONNECT_RETRY = RetryPolicy(attempts=8, first_pause=1, max_pause=30, jitter=1)
"""The attempts to connect without a new frame between them: about two minutes."""

MAX_FRAME_BYTES = 16 * 1024**2
"""Bytes of one frame. A frame may have many lines, and the first one the whole log so far."""

_MIN_RECONNECT_DELAY = 0.5  # seconds between two connections, for a server that closes each of them at once
_log = logging.getLogger(__name__)
_parse_frame = parse_response(Frame)


async def follow_log(
    client: Client,
    training_id: str,
    *,
    offset: int = 0,
    metric_count: int = 0,
    retries: RetryPolicy = RECONNECT_RETRY,
    training_ended: asyncio.Event | None = None,
) -> AsyncGenerator[Frame, None]:
    """
    Yield the frames of a training's log until the training has ended and its log is complete.

    After a broken connection a new one continues at the same place; each retry is logged. Each frame has ``offset``,
    the bytes of the log up to its end: a later call continues from there with this *offset* and with the number of
    metrics received as *metric_count*. A foreign server sends no offsets and always begins at the start of the log:
    then the bytes are counted, and those received before are dropped. Close the generator (`aclose`) to leave early.

    A connection that is closed cleanly does not prove that the log is complete: a proxy or a server that shuts down
    closes in the same way. The log of an ended training is complete when our service states it (`LOG_COMPLETE_REASON`),
    or when a connection that was opened after the training had ended is closed cleanly and had nothing new.

    A service at its limit of log streams responds with 429 and ``Retry-After``. If that is no longer than the longest
    pause of *retries*, it is waited for; otherwise the error is raised, and the caller can try again later.

    :param training_ended: set when the training is known to have ended. It ends the current pause, and later pauses
        ignore ``Retry-After``: our service reserves log streams for ended trainings.
    :raises NotFound: there is no such training.
    :raises ServiceError: the service does not respond any more, refuses the request, or sends no valid frame.
    """
    cursor = StreamCursor(offset, metric_count)
    training_ended = training_ended or asyncio.Event()
    rejected_token: str | None = None
    final = False  # whether the training is known to have ended
    failures = 0  # since the last new frame; a clean close before the end of the log counts, too
    while True:
        failed: DlaasError | None = None
        token = None
        position = (cursor.offset, cursor.metric_count)
        path = calls.log_stream_path(training_id, offset=cursor.offset, metric_count=cursor.metric_count)
        try:
            # In the loop's thread pool: it limits the requests at a time, if many streams are closed together.
            token = await asyncio.to_thread(client.token, rejected=rejected_token)
            async with _connect(client, path, token) as connection:
                rejected_token = None
                cursor.on_connect()
                async for message in connection:
                    frame = cursor.accept(_parse_frame(message.encode() if isinstance(message, str) else message))
                    if frame is not None:
                        failures = 0
                        yield frame
            nothing_new = (cursor.offset, cursor.metric_count) == position
            if connection.close_reason == LOG_COMPLETE_REASON or (final and nothing_new):
                return
            if not (final or cursor.has_ended):
                training = await asyncio.to_thread(client.send, calls.get_training(training_id), retries=NO_RETRY)
                final = training.state.is_final
            if final := final or cursor.has_ended:
                continue  # without a pause: each of these connections has something new, or is the last
        except InvalidStatus as error:
            failed = _handshake_error(error, client.url, path)
            if isinstance(failed, Unauthenticated) and rejected_token is None:
                rejected_token = token
                continue
        except (OSError, asyncio.TimeoutError, WebSocketException, ImportError) as error:
            failed = _connection_error(error, client.url, training_id, cursor.offset)
        except DlaasError as error:
            failed = error
        if final and isinstance(failed, NotFound):
            return  # deleted after its end: there is no more to read
        failures += 1
        if failed is not None and not _may_retry(failed, failures, retries, training_ended):
            raise failed
        requested = failed.retry_after if isinstance(failed, ApiError) and not training_ended.is_set() else None
        pause = max(_MIN_RECONNECT_DELAY, retries.pause(failures, random()), requested or 0)  # noqa: S311 - jitter
        _log_retry(training_id, cursor.offset, failed, pause, failures, retries)
        if training_ended.is_set():
            await asyncio.sleep(pause)
            continue
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(training_ended.wait(), pause)


def _may_retry(error: DlaasError, failures: int, retries: RetryPolicy, training_ended: asyncio.Event) -> bool:
    if not error.transient or (retries.attempts is not None and failures >= retries.attempts):
        return False
    too_long = isinstance(error, RateLimited) and (error.retry_after or 0) > retries.max_pause
    return training_ended.is_set() or not too_long


def _log_retry(
    training_id: str, offset: int, error: DlaasError | None, pause: float, failures: int, retries: RetryPolicy
) -> None:
    what = f"Following the log of training {training_id} from byte {offset}"
    if error is not None:
        _log.warning("%s", retry_message(what, error, pause, failures + 1, retries))
        return
    # No limit of attempts, and normal for an idle connection behind a proxy: one warning per interruption.
    level = logging.WARNING if failures == 1 else logging.DEBUG
    closed = Unreachable("the connection was closed before the end of the log")
    _log.log(level, "%s", retry_message(what, closed, pause, failures + 1, replace(retries, attempts=None)))


class StreamCursor:
    """The position in a log, in bytes of text and in metrics, across connections."""

    def __init__(self, offset: int = 0, metric_count: int = 0) -> None:
        self.offset = offset
        self.metric_count = metric_count
        self.has_ended = False
        """Whether a frame of our own service has reported the training's end on this connection."""
        self._connection_bytes = 0
        self._textless_seen = self._textless_on_connection = 0
        """Frames without text since the last text: those that were returned, and those of this connection."""

    def on_connect(self) -> None:
        """Prepare for the frames of a new connection."""
        self._connection_bytes = self._textless_on_connection = 0
        self.has_ended = False

    def accept(self, frame: Frame) -> Frame | None:
        """Return the new part of *frame*, with its offset; None if all of it was received before."""
        status = frame.status
        self.has_ended = status.state is not None and status.state.is_final
        # Our service sends the state in every frame, and begins at the requested offset; a foreign one does neither.
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
        start = self._connection_bytes
        self._connection_bytes += len(message)
        # A frame without text is old if the text around it is old; after the last text, its number decides.
        self._textless_on_connection = 0 if message else self._textless_on_connection + 1
        if start < self.offset and self._connection_bytes <= self.offset:
            return None
        if message:
            self._textless_seen = 0
        elif self._textless_on_connection <= self._textless_seen:
            return None
        else:
            self._textless_seen = self._textless_on_connection
        seen, self.offset = self.offset, self._connection_bytes
        new_text = message[max(0, seen - start) :].decode(errors="replace") if status.message is not None else None
        return status.model_copy(update={"message": new_text})


class _connect(connect):  # noqa: N801 - the name of its base class
    """A connection with the client's token, which follows no redirect."""

    def __init__(self, client: Client, path: str, token: str) -> None:
        # A separate logger, never at DEBUG: at that level websockets logs all headers, the token among them.
        socket_log = logging.getLogger(f"{__name__}.socket")
        socket_log.setLevel(logging.INFO)
        super().__init__(
            client.websocket_url(path),
            additional_headers={"Authorization": f"Bearer {token}"},
            ssl=client.ssl_context(),
            open_timeout=20,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=5,
            max_size=MAX_FRAME_BYTES,
            compression=None,  # its buffers would be most of the memory of a connection, on both sides
            logger=socket_log,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _handshake_error(error: InvalidStatus, base_url: str, path: str) -> DlaasError:
    """Return the error for a response to the handshake other than 101."""
    headers = {name.lower(): value for name, value in error.response.headers.raw_items()}
    content = bytes(error.response.body or b"")
    response = HttpResponse(error.response.status_code, content, time.time(), headers, base_url, base_url + path)
    if 300 <= response.status < 400:
        return redirect_error(response)
    if response.status < 400:
        return ProtocolError(f"The service responds with {response.status} to the handshake of the log stream")
    retry_after = parse_retry_after(response.headers, response.finished_at)
    return parse_api_error(response.status, response.content, retry_after=retry_after)


def _connection_error(error: Exception, base_url: str, training_id: str, offset: int) -> DlaasError:
    """Return the error for one of the connection, with *error* as its cause, unless its text may have a password."""
    result: DlaasError
    if isinstance(error, ssl.SSLCertVerificationError):
        result = NotConfigured(f"The certificate of {base_url} is not trusted: {error.verify_message}")
    elif isinstance(error, (OSError, asyncio.TimeoutError, ConnectionClosedError, InvalidMessage)):
        cause = str(error) or type(error).__name__
        result = Unreachable(f"The log stream of training {training_id} broke off at byte {offset}: {cause}")
    elif hasattr(error, "proxy"):  # InvalidProxy of websockets 15 and newer: its text has the URL, maybe a password
        return ProtocolError(
            f"The log stream of training {training_id} cannot be used: the URL of the proxy is invalid"
        )
    else:  # ImportError: a SOCKS proxy needs one more package
        result = ProtocolError(f"The log stream of training {training_id} cannot be used: {error}")
    result.__cause__ = error
    return result
