"""
What Prometheus is told: numbers only, so that nobody has to be asked who they are.

No name, id or user is among them. They are counted when they are asked for, by a few indexed queries.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.api.parts import Parts, PartsOf

router = APIRouter(tags=["health"])


class Figures:
    """The service's figures at this moment, as Prometheus' own library collects them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Count."""
        counts = self._parts.store.counts()
        trainings = GaugeMetricFamily("dlaas_trainings", "Trainings the service knows, by state.", labels=["state"])
        for state in TrainingState:
            trainings.add_metric([str(state)], counts.get(state, 0))
        yield trainings
        unfinished = self._parts.store.unfinished()
        queued = sum(1 for one in unfinished if one.started_at is None)
        yield GaugeMetricFamily("dlaas_queue_length", "Trainings that wait for GPU slots.", queued)
        busy = sum(len(one.gpus) for one in unfinished)
        yield GaugeMetricFamily("dlaas_gpu_slots", "GPU slots there are.", self._parts.slots)
        yield GaugeMetricFamily("dlaas_gpu_slots_in_use", "GPU slots that trainings hold.", busy)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(parts: PartsOf) -> Response:
    """Tell the service's figures in Prometheus' text format; nobody is asked who they are."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(parts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
