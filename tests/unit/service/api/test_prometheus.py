from __future__ import annotations

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from tests.unit.service.api.test_models import end, start


def figures(service) -> dict[str, float]:
    reply = service.client.get("/metrics")
    assert reply.status_code == 200, reply.text
    return {
        ".".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_trainings_queue_and_gpu_slots_are_counted_for_whoever_asks(service) -> None:
    first, second = service.submit(), service.submit()
    start(service, first)
    assert figures(service).items() >= {
        ("dlaas_trainings.running", 1.0),
        ("dlaas_trainings.pending", 1.0),
        ("dlaas_trainings.completed", 0.0),
        ("dlaas_queue_length", 1.0),
        ("dlaas_gpu_slots", 2.0),
        ("dlaas_gpu_slots_in_use", 1.0),
    }
    end(service, first, exit_code=0)
    del service.client.headers["Authorization"]
    assert figures(service)["dlaas_gpu_slots_in_use"] == 0.0
    assert figures(service)["dlaas_trainings.completed"] == 1.0
    text = service.client.get("/metrics").text
    assert not any(word in text for word in (first, second, "my-first-mnist-model", "John Doe"))


def test_failures_are_told_by_their_code_and_an_empty_seat_as_empty(service) -> None:
    run = service.submit()
    start(service, run)
    end(service, run, state=TrainingState.ERROR, error=ErrorItem(code="C201", message="it exited with 3"))
    service.store.acquire_lease("dispatcher", "somebody", service.clock(), service.clock() + timedelta(seconds=9))
    told = figures(service)
    assert (told["dlaas_training_failures.C201"], told["dlaas_training_failures.S303"]) == (1.0, 0.0)
    assert told["dlaas_role_filled.dispatcher"] == 1.0
    service.clock.advance(seconds=10)
    assert figures(service)["dlaas_role_filled.dispatcher"] == 0.0


def test_the_wait_of_the_first_in_the_queue_grows(service) -> None:
    service.submit()
    service.clock.advance(seconds=30)
    service.submit()
    assert figures(service)["dlaas_queue_wait_seconds"] == 30.0


def test_requests_are_counted_by_route_and_never_by_what_somebody_made_up(service) -> None:
    run, before = service.submit(), figures(service)
    service.client.get(f"/v3/models/{run}")
    service.client.get("/v3/models/training-000000000")
    service.client.request("GUESS", "/wp-login.php")
    told = figures(service)

    def more(name: str) -> float:
        return told[name] - before.get(name, 0.0)

    assert more("dlaas_http_requests_total.GET./v3/models/{training_id}.200") == 1.0
    assert more("dlaas_http_requests_total.GET./v3/models/{training_id}.404") == 1.0
    assert more("dlaas_http_requests_total.(none).(none).404") == 1.0
    assert more("dlaas_http_request_seconds_count.GET./v3/models/{training_id}") == 2.0
    assert not any("wp-login" in name or run in name for name in told)
