"""Unchanged code is not uploaded again: against the real service, and against ones that tell less."""

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
    """An experiment that no other test knows."""
    return a_draft(f"reuse-{uuid4().hex[:8]}")


def a_draft(name: str, version: str = "test") -> ExperimentDraft:
    return ExperimentDraft.model_validate(
        {"name": name, "author": "Ann", "framework": {"name": "tensorflow", "version": version}}
    )


@pytest.fixture
def code(tmp_path: Path) -> Zip:
    """Package a program, anew each time, as every run of a DAG does."""

    def package(program: str) -> Path:
        folder = tmp_path / uuid4().hex
        folder.mkdir()
        (folder / "train.py").write_text(program)
        archive.pack(folder, target=folder / "code.zip")
        return folder / "code.zip"

    return package


def ours(client: Client, draft: ExperimentDraft) -> list[Experiment]:
    return [one for one in client.send(calls.list_experiments()).resources if one.entity.name == draft.name]


def versions(client: Client, draft: ExperimentDraft) -> list[str]:
    [one] = ours(client, draft)
    listed = client.send(calls.list_versions(one.metadata.guid)).resources
    return [version.entity.experiment_version.url for version in listed]


def held(client: Client, published: PublishedCode, folder: Path) -> str:
    path = client.path_from_url(published.url) + "/content"
    with zipfile.ZipFile(client.send(calls.get_content(path, folder / "held.zip"))) as opened:
        return opened.read("train.py").decode()


def test_a_second_run_with_unchanged_code_creates_nothing(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    second = publish_code(client, draft, code("print(1)"), reuse=True)
    assert (first.action, second.url) == (CreateExperiment(), first.url)
    assert isinstance(second.action, ReuseVersion)
    assert versions(client, draft) == [first.url]


def test_code_zipped_by_another_program_is_still_unchanged(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("train.py", "print(1)")
    assert publish_code(client, draft, tmp_path / "other.zip", reuse=True).url == first.url


def test_changed_code_becomes_the_next_version(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    second = publish_code(client, draft, code("print(2)"), reuse=True)
    assert isinstance(second.action, AddVersion)
    assert versions(client, draft) == [first.url, second.url]
    assert (held(client, first, tmp_path), held(client, second, tmp_path)) == ("print(1)", "print(2)")


def test_only_the_newest_version_is_compared(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    urls = [publish_code(client, draft, code(f"print({number})"), reuse=True).url for number in (1, 2, 1)]
    assert versions(client, draft) == urls


def test_the_same_name_for_another_framework_is_another_experiment(
    client: Client, draft: ExperimentDraft, code: Zip
) -> None:
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    other = publish_code(client, a_draft(draft.name, "2.21"), code("print(1)"), reuse=True)
    assert other.action == CreateExperiment()
    assert len(ours(client, draft)) == 2
    assert publish_code(client, draft, code("print(1)"), reuse=True).url == first.url


def test_without_reuse_each_run_creates(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    urls = {publish_code(client, draft, code("print(1)"), reuse=False).url for _ in range(2)}
    assert {one.entity.experiment_version.url for one in ours(client, draft)} == urls
    assert len(urls) == 2


def test_an_empty_version_is_not_filled(client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path) -> None:
    """Whoever added it may be uploading."""
    first = publish_code(client, draft, code("print(1)"), reuse=True)
    [one] = ours(client, draft)
    empty = client.send(calls.add_version(one.metadata.guid)).entity.experiment_version.url
    third = publish_code(client, draft, code("print(1)"), reuse=True)
    assert versions(client, draft) == [first.url, empty, third.url]
    assert held(client, third, tmp_path) == "print(1)"


def test_an_unusable_zip_creates_nothing(client: Client, draft: ExperimentDraft, code: Zip) -> None:
    broken = code("print(1)")
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(InvalidBundle):
        publish_code(client, draft, broken, reuse=True)
    assert not ours(client, draft)


def test_a_new_experiment_goes_again_if_its_upload_fails(
    client: Client, draft: ExperimentDraft, code: Zip, tmp_path: Path
) -> None:
    """The service decides on its own what it takes: this one takes no nested folders."""
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "train.py").write_text("print(1)")
    archive.pack(tmp_path, target=tmp_path / "nested.zip", include=["nested"], allow_nested=True)
    with pytest.raises(InvalidRequest, match="nested"):
        publish_code(client, draft, tmp_path / "nested.zip", reuse=True)
    assert not ours(client, draft)

    first = publish_code(client, draft, code("print(1)"), reuse=True)
    with pytest.raises(InvalidRequest, match="nested"):
        publish_code(client, draft, tmp_path / "nested.zip", reuse=True)
    assert len(versions(client, draft)) == 2  # an added version cannot be deleted
    assert versions(client, draft)[0] == first.url


# ---- services that tell less

PATH = calls.EXPERIMENTS_PATH


@pytest.fixture
def foreign() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def abroad(foreign: Service) -> Iterator[Client]:
    with Client(foreign.url, "dlaas", "pass-word", timeout=TIMEOUT) as opened:
        yield opened


def reported(foreign: Service, draft: ExperimentDraft, version: str) -> dict[str, object]:
    url = f"{foreign.url}{PATH}/e"
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
        (refuse(404, "not_found"), "none is reused"),
        (refuse(405, "method_not_allowed"), "none is reused"),
        (reply({"resources": [{"entity": {}}]}), "1 of 1 entries of the list"),
        (reply({"resources": {}}), "none is reused"),
    ],
)
def test_a_service_that_does_not_tell_what_it_has_gets_a_new_experiment(
    foreign: Service,
    abroad: Client,
    draft: ExperimentDraft,
    code: Zip,
    listing: Answer,
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    foreign.script[PATH] = [listing, reply(reported(foreign, draft, "v"), 201)]
    foreign.script[f"{PATH}/e/versions/v/content"] = [reply({})]
    with caplog.at_level(logging.WARNING):
        assert publish_code(abroad, draft, code("print(1)"), reuse=True).action == CreateExperiment()
    assert logged in caplog.text
    assert [one.method for one in foreign.requests_to(f"{PATH}/e/versions/v/content")] == ["PUT"]


@pytest.mark.parametrize("content", [refuse(404, "not_found"), Answer(302, b"", {"Location": "/x"}), Answer(200, b"?")])
def test_content_that_cannot_be_had_or_is_no_zip_counts_as_different(
    foreign: Service, abroad: Client, draft: ExperimentDraft, code: Zip, content: Answer
) -> None:
    foreign.script[PATH] = [reply({"resources": [reported(foreign, draft, "v")]})]
    foreign.script[f"{PATH}/e/versions/v/content"] = [content]
    foreign.script[f"{PATH}/e"] = [reply(reported(foreign, draft, "w"), 201)]
    foreign.script[f"{PATH}/e/versions/w/content"] = [reply({})]
    published = publish_code(abroad, draft, code("print(1)"), reuse=True)
    assert published == PublishedCode(f"{foreign.url}{PATH}/e/versions/w", AddVersion("e"))


def test_why_an_upload_failed_is_said_though_the_deletion_fails_too(
    foreign: Service, abroad: Client, draft: ExperimentDraft, code: Zip
) -> None:
    foreign.script[PATH] = [reply(reported(foreign, draft, "v"), 201)]
    foreign.script[f"{PATH}/e/versions/v/content"] = [refuse(413, "payload_too_large")]
    with pytest.raises(TooLarge):
        publish_code(abroad, draft, code("print(1)"), reuse=False)
    assert [one.method for one in foreign.requests_to(f"{PATH}/e")] == ["DELETE"]
