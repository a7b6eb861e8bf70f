"""Results that are deleted by rule, against a real service and a real object store."""

from __future__ import annotations

import json
from uuid import uuid4

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

COMMAND = "mkdir -p $RESULT_DIR/model; echo weights > $RESULT_DIR/model/w; echo state > $CHECKPOINT_DIR/state"


def submit(customer: Customer, name: str, command: str, **more: object) -> str:
    definition = customer.definition(command) | more
    definition["model_definition"]["name"] = name
    return customer.client.send(calls.create_training(TrainingDefinition.parse(definition))).id


def test_results_that_no_rule_keeps_are_deleted(service: ServiceProcess, customer: Customer) -> None:
    name = f"pruned-{uuid4().hex[:8]}"
    measured = [f"{COMMAND}; echo epoch 1 val_loss: {value}" for value in ("0.9", "0.1", "0.5", "0.4")]
    worst, best, source, newest = (submit(customer, name, one) for one in measured)
    for one in (worst, best, source, newest):
        customer.end(one)
    failed = submit(customer, name, f"{COMMAND}; exit 3")
    customer.end(failed)
    running = submit(customer, name, GATE, resume_from=source)
    customer.running(running)
    rules = ("results", "prune", "--name", name, "--keep", "1", "--keep-best", "val_loss")

    planned = json.loads(service.console(*rules, "--dry-run", "--json").stdout)
    assert [one["id"] for one in planned["deleted"]] == [worst], planned
    reasons = {one["id"]: one["reason"] for one in planned["kept"]}
    assert reasons.keys() == {best, source, newest, failed}
    assert reasons[source] == f"{running} begins with its checkpoint"
    assert "has the best val_loss (0.1)" in reasons[best]
    assert "model/w" in customer.stored(worst)

    refused = service.console(*rules)
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    done = service.console(*rules, "--yes")
    assert done.returncode == 0, done.stderr
    assert customer.stored(worst) == set()
    assert all("model/w" in customer.stored(one) for one in (best, source, newest, failed))
    assert customer.training(worst).state == "completed"
    with customer.swift() as swift:
        assert [one.name for one in swift.list_objects(customer.data)] == ["numbers.txt"]

    customer.open_gate(customer.training(running))
    customer.end(running)
    assert "Deleted results: 1 (" in service.console(*rules, "--yes").stderr
    assert customer.stored(newest) == set()  # the resumed one is the newest now, and keeps what it has begun with
    assert "model/w" in customer.stored(source)
    assert "Deleted results: 0 (" in service.console(*rules, "--yes").stderr
