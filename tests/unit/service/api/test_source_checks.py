"""The mounted folders of a definition, versions of its data, and the store of results that the service has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.data_manifest import version_object_name
from airflow_dlaas.contract.stores import REVEAL_SECRETS, TrainingResults
from airflow_dlaas.service.mount_roots import parse_mount_roots
from tests.unit.service.api.conftest import DEFINITION
from tests.unit.service.api.test_submit import RESULTS, errors

VERSION = f"sha256:{1:064x}"
SECRET = "of-the-site"
SITE_RESULTS = TrainingResults.model_validate(
    {
        "connection": {"endpoint_url": "https://x", "access_key_id": "AK", "secret_access_key": SECRET},
        "target": {"bucket": "site-results", "type": "s3"},
    }
)


def mount(path: object, **keys: Any) -> dict[str, Any]:
    return {"source": {"type": "mount_volume", "path": str(path), **keys}}


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    for folder in ("sets/imagenet", "scratch/job", "outside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sets/link").symlink_to(tmp_path / "outside")
    (tmp_path / "sets/to-scratch").symlink_to(tmp_path / "scratch/job")
    return tmp_path


@pytest.fixture
def allowing(service, roots: Path):
    """The service of a site that allows ``sets``, ``scratch`` for changes, and a file system that is not here."""
    roots_text = f"{roots}/sets,{roots}/scratch:rw,/of-the-cluster"
    service.client.app.state.deps = replace(service.deps, mount_roots=parse_mount_roots(roots_text))
    return service


def with_results(**changes: Any) -> Any:
    service = changes.pop("service")
    return service.client.post("/v3/models", json=service.definition(training_results=RESULTS, **changes))


@pytest.mark.parametrize(
    "source",
    [
        mount("{roots}/sets"),
        mount("{roots}/sets/imagenet"),
        mount("{roots}/sets/to-scratch", read_only=True),
        mount("{roots}/scratch/job", read_only=False),
        mount("/of-the-cluster/not/here"),
    ],
)
def test_folder_below_an_allowed_root_is_accepted(allowing, roots: Path, source: dict[str, Any]) -> None:
    source["source"]["path"] = source["source"]["path"].replace("{roots}", str(roots))
    reply = with_results(service=allowing, training_data=[source])
    assert reply.status_code == 202, reply.text
    assert reply.json()["entity"]["training_data"] == [source]
    assert allowing.stores.asked == ["r"]


@pytest.mark.parametrize(
    ("path", "keys", "field", "message"),
    [
        ("/etc", {}, "path", "/etc is not below a folder that this site allows ({roots}/sets, {roots}/scratch:rw, "),
        ("{roots}/outside", {}, "path", "the operator of the service can add one to DLAAS_MOUNTS"),
        ("{roots}/sets-of-others", {}, "path", "is not below a folder that this site allows"),
        ("{roots}/sets/none", {}, "path", "cannot be used on the machine of the service: No such file or directory"),
        ("{roots}/sets/link", {}, "path", "is a link that leads out of the folders that this site allows"),
        ("{roots}/sets/imagenet", {"read_only": False}, "read_only", "false is not allowed below {roots}/sets: the "),
        ("/of-the-cluster/x", {"read_only": False}, "read_only", "false is not allowed below /of-the-cluster"),
    ],
)
def test_folder_that_the_site_does_not_allow_is_refused_with_the_allowed_ones(
    allowing, roots: Path, path: str, keys: dict[str, Any], field: str, message: str
) -> None:
    data = [DEFINITION["training_data"][0], mount(path.replace("{roots}", str(roots)), **keys)]
    reply = with_results(service=allowing, training_data=data)
    assert reply.status_code == 400
    assert errors(reply) == [("C101", f"training_data[1].source.{field}")]
    assert message.replace("{roots}", str(roots)) in reply.json()["errors"][0]["message"]
    assert allowing.stores.asked == []


def test_all_folders_are_reported_together_and_a_site_without_roots_allows_none(service) -> None:
    reply = with_results(service=service, training_data=[mount("/a"), mount("/b")])
    assert errors(reply) == [("C101", "training_data[0].source.path"), ("C101", "training_data[1].source.path")]
    assert "this site allows (none)" in reply.json()["errors"][0]["message"]


def test_results_without_a_store_go_to_that_of_the_service(service) -> None:
    service.client.app.state.deps = replace(service.deps, default_results=lambda: SITE_RESULTS)
    run = service.submit(training_data=[])
    assert service.stores.asked == ["site-results"]
    reply = service.client.get(f"/v3/models/{run}")
    assert reply.json()["entity"]["training_results"] == {
        "connection": {"endpoint_url": "https://x", "access_key_id": "AK", "secret_access_key": "********"},
        "target": {"container": "site-results", "type": "s3"},
    }
    assert SECRET not in reply.text
    stored = service.store.get_definition_with_secrets(run)
    assert SECRET in stored.model_dump_json(context=REVEAL_SECRETS)
    extensions = service.client.get("/v3/wml_instances/x").json()["entity"]["extensions"]
    assert extensions["default_results"] is True


def test_definition_with_a_store_does_not_use_that_of_the_service(service) -> None:
    service.client.app.state.deps = replace(service.deps, default_results=lambda: SITE_RESULTS)
    service.submit()
    service.submit(training_results=RESULTS)
    assert "site-results" not in service.stores.asked


def test_repeated_request_is_the_same_training_though_the_store_of_the_service_has_changed(service) -> None:
    definition = service.definition(training_data=[])
    found = []
    for container in ("first", "second"):
        results = SITE_RESULTS.model_copy(
            update={"target": SITE_RESULTS.target.model_copy(update={"container": container})}
        )
        service.client.app.state.deps = replace(service.deps, default_results=lambda results=results: results)
        reply = service.client.post("/v3/models", json=definition, headers={"Idempotency-Key": "k"})
        assert reply.status_code == 202, reply.text
        found.append(reply.json()["metadata"]["guid"])
    assert len(set(found)) == 1


def test_definition_without_any_store_is_refused(service) -> None:
    reply = service.client.post("/v3/models", json=service.definition(training_data=[]))
    assert errors(reply) == [("C101", "training_results")]
    assert "training_results: is missing" in reply.json()["errors"][0]["message"]


def test_version_must_exist_in_its_container(service) -> None:
    definition = {"training_data__0__source__version": VERSION}
    reply = service.client.post("/v3/models", json=service.definition(**definition))
    assert errors(reply) == [("C103", "training_data[0].source.version")]
    assert f"has no version {VERSION}" in reply.json()["errors"][0]["message"]
    service.stores.objects.add((DEFINITION["training_data"][0]["source"]["container"], version_object_name(VERSION)))
    service.submit(**definition)


def test_extensions_list_the_roots(allowing, roots: Path) -> None:
    extensions = allowing.client.get("/v3/wml_instances/x").json()["entity"]["extensions"]
    assert extensions["mounts"] == [f"{roots}/sets", f"{roots}/scratch:rw", "/of-the-cluster"]
