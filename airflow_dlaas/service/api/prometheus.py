"""
Route of the Prometheus metrics. They contain no name, id or user, so no token is needed.

Trainings are counted at each request of this route, by a few indexed queries. HTTP requests are counted when they are
answered, by each process for itself.
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

router = APIRouter(tags=["monitoring"])


class ServiceCollector:
    """A collector, in the sense of prometheus_client, of the current counts in the store."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps

    def collect(self) -> Iterator[Metric]:
        """Count the trainings, the queue, the GPU slots and the leases."""
        counts, now = self._deps.store.count_trainings(), self._deps.clock()
        trainings = GaugeMetricFamily("dlaas_trainings", "Stored trainings, by state.", labels=["state"])
        for state in TrainingState:
            trainings.add_metric([str(state)], counts.by_state.get(state, 0))
        trainings.add_metric(["unknown"], counts.unknown_states)
        yield trainings
        failures = GaugeMetricFamily("dlaas_training_failures", "Failed trainings, by error code.", labels=["code"])
        for code in TRAINING_ERROR_CODES:
            failures.add_metric([code], counts.errors_by_code.get(code, 0))
        yield failures
        yield GaugeMetricFamily("dlaas_queue_length", "Trainings that wait for GPU slots.", counts.queued)
        yield GaugeMetricFamily("dlaas_recovering", "Those of them that are between two attempts.", counts.recovering)
        waited = max(0.0, (now - counts.oldest_queued_at).total_seconds()) if counts.oldest_queued_at else 0.0
        yield GaugeMetricFamily("dlaas_queue_wait_seconds", "Wait of the first training in the queue.", waited)
        yield GaugeMetricFamily("dlaas_gpu_slots", "GPU slots of the service.", self._deps.gpu_slots)
        yield GaugeMetricFamily("dlaas_gpu_slots_in_use", "GPU slots that trainings hold.", counts.slots_held)
        roles = GaugeMetricFamily(
            "dlaas_role_filled", "Whether a process holds the lease of the role.", labels=["role"]
        )
        for role, expiry in counts.lease_expiry.items():
            roles.add_metric([role], float(expiry > now))
        yield roles


@router.get("/metrics", response_class=PlainTextResponse, summary="Prometheus metrics")
def get_metrics(request: Request, deps: Deps) -> Response:
    """Return counts of trainings, GPU slots and requests in the text format of Prometheus. No token is needed."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(deps))
    text = generate_latest(registry) + generate_latest(request.app.state.http_metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
