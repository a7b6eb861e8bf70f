"""How the console describes a training."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.cli.show import mask_secrets
from airflow_dlaas.cli.training_text import describe_metrics, describe_state, training_fields
from tests.unit.cli.trainings import make_training, training_document


def metric(value: Any, second: int, **keys: Any) -> dict[str, Any]:
    timestamp = f"2026-12-01T00:00:{second:02}.000Z"
    return {"timestamp": timestamp, "iteration": second, "values": [{"name": "loss", "value": value}], **keys}


def test_fields_have_note_tags_phases_and_durations() -> None:
    fields = training_fields(
        make_training(
            running_at="2026-12-01T00:01:00.000Z",
            finished_at="2026-12-01T01:01:30.000Z",
            phases=[
                {"phase": "queued", "since": "2026-12-01T00:00:00.000Z"},
                {"phase": "processing", "since": "2026-12-01T00:01:00.000Z"},
                {"phase": "storing", "since": "2026-12-01T01:01:25.000Z"},
            ],
            note="the one to keep",
            tags=["good", "baseline"],
        )
    )
    assert fields["note"] == "the one to keep"
    assert fields["tags"] == "good, baseline"
    assert fields["took"] == "1:00:30"
    assert fields["total"] == "1:01:30"
    assert fields["phases"] == "queued 0:01:00, processing 1:00:25, storing 0:00:05"


def test_training_without_optional_keys_has_fields() -> None:
    fields = training_fields(make_training(state="pending"))
    assert not any(fields[name] for name in ("note", "tags", "phases", "metrics", "error", "warnings", "took"))


def test_metrics_have_the_newest_value_of_each_name_also_if_it_is_not_a_number() -> None:
    training = make_training(
        metrics=[
            metric("NaN", 9, axis="epoch"),
            metric(0.5, 3, axis="epoch"),
            metric(0.25, 4, phase="validation"),
            metric("-Infinity", 5, phase="validation"),
        ]
    )
    assert describe_metrics(training.status.metrics) == "loss NaN (epoch 9), validation/loss -Infinity (iteration 5)"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"state": "completed"}, "completed"),
        ({"state": "running", "phase": "processing"}, "running"),
        ({"state": "running", "phase": "storing"}, "running, storing"),
        ({"state": "pending", "phase": "queued", "queue_position": 2}, "pending (#3)"),
        ({"state": "running", "phase": "processing", "cancel_requested": True}, "running, to be canceled"),
    ],
)
def test_state_names_the_phase_only_where_it_adds_something(status: dict[str, Any], text: str) -> None:
    assert describe_state(make_training(**status)) == text


def test_secrets_of_connections_are_masked_wherever_they_are() -> None:
    connection = {"auth_url": "http://h", "userId": "u", "password": "geheim", "api_key": "geheim"}
    document = training_document()
    document["entity"]["training_data"] = [{"connection": connection}]
    document["entity"]["training_results"] = {"connection": connection}
    masked = mask_secrets(document)
    assert "geheim" not in str(masked)
    assert masked["entity"]["training_data"][0]["connection"]["userId"] == "u"
    assert masked["entity"]["status"] == document["entity"]["status"]


def test_resources_have_a_line_for_each_kind_of_amount() -> None:
    report = {
        "requested": {"gpus": 0, "memory": 64 * 2**20},
        "given": {"gpus": 0, "cpus": 1.0, "memory": 64 * 2**20},
        "used": {"cpus": 0.52, "memory": 40 * 2**20},
        "enforced": ["cpus", "shared_memory"],
        "enforced_by": "cgroup v1",
    }
    assert training_fields(make_training(resources=report))["resources"] == (
        "requested: 0 GPUs, 64.0 MiB memory\n"
        "given: 0 GPUs, 1 CPU, 64.0 MiB memory\n"
        "used: 0.52 CPUs, 40.0 MiB memory\n"
        "enforced: cpus, shared memory (cgroup v1)"
    )
    queued = make_training(resources={"requested": {"gpus": 1}})
    assert training_fields(queued)["resources"] == "requested: 1 GPU"
    assert training_fields(make_training())["resources"] is None
