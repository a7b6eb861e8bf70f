"""Requests for the metrics and the log of a training."""

from __future__ import annotations

from urllib.parse import urlencode

from airflow_dlaas.client.calls.call import Call, encode_query, get_request
from airflow_dlaas.client.calls.trainings import training_path
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.curves import DEFAULT_POINTS, Curves, LogChunk, LogMatches


def get_curves(training_id: str, *, points: int = DEFAULT_POINTS, known_version: str | None = None) -> Call[Curves]:
    """
    Request the metrics of a training as curves (extension `curves`).

    :param points: the most points of each curve.
    :param known_version: `Curves.version` of an earlier response; if it is still current, the response has no series.
    """
    return get_request(
        f"{training_path(training_id)}/metrics?{encode_query(points=points, unless=known_version)}",
        parse_response(Curves),
    )


def get_log(
    training_id: str, *, offset: int | None = None, limit: int | None = None, tail: int | None = None
) -> Call[LogChunk]:
    """
    Request whole lines of a training's log (extension `curves`).

    :param offset: the first byte.
    :param limit: the most bytes.
    :param tail: the number of bytes at the end of the log, instead of an offset.
    """
    return get_request(
        f"{training_path(training_id)}/log?{encode_query(offset=offset, limit=limit, tail=tail)}",
        parse_response(LogChunk),
    )


def search_log(training_id: str, text: str, *, offset: int = 0) -> Call[LogMatches]:
    """Request the lines of a training's log that contain *text*, from byte *offset* on (extension `curves`)."""
    return get_request(
        f"{training_path(training_id)}/log/search?{encode_query(text=text, offset=offset)}",
        parse_response(LogMatches),
    )


def log_stream_path(training_id: str, *, offset: int = 0, metric_count: int = 0) -> str:
    """
    Return the path of a training's log stream, a WebSocket.

    :param offset: bytes of the log that the client already has (an extension).
    :param metric_count: metrics that the client already has (an extension).
    """
    query = urlencode({name: value for name, value in (("offset", offset), ("metrics", metric_count)) if value})
    return f"{training_path(training_id)}/monitor" + (f"?{query}" if query else "")
