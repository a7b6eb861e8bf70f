"""The store of results of definitions that name none."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.results_store_file import ResultsStoreFile, read_results_store
from airflow_dlaas.service.object_store_allowlist import ALLOW_ANY, ObjectStoreAllowlist

SECRET = "the-secret-key"
S3: dict[str, Any] = {
    "connection": {"endpoint_url": "https://s3.example.org", "access_key_id": "AK", "secret_access_key": SECRET},
    "target": {"bucket": "results", "type": "s3"},
}


def write(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_file_has_the_connection_and_the_target_as_a_definition_has_them(tmp_path: Path) -> None:
    results = read_results_store(write(tmp_path / "results.json", S3), ALLOW_ANY.allows)
    assert results.container_ref.container == "results"
    assert results.model_dump(mode="json", exclude_unset=True)["target"] == {"container": "results", "type": "s3"}
    assert SECRET not in f"{results!r}{results.model_dump_json()}"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([], "is not valid: (the whole): must be an object"),
        ({**S3, "source": S3["target"]}, "is not valid: source: is not a key"),
        ({"target": S3["target"]}, "connection: is missing"),
        ({**S3, "connection": {**S3["connection"], "key": SECRET}}, "connection.key: is not a key"),
        ({**S3, "target": {"path": "/data", "type": "mount_volume"}}, "target.type: must be an object store"),
    ],
)
def test_message_names_the_file_and_the_field_and_no_value(tmp_path: Path, document: object, message: str) -> None:
    path = write(tmp_path / "results.json", document)
    with pytest.raises(NotConfigured) as raised:
        read_results_store(path, ALLOW_ANY.allows)
    assert str(raised.value).startswith(f"DLAAS_RESULTS_STORE is {path}, which ")
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="cannot be read: No such file"):
        read_results_store(tmp_path / "none.json", ALLOW_ANY.allows)


def test_store_that_the_site_does_not_allow_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"endpoint_url https://s3\.example\.org: add the host to DLAAS_OBJECT_ST"):
        read_results_store(write(tmp_path / "r.json", S3), ObjectStoreAllowlist.parse("s3.example.net").allows)


def test_changed_file_is_read_again_and_a_damaged_one_leaves_the_store_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = write(tmp_path / "results.json", S3)
    store = ResultsStoreFile(path, ALLOW_ANY.allows)
    assert store.current() is store.current()
    write(path, {**S3, "target": {"bucket": "other-results", "type": "s3"}})
    assert store.current().container_ref.container == "other-results"
    for damage in ("{", json.dumps({**S3, "target": None})):
        write(path, damage)
        assert store.current().container_ref.container == "other-results"
    path.unlink()
    assert store.current().container_ref.container == "other-results"
    assert [one.levelname for one in caplog.records] == ["INFO", "ERROR", "ERROR", "ERROR"]
    assert SECRET not in caplog.text
