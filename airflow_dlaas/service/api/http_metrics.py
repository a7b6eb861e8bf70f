"""HTTP metrics of this process for Prometheus: requests by route and status, response times, open log streams."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LATENCY_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Upper bounds in seconds. Long polls wait up to 30 seconds on purpose."""

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OTHER_LABEL = "(none)"
"""
The label for a path without a route, and for an unknown method: requests of a scanner must not create a time series for
each path.
"""


class HttpMetrics:
    """The HTTP metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.requests = Counter(
            "dlaas_http_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "dlaas_http_request_seconds",
            "Time from a request to the end of its response.",
            ["method", "route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.open_log_streams = Gauge("dlaas_monitors_open", "Open log streams.", registry=self.registry)


class MetricsMiddleware:
    """Records requests and WebSockets in the metrics; changes neither requests nor responses."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and record the request."""
        if scope["type"] == "websocket":
            with self._metrics.open_log_streams.track_inprogress():
                await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 0, time.perf_counter()

        async def send_and_record(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            route = getattr(scope.get("route"), "path", OTHER_LABEL)
            method = scope["method"] if scope["method"] in KNOWN_METHODS else OTHER_LABEL
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_seconds.labels(method, route).observe(time.perf_counter() - begun)
