"""Tests that unchanged code is not uploaded again: with the real service, and with servers that list less."""

from __future__ import annotations

import logging
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft
from airflow_dlaas.exceptions import InvalidBundle, InvalidRequest, TooLarge
from airflow_dlaas.packaging import archive
from airflow_dlaas.task_runs.experiments import AddVersion, CreateExperiment, PublishedCode, ReuseVersion, publish_code
from tests.conftest import ServiceProcess
from tests.integration.client.conftest import TIME, TIMEOUT, Answer, Service, refuse, reply

Zip = Callable[[str], Path]


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture
def draft() -> ExperimentDraft:
    """The draft of an experiment with a name that no other test uses."""
    return make_draft(f"reuse-{uuid4().hex[:8]}")


def make_draft(name: str, version: str = "test") -> ExperimentDraft:
    return ExperimentDraft.model_validate(
        {"name": name, "author": "Ann", "framework": {"name": "tensorflow", "version": version}}
    )


@pytest.fixture
def code(tmp_path: Path) -> Zip:
    """Return a function that packages a program anew, as each run of a DAG does."""

    def package(program: str) -> Path:
        folder = tmp_path / uuid4().hex
        folder.mkdir()
        (folder / "train.py").write_text(program)
        archive.pack(folder, target=folder / "code.zip")
        return folder / "code.zip"

    return package


def list_experiments(client: Client, draft: ExperimentDraft) -> list[Experiment]:
    return [one for one in client.send(calls.list_experiments()).resources if one.entity.name == draft.name]


def versions(client: Client, draft: ExperimentDraft) -> list[str]:
    [one] = list_experiments(client, draft)
    listed = client.send(calls.list_versions(one.metadata.guid)).resources
    return [version.entity.experiment_version.url for version in listed]


def stored_program(client: Client, published: PublishedCode, folder: Path) -> str:
    path = client.path_from_url(published.url) + "/content"
    with zipfile.ZipFile(client.send(calls.get_content(path, folder / "stored.zip"))) as opened:
        return opened.read("train.py").decode()


def test_publish_code_reuses_the_version_of_unchanged_code(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    second = publish_code(client, draft, code("print(1)"), reuse=True)
    assert (first.action, second.url) == (CreateExperiment(), first.url)
    assert isinstance(second.action, ReuseVersion)
    assert versions(client, draft) == [first.url]


def test_publish_code_compares_content_and_not_the_zip(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("train.py", "print(1)")
    assert publish_code(client, draft, tmp_path / "other.zip", reuse=True).url == first.url


def test_publish_code_adds_a_version_for_changed_code(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    second = publish_code(client, draft, code("print(2)"), reuse=True)
    assert isinstance(second.action, AddVersion)
    assert versions(client, draft) == [first.url, second.url]
    assert (stored_program(client, first, tmp_path), stored_program(client, second, tmp_path)) == (
        "print(1)",
        "print(2)",
    )


def test_publish_code_compares_the_newest_version_only(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    urls = [publish_code(client, draft, code(f"print({number})"), reuse=True).url for number in (1, 2, 1)]
    assert versions(client, draft) == urls


def test_publish_code_creates_an_experiment_for_another_framework(
    client: Client, draft: ExperimentDraft, code: Zip
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    other = publish_code(client, make_draft(draft.name, "2.21"), code("print(1)"), reuse=True)
    assert other.action == CreateExperiment()
    assert len(list_experiments(client, draft)) == 2
    assert publish_code(client, draft, code("print(1)"), reuse=True).url == first.url


def test_publish_code_without_reuse_always_creates_an_experiment(
    client: Client, draft: ExperimentDraft, code: Zip
) -> None:
    urls = {publish_code(client, draft, code("print(1)"), reuse=False).url for _ in range(2)}
    assert {one.entity.experiment_version.url for one in list_experiments(client, draft)} == urls
    assert len(urls) == 2


def test_publish_code_does_not_fill_an_empty_version(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    """The task that added the version may be uploading its code."""
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    [one] = list_experiments(client, draft)
    empty = client.send(calls.add_version(one.metadata.guid)).entity.experiment_version.url
    third = publish_code(client, draft, code("print(1)"), reuse=True)
    assert versions(client, draft) == [first.url, empty, third.url]
    assert stored_program(client, third, tmp_path) == "print(1)"


def test_publish_code_of_an_unusable_zip_sends_nothing(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    broken = code("print(1)")
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(InvalidBundle):
        publish_code(client, draft, broken, reuse=True)
    assert not list_experiments(client, draft)


def test_publish_code_deletes_a_new_experiment_if_its_upload_fails(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    """The service itself refuses the zip: it accepts no nested folders."""
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "train.py").write_text("print(1)")
    archive.pack(tmp_path, target=tmp_path / "nested.zip", include=["nested"], allow_nested=True)
    with pytest.raises(InvalidRequest, match="nested"):
        publish_code(client, draft, tmp_path / "nested.zip", reuse=True)
    assert not list_experiments(client, draft)

    first = publish_code(client, draft, code("print(1)"), reuse=True)
    with pytest.raises(InvalidRequest, match="nested"):
        publish_code(client, draft, tmp_path / "nested.zip", reuse=True)
    assert len(versions(client, draft)) == 2  # an added version cannot be deleted
    assert versions(client, draft)[0] == first.url


def test_publish_code_accepts_folders_if_the_experiment_opts_in(
    client: Client, draft: ExperimentDraft, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.py").write_text("print(1)")
    archive.pack(tmp_path, target=tmp_path / "nested.zip", include=["model"], allow_nested=True)
    nested = draft.model_copy(update={"nested": True})
    first = publish_code(client, nested, tmp_path / "nested.zip", reuse=True)
    assert publish_code(client, nested, tmp_path / "nested.zip", reuse=True).url == first.url
    with pytest.raises(InvalidRequest, match="nested=True"):
        publish_code(client, draft, tmp_path / "nested.zip", reuse=True)


# ---- servers that list less

PATH = calls.EXPERIMENTS_PATH


@pytest.fixture
def fake_service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def fake_client(fake_service: Service) -> Iterator[Client]:
    with Client(fake_service.url, "dlaas", "pass-word", timeout=TIMEOUT) as opened:
        yield opened


def experiment_json(fake_service: Service, draft: ExperimentDraft, version: str) -> dict[str, object]:
    url = f"{fake_service.url}{PATH}/e"
    return {
        "metadata": {"guid": "e", "url": url, "created_at": TIME, "modified_at": TIME},
        "entity": {
            **draft.model_dump(mode="json"),
            "experiment_version": {
                "guid": version,
                "url": f"{url}/versions/{version}",
                "content_url": f"{url}/versions/{version}/content",
            },
        },
    }


@pytest.mark.parametrize(
    ("listing", "logged"),
    [
        (refuse(404, "not_found"), "Listing the experiments failed"),
        (refuse(405, "method_not_allowed"), "Listing the experiments failed"),
        (reply({"resources": [{"entity": {}}]}), "1 of 1 entries of the list"),
        (reply({"resources": {}}), "Listing the experiments failed"),
    ],
)
def test_publish_code_creates_an_experiment_if_the_list_is_unavailable(
    fake_service: Service,
    fake_client: Client,
    draft: ExperimentDraft,
    code: Zip,
    listing: Answer,
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake_service.script[PATH] = [listing, reply(experiment_json(fake_service, draft, "v"), 201)]
    fake_service.script[f"{PATH}/e/versions/v/content"] = [reply({})]
    with caplog.at_level(logging.WARNING):
        assert publish_code(fake_client, draft, code("print(1)"), reuse=True).action == CreateExperiment()
    assert logged in caplog.text
    assert [one.method for one in fake_service.requests_to(f"{PATH}/e/versions/v/content")] == ["PUT"]


@pytest.mark.parametrize("content", [refuse(404, "not_found"), Answer(302, b"", {"Location": "/x"}), Answer(200, b"?")])
def test_publish_code_adds_a_version_if_the_content_is_unreadable(
    fake_service: Service, fake_client: Client, draft: ExperimentDraft, code: Zip, content: Answer
) -> None:
    fake_service.script[PATH] = [reply({"resources": [experiment_json(fake_service, draft, "v")]})]
    fake_service.script[f"{PATH}/e/versions/v/content"] = [content]
    fake_service.script[f"{PATH}/e"] = [reply(experiment_json(fake_service, draft, "w"), 201)]
    fake_service.script[f"{PATH}/e/versions/w/content"] = [reply({})]
    published = publish_code(fake_client, draft, code("print(1)"), reuse=True)
    assert published == PublishedCode(f"{fake_service.url}{PATH}/e/versions/w", AddVersion("e"))


def test_publish_code_raises_the_upload_error_although_the_deletion_fails(
    fake_service: Service, fake_client: Client, draft: ExperimentDraft, code: Zip
) -> None:
    fake_service.script[PATH] = [reply(experiment_json(fake_service, draft, "v"), 201)]
    fake_service.script[f"{PATH}/e/versions/v/content"] = [refuse(413, "payload_too_large")]
    with pytest.raises(TooLarge):
        publish_code(fake_client, draft, code("print(1)"), reuse=False)
    assert [one.method for one in fake_service.requests_to(f"{PATH}/e")] == ["DELETE"]
