from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

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
