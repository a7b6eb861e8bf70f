from __future__ import annotations

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from tests.unit.service.api.test_attempts import begin_attempt, between_attempts
from tests.unit.service.api.test_models import end, start


def prometheus_metrics(service) -> dict[str, float]:
    reply = service.client.get("/metrics")
    assert reply.status_code == 200, reply.text
    return {
        ".".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_prometheus_metrics_count_trainings_queue_and_gpu_slots_without_a_token(service) -> None:
    first, second = service.submit(), service.submit()
    start(service, first)
    assert prometheus_metrics(service).items() >= {
        ("dlaas_trainings.running", 1.0),
        ("dlaas_trainings.pending", 1.0),
        ("dlaas_trainings.completed", 0.0),
        ("dlaas_queue_length", 1.0),
        ("dlaas_gpu_slots", 2.0),
        ("dlaas_gpu_slots_in_use", 1.0),
    }
    end(service, first, exit_code=0)
    del service.client.headers["Authorization"]
    assert prometheus_metrics(service)["dlaas_gpu_slots_in_use"] == 0.0
    assert prometheus_metrics(service)["dlaas_trainings.completed"] == 1.0
    text = service.client.get("/metrics").text
    assert not any(word in text for word in (first, second, "my-first-mnist-model", "John Doe"))


def test_failures_are_counted_by_code_and_expired_leases_as_unfilled_roles(service) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, state=TrainingState.ERROR, error=ErrorItem(code="C201", message="it exited with 3"))
    service.store.acquire_lease("dispatcher", "holder", service.clock(), service.clock() + timedelta(seconds=9))
    metrics = prometheus_metrics(service)
    assert (metrics["dlaas_training_failures.C201"], metrics["dlaas_training_failures.S303"]) == (1.0, 0.0)
    assert metrics["dlaas_role_filled.dispatcher"] == 1.0
    service.clock.advance(seconds=10)
    assert prometheus_metrics(service)["dlaas_role_filled.dispatcher"] == 0.0


def test_queue_wait_grows(service) -> None:
    service.submit()
    service.clock.advance(seconds=30)
    service.submit()
    assert prometheus_metrics(service)["dlaas_queue_wait_seconds"] == 30.0


def test_trainings_between_two_attempts_are_counted_in_the_queue_and_by_themselves(service) -> None:
    run, _ = service.submit(), service.submit()
    start(service, run)
    assert prometheus_metrics(service)["dlaas_recovering"] == 0.0
    between_attempts(service, run)
    metrics = prometheus_metrics(service)
    assert (metrics["dlaas_queue_length"], metrics["dlaas_recovering"]) == (2.0, 1.0)
    begin_attempt(service, run)
    assert prometheus_metrics(service)["dlaas_recovering"] == 0.0


def test_requests_are_counted_by_route_and_unknown_paths_together(service) -> None:
    run, before = service.submit(), prometheus_metrics(service)
    service.client.get(f"/v3/models/{run}")
    service.client.get("/v3/models/training-000000000")
    service.client.request("GUESS", "/wp-login.php")
    metrics = prometheus_metrics(service)

    def more(name: str) -> float:
        return metrics[name] - before.get(name, 0.0)

    assert more("dlaas_http_requests_total.GET./v3/models/{training_id}.200") == 1.0
    assert more("dlaas_http_requests_total.GET./v3/models/{training_id}.404") == 1.0
    assert more("dlaas_http_requests_total.(none).(none).404") == 1.0
    assert more("dlaas_http_request_seconds_count.GET./v3/models/{training_id}") == 2.0
    assert not any("wp-login" in name or run in name for name in metrics)
