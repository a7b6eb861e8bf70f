"""Metrics of a real command: from its event files, and from its log by its definition."""

from __future__ import annotations

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import EventDirsFile
from tests.builders import writes_events

WRITES = f"{writes_events('$LOG_DIR/tb/validation')}; echo 'Iter 8, accuracy= 0.5'"


def test_metrics_of_event_files_and_log_are_combined(job):
    assert job.run(WRITES).state is TrainingState.COMPLETED
    metrics = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert sorted((one.phase, one.iteration, one.values[0].name, one.values[0].value) for one in metrics) == [
        ("", 8, "accuracy", 0.5),
        ("validation", 7, "loss", 0.25),
    ]
    mark = read_job_file(job.folder.event_dirs, EventDirsFile)
    assert mark is not None
    [folder] = mark.folders
    assert f"{folder}/events.out.tfevents.1.host" in job.stored()


def test_unmatched_metric_definition_is_logged(job):
    job.definitions = [{"name": "gap", "regex": r"gap ([\d.]+)"}, {"name": "lost", "regex": r"gone ([\d.]+)"}]
    assert job.run("echo gap 0.5, loss= 3").state is TrainingState.COMPLETED
    [metrics] = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert [(one.name, one.value) for one in metrics.values] == [("gap", 0.5)]
    assert "[dlaas] Metric 'lost': its expression found no number in this log\n" in job.folder.log.read_text()


def test_folder_with_an_invalid_name_stops_no_metrics(job):
    command = writes_events("$LOG_DIR/$(printf 'tb\\377')") + "; sleep 2; echo 'Iter 8, accuracy= 0.5'"
    assert job.run(command).warnings  # an object store takes no such name
    metrics = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert {one.values[0].name for one in metrics} == {"loss", "accuracy"}
    mark = read_job_file(job.folder.event_dirs, EventDirsFile)
    assert mark is not None
    assert mark.folders == ("learner-1/tb?",)
