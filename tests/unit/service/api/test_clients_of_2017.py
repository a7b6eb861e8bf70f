"""Requests of clients of 2017, byte for byte. The bodies in tests/cases are sent unmodified."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import MASK
from airflow_dlaas.exceptions import ContainerNotFound, StoreRefused
from airflow_dlaas.service.store.records import TrainingOutcome
from tests.unit.contract.test_null import keys
from tests.unit.contract.test_validation_messages import with_value
from tests.unit.service.api.conftest import DEFINITION, make_zip
from tests.unit.service.api.test_submit import CONNECTION, RESULTS, errors

CASES = Path(__file__).parents[3] / "cases" / "api"
EXPERIMENTS = "/v3/ml_assets/experiments"


def case(name: str, service) -> dict[str, Any]:
    """The body in a file, with its placeholders replaced."""
    location = service.experiment(make_zip())["entity"]["experiment_version"]["url"]
    text = (CASES / name).read_text()
    values = {
        "AUTH_URL": CONNECTION["auth_url"],
        "USER": CONNECTION["userId"],
        "PASSWORD": "p",
        "VERSION_URL": location,
    }
    for placeholder, value in values.items():
        text = text.replace(f'"{placeholder}"', json.dumps(value))
    found: dict[str, Any] = json.loads(text)
    return found


def holds_null(value: Any) -> bool:
    match value:
        case dict():
            return any(holds_null(inner) for inner in value.values())
        case list():
            return any(holds_null(inner) for inner in value)
        case _:
            return value is None


def reads(service, run: str) -> dict[str, Any]:
    """Return the training; check that list and changes contain the same, without nulls."""
    one = service.client.get(f"/v3/models/{run}")
    assert one.status_code == 200, one.text
    for path in ("/v3/models", "/v3/models?after=0"):
        reply = service.client.get(path)
        assert reply.status_code == 200, reply.text
        assert one.json()["entity"] in [each["entity"] for each in reply.json()["resources"]]
        assert not holds_null(reply.json())
    found: dict[str, Any] = one.json()["entity"]
    return found


# -- null --------------------------------------------------------------------


def test_training_results_may_be_null(service) -> None:
    reply = service.client.post("/v3/models", json=case("training_results_null.json", service))
    assert reply.status_code == 202, reply.text
    run = reply.json()["metadata"]["guid"]
    assert "training_results" not in reads(service, run)
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0, stored=True))
    location = {"container": "c", "model_location": run}
    assert reads(service, run)["training_results"] == {"location": location}


FULL = {
    **DEFINITION,
    "training_results": RESULTS,
    "metric_definitions": [{"name": "loss", "regex": "loss=(.*)"}],
}
FULL["model_definition"] = {**DEFINITION["model_definition"], "framework": {"name": "tensorflow", "version": "1.2-py3"}}


@pytest.mark.parametrize("path", keys(FULL), ids=lambda path: ".".join(map(str, path)))
def test_optional_keys_of_a_definition_may_be_null(service, path: tuple[str | int, ...]) -> None:
    document = deepcopy(FULL)
    document["model_definition"]["definition_location"] = service.definition()["model_definition"][
        "definition_location"
    ]
    reply = service.client.post("/v3/models", json=with_value(document, path, None))
    assert reply.status_code in {202, 400}, reply.text
    if reply.status_code == 202:
        service.store.reserve_gpus(reply.json()["metadata"]["guid"], ["virtual:0"], service.clock())
        reads(service, reply.json()["metadata"]["guid"])
    else:
        assert "missing" in reply.text
        assert service.client.get("/v3/models").json() == {"resources": []}


@pytest.mark.parametrize("key", ["name", "description", "framework", "author", "training_data_reference"])
def test_optional_keys_of_an_experiment_may_be_null(service, key: str) -> None:
    reply = service.client.post(EXPERIMENTS, json={**case("experiment_with_runtimes.json", service), key: None})
    assert reply.status_code == (400 if key in {"name", "framework"} else 201), reply.text
    listed = service.client.get(EXPERIMENTS)
    assert listed.status_code == 200
    assert not holds_null(listed.json())


@pytest.mark.parametrize(
    "nulls",
    [
        {"training_results": None},
        {"metric_definitions": None, "training_results": None},
        {"model_definition": {**DEFINITION["model_definition"], "author": None}},
        {"training_results": {**RESULTS, "source": None}},
        {"training_data": [{**DEFINITION["training_data"][0], "connection": {**CONNECTION, "region": None}}]},
    ],
)
@pytest.mark.parametrize("stored", [True, False])
def test_stored_nulls_of_an_earlier_version_are_left_out(service, nulls, stored: bool) -> None:
    run = service.submit()
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0, stored=stored))
    with closing(sqlite3.connect(service.deps.jobs_dir.parent / "store.db")) as database:
        database.execute("update trainings set definition = ?", (json.dumps({**DEFINITION, **nulls}),))
        database.commit()
    entity = reads(service, run)
    assert ("location" in entity.get("training_results", {})) is stored


# -- experiments -------------------------------------------------------------


def test_experiment_with_runtimes_is_stored_and_returned(service) -> None:
    sent = case("experiment_with_runtimes.json", service)
    reply = service.client.post(EXPERIMENTS, json=sent)
    assert reply.status_code == 201, reply.text
    made = reply.json()
    sent["training_data_reference"][0]["connection"]["password"] = MASK
    url = f"{EXPERIMENTS}/{made['metadata']['guid']}"
    found = [made, service.client.get(url).json(), service.client.get(f"{url}/versions").json()["resources"][0]]
    found.append(service.client.post(url).json())
    for one in found:
        assert {key: one["entity"][key] for key in sent} == sent
    assert service.client.post(url, json=case("experiment_with_runtimes.json", service)).status_code == 201


@pytest.mark.parametrize("author", ["A", {"name": "A", "email": "a@example.org"}])
@pytest.mark.parametrize("reference", [{"name": "x"}, [{"name": "x"}, "y"], [], {}])
def test_author_and_reference_are_accepted_in_two_forms(service, author: object, reference: object) -> None:
    sent = {**case("experiment_with_runtimes.json", service), "author": author, "training_data_reference": reference}
    entity = service.client.post(EXPERIMENTS, json=sent).json()["entity"]
    assert (entity["author"], entity["training_data_reference"]) == (author, reference)
    run = service.submit(model_definition__author=author)
    assert reads(service, run)["model_definition"]["author"] == author


@pytest.mark.parametrize(
    "runtimes", ["python", 5, [5], ["python"], [{"name": "python"}], {"name": "a", "version": "b"}]
)
def test_runtimes_of_another_form_are_refused(service, runtimes: object) -> None:
    sent = case("experiment_with_runtimes.json", service)
    sent["framework"]["runtimes"] = runtimes
    reply = service.client.post(EXPERIMENTS, json=sent)
    assert reply.status_code == 400
    assert "runtimes" in reply.text


# -- results -----------------------------------------------------------------

OLDER = {"connection": CONNECTION, "source": {"container": "r", "type": "softlayer_objectstore"}}


def test_results_source_is_accepted_as_target_and_returned_unchanged(service) -> None:
    run = service.submit(training_results=OLDER)
    shown = reads(service, run)["training_results"]
    assert shown == {**OLDER, "connection": {**CONNECTION, "password": MASK}}
    assert "r" in service.stores.asked
    assert service.store.get_definition_with_secrets(run).results_store.target.container == "r"
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.finish(run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0, stored=True))
    location = {"container": "r", "model_location": run}
    assert reads(service, run)["training_results"] == {**shown, "location": location}


@pytest.mark.parametrize(
    ("results", "expected"),
    [({**OLDER, **RESULTS}, "only one of them"), ({"connection": CONNECTION}, "target is missing")],
)
def test_results_need_exactly_one_of_source_and_target(service, results: dict[str, Any], expected: str) -> None:
    reply = service.client.post("/v3/models", json=service.definition(training_results=results))
    assert errors(reply) == [("C101", "training_results")]
    assert expected in reply.text


@pytest.mark.parametrize(("results", "key"), [(RESULTS, "target"), (OLDER, "source")])
def test_missing_results_container_is_created(service, results: dict[str, Any], key: str) -> None:
    service.stores.refusals["r"] = ContainerNotFound("r")
    service.submit(training_results=results)
    assert service.stores.created == ["r"]
    service.stores.uncreatable.add("r")
    reply = service.client.post("/v3/models", json=service.definition(training_results=results))
    assert errors(reply) == [("C103", f"training_results.{key}.container")]
    assert "'r'" in reply.text


def test_refused_definition_creates_no_container(service) -> None:
    service.stores.refusals |= {"r": ContainerNotFound("r"), "tf_training_data_container": StoreRefused("no")}
    reply = service.client.post("/v3/models", json=service.definition(training_results=RESULTS))
    assert errors(reply) == [("C103", "training_data[0].connection")]
    assert service.stores.created == []


def test_missing_container_of_training_data_is_not_created(service) -> None:
    service.stores.refusals["tf_training_data_container"] = ContainerNotFound("no")
    same = {"connection": CONNECTION, "target": DEFINITION["training_data"][0]["source"]}
    for changes in ({}, {"training_results": same}):
        reply = service.client.post("/v3/models", json=service.definition(**changes))
        assert errors(reply) == [("C103", "training_data[0].source.container")]
    assert service.stores.created == []


# -- HTTP --------------------------------------------------------------------


@pytest.mark.parametrize("service", [{}, {"public_url": "https://train.example/dlaas/"}], indirect=True)
def test_instance_document_has_absolute_urls(service) -> None:
    base = (service.deps.public_url or "http://dlaas.example:8480").rstrip("/")
    reply = service.client.get("/v3/wml_instances/any-id").json()
    links = [reply["metadata"]["url"], *(reply["entity"][key]["url"] for key in ("published_models", "deployments"))]
    assert all(link.startswith(f"{base}/v3/wml_instances/any-id") for link in links), links


def test_double_slashes_in_paths_count_as_one(service) -> None:
    run = service.submit()
    for path in ("//v3/models", "/v3//models", "///v3/models?limit=5", f"//v3/models/{run}", "//v3/wml_instances/x"):
        assert service.client.get(f"http://dlaas.example:8480{path}").status_code == 200, path
    assert service.client.post("http://dlaas.example:8480//v3/models", json=service.definition()).status_code == 202
    made = service.client.post(f"http://dlaas.example:8480/{EXPERIMENTS}", json={**_DRAFT})
    assert "//v3" not in made.json()["entity"]["experiment_version"]["url"]


@pytest.mark.parametrize("prefix", ["/", "http://dlaas.example:8480/"])
def test_definition_location_with_a_double_slash_is_accepted(service, prefix: str) -> None:
    url = service.definition()["model_definition"]["definition_location"]
    service.submit(model_definition__definition_location=prefix + url.removeprefix("http://dlaas.example:8480"))


_DRAFT = {"name": "digits", "framework": {"name": "tensorflow", "version": "1.2-py3"}}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v3/models", {"GET", "POST"}),
        ("/v3/models/{run}", {"GET", "PATCH", "DELETE"}),
        ("/v3/models/{run}/monitor", {"GET"}),
        (EXPERIMENTS, {"GET", "POST"}),
        (EXPERIMENTS + "/{eid}", {"GET", "POST", "DELETE"}),
        (EXPERIMENTS + "/{eid}/content", {"GET", "HEAD"}),
        (EXPERIMENTS + "/{eid}/versions/{vid}", {"GET"}),
        (EXPERIMENTS + "/{eid}/versions/{vid}/content", {"GET", "HEAD", "PUT"}),
        ("/v3/identity/token", {"GET", "PUT"}),
        ("/v2/identity/token", {"GET", "PUT"}),
        ("/v3/wml_instances/x", {"GET"}),
    ],
)
def test_allow_header_lists_all_methods_of_the_path(service, path: str, methods: set[str]) -> None:
    reply = service.client.request("OPTIONS", path.format(run="training-abcdefghi", eid="e", vid="v"))
    assert reply.status_code == 405
    assert set(reply.headers["Allow"].split(", ")) == methods
    assert reply.json()["errors"][0]["code"] == "method_not_allowed"


def test_log_stream_without_an_upgrade_is_426(service) -> None:
    reply = service.client.get(f"/v3/models/{service.submit()}/monitor")
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (426, "upgrade_required")
    assert reply.headers["Upgrade"] == "websocket"
    assert service.client.get("/v3/models/training-none/monitor").status_code == 404
    del service.client.headers["Authorization"]
    assert service.client.get("/v3/models/training-none/monitor").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/v3/ml_assets/training_definitions",
        "/v3/ml_assets/training_definitions/7",
        "/v3/experiments",
        "/v3/experiments/7/runs",
        "/v3/ml_assets/models",
        "/v3/libraries",
        "/v4/trainings",
        "/ml/v4/trainings",
        "/v1/models",
        "/v3",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_path_of_a_later_api_version_names_the_supported_version(service, method: str, path: str) -> None:
    reply = service.client.request(method, path, json={})
    assert reply.status_code == 404
    for words in ("/v3/models", EXPERIMENTS, "2017"):
        assert words in reply.json()["errors"][0]["message"]
