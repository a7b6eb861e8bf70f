"""The commands that show, fetch and delete what trainings have left, against a real service."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

COMMAND = """
for epoch in 1 2 3; do echo "epoch $epoch loss: 0.$epoch accuracy: nan"; done
mkdir -p $RESULT_DIR/model
echo weights > $RESULT_DIR/model/weights.txt
"""


def test_metrics_are_plotted_and_results_fetched_and_deleted(
    service: ServiceProcess, customer: Customer, tmp_path: Path
) -> None:
    training_id = customer.submit(COMMAND)
    customer.end(training_id)

    shown = service.console("metrics", training_id).stdout
    assert "0.3 ┤" in shown
    assert re.search(r"^accuracy +3 +nan +(epoch )?3 *$", shown, re.MULTILINE)
    assert "3 of 3 values are not finite and not drawn" in shown
    assert [one["name"] for one in json.loads(service.console("metrics", training_id, "--json").stdout)["series"]] == [
        "loss",
        "accuracy",
    ]
    refused = service.console("metrics", training_id, "--name", "los")
    assert (refused.returncode, "there are accuracy, loss" in refused.stderr) == (1, True)

    model = tmp_path / "model"
    fetched = service.console("fetch", training_id, str(model))
    assert (fetched.returncode, fetched.stdout) == (0, f"{model}\n"), fetched.stderr
    assert (model / "weights.txt").read_text() == "weights\n"
    assert "0 files fetched (0 bytes), 1 unchanged" in service.console("fetch", training_id, str(model)).stderr
    (model / "weights.txt").write_text("mine")
    refused = service.console("fetch", training_id, str(model))
    assert (refused.returncode, "other files with the names of results" in refused.stderr) == (1, True)
    assert (model / "weights.txt").read_text() == "mine"
    assert service.console("fetch", training_id, str(model), "--overwrite").returncode == 0
    assert (model / "weights.txt").read_text() == "weights\n"
    assert service.console("fetch", training_id, str(tmp_path / "all"), "--all").returncode == 0
    assert {one.name for one in (tmp_path / "all").iterdir()} == {"model", "learner-1", "training-data.json"}

    running_id = customer.submit(GATE)
    refused = service.console("delete", training_id)
    assert (refused.returncode, "needs --yes" in refused.stderr) == (1, True)
    done = service.console("delete", running_id, training_id, "no-such-id", "--results", "--yes")
    assert done.returncode == 1
    assert f"{running_id}: cancel it first (airflow-dlaas cancel {running_id})" in done.stderr
    assert "no-such-id: There is no training no-such-id" in done.stderr
    assert f"{training_id} is deleted, and " in done.stdout
    assert customer.stored(training_id) == set()
    assert service.console("delete", running_id, "--yes").returncode == 1
    service.console("cancel", running_id)
    customer.end(running_id)
    assert service.console("delete", running_id, "--yes").stdout == f"{running_id} is deleted; its results stay\n"


def test_experiments_are_listed_with_their_versions(service: ServiceProcess, customer: Customer) -> None:
    location = customer.code(main="print(1)")
    listed = json.loads(service.console("experiments", "--json").stdout)["resources"]
    (experiment,) = [one for one in listed if one["entity"]["experiment_version"]["url"] == location]
    experiment_id = experiment["metadata"]["guid"]
    assert experiment_id in service.console("experiments").stdout
    assert location in service.console("experiments", experiment_id).stdout
    assert service.console("experiments", "no-such-id").returncode == 1


def test_annotate_changes_the_note_where_the_service_has_notes(service: ServiceProcess, customer: Customer) -> None:
    training_id = customer.submit("true")
    done = service.console("annotate", training_id, "--note", "first try", "--tag", "baseline")
    if customer.client.extensions.annotations:
        assert done.returncode == 0, done.stderr
        status = customer.training(training_id).status
        assert (status.note, tuple(status.tags or ())) == ("first try", ("baseline",))
    else:
        assert done.returncode != 0
        assert "has no notes and tags" in done.stderr
    assert "nothing to change" in service.console("annotate", training_id).stderr


def test_doctor_finds_no_failure_on_a_working_machine_and_names_the_one_of_a_wrong_password(
    service: ServiceProcess, customer: Customer, tmp_path: Path
) -> None:
    done = service.console("doctor", "--json")
    checks = {one["name"]: one["outcome"] for one in json.loads(done.stdout)["checks"]}
    assert checks.keys() >= {"settings", "service", "version", "clock", "login", "runtimes", "object store", "write"}
    assert {checks[name] for name in ("settings", "service", "version", "login", "object store", "write")} == {"ok"}
    assert (done.returncode, "failed" in checks.values()) == (0, False), done.stdout
    with customer.swift() as swift:
        assert not [one for one in swift.list_containers() if one.startswith("dlaas-doctor-")]
    done = service.console("doctor", "--home", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stdout.startswith("failed   settings")
