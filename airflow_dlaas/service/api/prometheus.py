"""
What Prometheus is told: numbers only, so that nobody has to be asked who they are.

No name, id or user is among them. Trainings are counted when they are asked for, by a few indexed queries; requests
as they are answered, each process its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from airflow_dlaas.contract.error import TRAINING_ERROR_CODES
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps

router = APIRouter(tags=["health"])


class ServiceCollector:
    """The service's figures at this moment, as Prometheus' own library collects them."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps

    def collect(self) -> Iterator[Metric]:
        """Count."""
        counts, now = self._deps.store.count_trainings(), self._deps.clock()
        trainings = GaugeMetricFamily("dlaas_trainings", "Trainings the service knows, by state.", labels=["state"])
        for state in TrainingState:
            trainings.add_metric([str(state)], counts.by_state.get(state, 0))
        trainings.add_metric(["unknown"], counts.unknown_states)
        yield trainings
        failures = GaugeMetricFamily("dlaas_training_failures", "Trainings that failed, by code.", labels=["code"])
        for code in TRAINING_ERROR_CODES:
            failures.add_metric([code], counts.errors_by_code.get(code, 0))
        yield failures
        yield GaugeMetricFamily("dlaas_queue_length", "Trainings that wait for GPU slots.", counts.queued)
        waited = max(0.0, (now - counts.oldest_queued_at).total_seconds()) if counts.oldest_queued_at else 0.0
        yield GaugeMetricFamily("dlaas_queue_wait_seconds", "How long the first in the queue has waited.", waited)
        yield GaugeMetricFamily("dlaas_gpu_slots", "GPU slots there are.", self._deps.gpu_slots)
        yield GaugeMetricFamily("dlaas_gpu_slots_in_use", "GPU slots that trainings hold.", counts.slots_held)
        leads = GaugeMetricFamily("dlaas_role_filled", "Whether a process fills the role.", labels=["role"])
        for role, until in counts.lease_expiry.items():
            leads.add_metric([role], float(until > now))
        yield leads


@router.get("/metrics", response_class=PlainTextResponse)
def get_metrics(request: Request, deps: Deps) -> Response:
    """Tell the service's figures in Prometheus' text format; nobody is asked who they are."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(deps))
    told = generate_latest(registry) + generate_latest(request.app.state.http_metrics.registry)
    return Response(told, media_type=CONTENT_TYPE_PLAIN_0_0_4)
