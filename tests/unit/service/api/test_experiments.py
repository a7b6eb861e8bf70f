"""Experiments, their versions and their zips."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from airflow_dlaas.service.api.dependencies import ApiLimits
from tests.unit.service.api.conftest import make_zip

PATH = "/v3/ml_assets/experiments"
DRAFT = {"name": "digits", "description": "d", "framework": {"name": "tensorflow", "version": "1.2-py3"}, "author": "J"}


def test_created_experiment_has_its_draft_and_absolute_urls(service) -> None:
    reply = service.client.post(PATH, json=DRAFT)
    assert reply.status_code == 201
    made = reply.json()
    version = made["entity"].pop("experiment_version")
    assert made["entity"] == DRAFT
    assert made["metadata"].keys() == {"guid", "url", "created_at", "modified_at"}
    assert made["metadata"]["created_at"] == "2026-03-01T12:00:00.000Z"
    assert made["metadata"]["url"] == f"http://dlaas.example:8480{PATH}/{made['metadata']['guid']}"
    assert version["url"] == f"{made['metadata']['url']}/versions/{version['guid']}"
    assert version["content_url"] == f"{version['url']}/content"


@pytest.mark.parametrize("service", [{"public_url": "https://train.example/dlaas/"}], indirect=True)
def test_urls_begin_with_the_public_url(service) -> None:
    assert service.experiment()["metadata"]["url"].startswith(f"https://train.example/dlaas{PATH}/")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"nmae": "x"}, "nmae"),
        ({"framework": {"name": "", "version": "1"}}, "framework.name"),
        ({"framework": {"name": "torch"}}, "framework.version"),
        ({"author": 5}, "author"),
    ],
)
def test_invalid_field_of_a_draft_is_named(service, change: dict[str, object], field: str) -> None:
    reply = service.client.post(PATH, json=DRAFT | change)
    assert reply.status_code == 400
    error = reply.json()["errors"][0]
    assert (error["code"], error["target"]) == ("invalid_request_payload", {"type": "field", "name": field})
    assert service.client.get(PATH).json() == {"resources": []}


def test_secrets_in_a_training_data_reference_are_masked(service) -> None:
    reference = {"name": "x", "connection": {"auth_url": "u", "password": "geheim", "access_key_id": "geheim"}}
    made = service.client.post(PATH, json={**DRAFT, "training_data_reference": reference})
    assert "geheim" not in made.text
    assert made.json()["entity"]["training_data_reference"]["connection"]["auth_url"] == "u"
    again = service.client.post(
        f"{PATH}/{made.json()['metadata']['guid']}", json={**DRAFT, "training_data_reference": reference}
    )
    assert again.status_code == 201


def test_content_can_be_downloaded_from_version_and_experiment(service) -> None:
    content = make_zip()
    made = service.experiment(content)
    version = made["entity"]["experiment_version"]
    got = service.client.get(version["content_url"])
    assert (got.content, got.headers["content-type"]) == (content, "application/zip")
    assert service.client.get(f"{made['metadata']['url']}/content").content == content
    assert service.client.head(version["content_url"]).headers["content-length"] == str(len(content))


def test_chunked_upload_is_accepted(service) -> None:
    content = make_zip()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), 10):
            yield content[start : start + 10]

    url = service.experiment()["entity"]["experiment_version"]["content_url"]
    assert service.client.put(url, content=chunks(), headers={"Content-Type": "image/png"}).status_code == 200
    assert service.client.get(url).content == content


def test_content_of_an_experiment_is_that_of_its_newest_version(service) -> None:
    made = service.experiment(make_zip(a_py="1"))
    url = made["metadata"]["url"]
    service.clock.advance(hours=1)
    second = service.client.post(url)
    assert second.status_code == 201
    assert service.client.get(f"{url}/content").status_code == 404
    newest = make_zip(a_py="2")
    service.client.put(second.json()["entity"]["experiment_version"]["content_url"], content=newest)
    assert service.client.get(f"{url}/content").content == newest
    versions = [
        one["entity"]["experiment_version"] for one in service.client.get(f"{url}/versions").json()["resources"]
    ]
    assert versions == [made["entity"]["experiment_version"], second.json()["entity"]["experiment_version"]]
    assert service.client.get(versions[0]["url"]).json() == made
    assert service.client.get(url).json() == second.json()
    assert service.client.get(PATH).json() == {"resources": [second.json()]}
    assert service.client.get(versions[0]["content_url"]).content == make_zip(a_py="1")


def test_metadata_is_immutable(service) -> None:
    made = service.client.post(PATH, json=DRAFT).json()
    assert service.client.post(made["metadata"]["url"], json=DRAFT).status_code == 201
    refused = service.client.post(made["metadata"]["url"], json=DRAFT | {"name": "other"})
    assert (refused.status_code, refused.json()["errors"][0]["target"]["name"]) == (400, "name")


def a_tar(mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        info = tarfile.TarInfo("train.py")
        archive.addfile(info)
    return content.getvalue()


def a_bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 5_000_000)
    return content.getvalue()


def a_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return content.getvalue()


@pytest.mark.parametrize("service", [{"limits": ApiLimits(zip_bytes=200_000, unpacked_bytes=1_000_000)}], indirect=True)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"print(1)",
        a_tar("w"),
        a_tar("w:gz"),
        a_tar("w:bz2"),
        make_zip()[:-10],
        make_zip(**{"folder/train_py": ""}),
        make_zip(**{"../train_py": ""}),
        make_zip(**{"/etc/train_py": ""}),
        a_link(),
        a_bomb(),
    ],
    ids=["empty", "text", "tar", "gzip", "bzip", "torn", "nested", "climbs", "absolute", "link", "bomb"],
)
def test_invalid_zip_is_refused_and_not_stored(service, content: bytes) -> None:
    url = service.experiment()["entity"]["experiment_version"]["content_url"]
    reply = service.client.put(url, content=content)
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (400, "C102")
    assert service.client.get(url).status_code == 404
    assert list(service.deps.blobs.path("0" * 64).parent.iterdir()) == []


def test_nested_folders_are_accepted_if_allowed(service) -> None:
    deps = replace(service.deps, limits=replace(service.deps.limits, allow_nested=True))
    service.client.app.state.deps = deps
    service.experiment(make_zip(**{"folder/train_py": ""}))


def test_nested_folders_are_accepted_by_the_opt_in_of_the_experiment(service) -> None:
    draft = {"name": "n", "framework": {"name": "tensorflow", "version": "2"}}
    content = make_zip(**{"folder/train_py": ""})
    statuses = {}
    for nested in (True, False, None):
        created = service.client.post("/v3/ml_assets/experiments", json={**draft, "nested": nested}).json()
        assert created["entity"].get("nested") is (nested or None)
        added = service.client.post(f"/v3/ml_assets/experiments/{created['metadata']['guid']}").json()
        reply = service.client.put(added["entity"]["experiment_version"]["content_url"], content=content)
        statuses[nested] = reply.status_code
        if reply.status_code == 400:
            assert "nested=True" in reply.json()["errors"][0]["message"]
    assert statuses == {True: 200, False: 400, None: 400}


def test_zip_above_the_limit_is_refused_with_and_without_a_length(service) -> None:
    url = service.experiment()["entity"]["experiment_version"]["content_url"]

    def endless() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    for content in (b"x" * 200_001, endless()):
        reply = service.client.put(url, content=content)
        assert (reply.status_code, reply.json()["errors"][0]["code"]) == (413, "payload_too_large")
    assert list(service.deps.blobs.path("0" * 64).parent.iterdir()) == []


def test_experiment_is_invisible_to_other_users(service) -> None:
    made = service.experiment(make_zip())
    version = made["entity"]["experiment_version"]
    other = {"Authorization": f"Bearer {service.log_in('other')}"}
    assert service.client.get(PATH, headers=other).json() == {"resources": []}
    for url in (made["metadata"]["url"], version["url"], version["content_url"]):
        assert service.client.get(url, headers=other).status_code == 404
    assert service.client.put(version["content_url"], content=make_zip(), headers=other).status_code == 404
    assert service.client.delete(made["metadata"]["url"], headers=other).status_code == 404


def test_deleted_experiment_is_not_found(service) -> None:
    url = service.experiment(make_zip())["metadata"]["url"]
    assert service.client.delete(url).status_code == 204
    assert service.client.get(url).status_code == 404
    assert service.client.delete(url).status_code == 404
