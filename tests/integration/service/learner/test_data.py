"""What a training reads from its containers: selected, versioned, reported."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.data_manifest import (
    DataManifest,
    ManifestObject,
    SourceManifest,
    version_object_name,
    version_of,
)
from airflow_dlaas.contract.data_report import DataSourceReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.disk_room import DiskSpace
from airflow_dlaas.service.learner.load_data import DataLoader, LoadOptions
from tests.integration.service.learner.conftest import Job
from tests.memory_store import md5

LIST_FILES = "cd $DATA_DIR; find . -type f | sort"


@pytest.fixture(autouse=True)
def _without_isolation(job: Job) -> None:
    """How a command is isolated changes nothing about what is loaded."""
    job.isolation = "none"


def put_all(job: Job, *names: str) -> None:
    for name in names:
        job.put(name, name.encode())


def put_version(job: Job, names: dict[str, str], prefix: str | None = None) -> str:
    """Store the manifest of a version with the objects *names*, given with their contents; return the version."""
    objects = tuple(
        ManifestObject(name=name, size=len(content), digest=f"md5:{md5(content.encode())}")
        for name, content in names.items()
    )
    source = DataSourceReport(name=job.container, type=StoreType.SOFTLAYER, prefix=prefix)
    version = version_of(objects)
    manifest = SourceManifest(source=source, objects=objects)
    job.put(version_object_name(version), manifest.model_dump_json().encode())
    return version


def manifest_of(stored: dict[str, bytes]) -> DataManifest:
    return DataManifest.model_validate_json(stored["training-data.json"])


def test_prefix_and_patterns_select_the_data(job: Job):
    put_all(job, "digits/train/a.csv", "digits/train/b/c.csv", "digits/train/b/d.txt", "digits/train/x.csv", "other")
    job.run(LIST_FILES, sources=[{"prefix": "digits/train/", "include": ["*.csv"], "exclude": ["x.*"]}])
    assert job.output() == ["./a.csv", "./b/c.csv"]
    (source,) = job.data().report.sources
    assert (source.name, source.prefix, source.files, source.bytes) == (job.container, "digits/train", 2, 38)
    assert job.data().report.manifest == f"{job.id}/training-data.json"


def test_sources_of_one_container_have_a_folder_each(job: Job):
    put_all(job, "digits/train/a", "digits/test/b")
    job.run(LIST_FILES, sources=[{"prefix": "digits/train"}, {"prefix": "digits/test"}])
    folders = [f"{job.container}-digits-train", f"{job.container}-digits-test"]
    assert set(job.output()) == {f"./{folders[0]}/a", f"./{folders[1]}/b"}
    assert [one.folder for one in job.data().report.sources] == folders


def test_source_without_data_is_named_in_the_log_of_the_training(job: Job):
    put_all(job, "digits/a")
    job.run(LIST_FILES, sources=[{"prefix": "digits"}, {"prefix": "digts"}])
    log = job.stored()["learner-1/training-log.txt"].decode()
    assert f"Loading the data: Container '{job.container}' has no data under 'digts/'" in log
    assert log.count("has no data") == 1


@pytest.mark.parametrize(("command", "state"), [("true", TrainingState.COMPLETED), ("false", TrainingState.ERROR)])
def test_manifest_of_the_data_is_stored_with_the_results(job: Job, command: str, state: TrainingState):
    put_all(job, "a", "b/c", "training-abcdefghi/.dlaas-training", ".dlaas-versions/0.json")
    assert job.run(command).state is state
    manifest = manifest_of(job.stored())
    assert manifest.training_id == job.id
    (source,) = manifest.sources
    assert [(one.name, one.size, one.digest) for one in source.objects] == [
        ("a", 1, f"md5:{md5(b'a')}"),
        ("b/c", 3, f"md5:{md5(b'b/c')}"),
    ]
    assert source.source.version == version_of(source.objects)
    assert not job.folder.data_manifest.exists()


def test_results_with_the_name_of_the_manifest_do_not_replace_it(job: Job):
    ended = job.run('echo mine > "$RESULT_DIR/training-data.json"')
    assert manifest_of(job.stored()).training_id == job.id
    assert any("training-data.json" in one for one in ended.warnings)


def test_version_is_loaded_without_objects_stored_since(job: Job):
    put_all(job, "data/a", "data/b", "data/later")
    version = put_version(job, {"a": "data/a", "b": "data/b"}, "data")
    job.run(LIST_FILES, sources=[{"version": version}])
    assert job.output() == ["./a", "./b"]
    (source,) = job.data().report.sources
    assert (source.version, source.prefix) == (version, "data")


def test_version_that_is_gone_ends_the_training_with_the_objects(job: Job):
    put_all(job, "a", "c")
    version = put_version(job, {"a": "changed", "b": "missing", "c": "c"})
    ended = job.run("true", sources=[{"version": version}])
    assert (ended.state, ended.code, ended.exit_code) == (TrainingState.ERROR, "C103", None)
    assert f"does not hold version {version} any more: 'b' is missing, 'a' has changed" in (ended.reason or "")


def test_unknown_version_ends_the_training(job: Job):
    ended = job.run("true", sources=[{"version": f"sha256:{0:064}"}])
    assert (ended.code, "has no version" in (ended.reason or "")) == ("C103", True)


def test_prefix_of_results_has_them_as_data(job: Job):
    """To begin with an earlier model."""
    results = ["model/weights", ".dlaas-training", ".dlaas-checkpoints/1/0.json", "learner-1/training-log.txt"]
    put_all(job, "a", *(f"training-abcdefghi/{one}" for one in results))
    job.run(LIST_FILES, sources=[{"prefix": "training-abcdefghi"}])
    assert job.output() == ["./learner-1/training-log.txt", "./model/weights"]


def test_training_without_data_stores_its_results(job: Job):
    ended = job.run('ls -A "$DATA_DIR"; echo 1 > "$RESULT_DIR/model"', sources=[])
    assert (ended.state, job.output()) == (TrainingState.COMPLETED, [])
    stored = job.stored()
    assert (stored["model"], manifest_of(stored).sources) == (b"1\n", ())


def a_loader(job: Job, **options: Any) -> DataLoader:
    spec, definition = read_job_file(job.folder.spec, JobSpec), read_job_file(job.folder.secrets, TrainingDefinition)
    assert spec is not None
    assert definition is not None
    return DataLoader(job.folder, spec, definition, logging.getLogger("test"), LoadOptions(**options))


def test_nothing_is_loaded_if_the_disk_is_too_small_for_all_sources(job: Job, tmp_path: Path):
    put_all(job, "one/a", "two/b")
    job.prepare("true", sources=[{"prefix": "one"}, {"prefix": "two"}])
    loader = a_loader(job, get_space=lambda _: DiskSpace(device=1, free=9))
    with pytest.raises(HostError, match=r"1 bytes are missing\. It needs 10 bytes, and 9 are free"):
        loader.load(tmp_path / "data")
    assert not [one for one in (tmp_path / "data").rglob("*") if one.is_file()]


def test_second_training_takes_its_data_from_the_cache(job: Job, tmp_path: Path):
    put_all(job, "a", "b/c")
    cache = {"path": str(tmp_path / "cache"), "limit": 2**30}
    job.run(f"{LIST_FILES}; cat b/c", data_cache=cache)
    first = job.data().report.sources[0]
    assert (first.cached_files, first.files) == (0, 2)
    second = Job(job.folder.path.with_name("training-second000"), job.connection, job.runner)
    second.isolation, second.container = "none", job.container
    second.run("cat a b/c; echo changed > a; echo changed > $DATA_DIR/b/c", data_cache=cache)
    source = second.data().report.sources[0]
    assert (source.cached_files, source.cached_bytes, source.version) == (2, 4, first.version)
    assert second.output()[0].startswith("ab/c")
    third = Job(job.folder.path.with_name("training-third0000"), job.connection, job.runner)
    third.isolation, third.container = "none", job.container
    third.run("cat a b/c", data_cache=cache)
    assert third.output() == ["ab/c"]


def test_load_log_has_what_was_read(job: Job):
    put_all(job, "a")
    job.run("true")
    log = job.stored()["learner-1/load-data.log"].decode()
    assert f"Loaded container {job.container}: 1 files, 1 bytes" in log
    assert json.loads(job.folder.data_report.read_text())["attempt"] == 1


@pytest.mark.usefixtures("bubblewrap")
def test_sandbox_cannot_change_what_the_cache_gives_to_others(job: Job, tmp_path: Path):
    """Its folders stay writable: only the files are those of the cache."""
    put_all(job, "a", "b/c")
    cache = {"path": str(tmp_path / "cache"), "limit": 2**30}
    command = (
        "echo changed > $DATA_DIR/a && echo FAILED; chmod u+w a; rm -f $JOB_STATE_DIR/data-files/a; "
        'cat a b/c; echo; rm $DATA_DIR/a; echo own > $DATA_DIR/a; cat a; ln -s $DATA_DIR/b/c "$RESULT_DIR/linked"'
    )
    for name in ("training-first0000", "training-second000"):
        one = Job(job.folder.path.with_name(name), job.connection, job.runner)
        one.isolation, one.container = "bubblewrap", job.container
        ended = one.run(command, data_cache=cache)
        assert (ended.state, "FAILED" in one.output()) == (TrainingState.COMPLETED, False)
        assert [line for line in one.output() if "annot" not in line and "not permitted" not in line][-2:] == [
            "ab/c",
            "own",
        ]
        assert one.stored()["linked"] == b"b/c"
        assert not one.folder.subdirectory("data-files").exists()
    assert one.data().report.sources[0].cached_files == 2
