"""Metrics of a real command: from the event files it writes, and from its log as its definition says."""

from __future__ import annotations

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.job_files import EventDirsFile, read_job_file
from tests.builders import writes_events

WRITES = f"{writes_events('$LOG_DIR/tb/validation')}; echo 'Iter 8, accuracy= 0.5'"


def test_what_a_command_writes_for_tensorboard_is_told_beside_what_it_prints(job):
    assert job.run(WRITES).state is TrainingState.COMPLETED
    told = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert sorted((one.phase, one.iteration, one.values[0].name, one.values[0].value) for one in told) == [
        ("", 8, "accuracy", 0.5),
        ("validation", 7, "loss", 0.25),
    ]
    mark = read_job_file(job.folder.boards, EventDirsFile)
    assert mark is not None
    [folder] = mark.folders
    assert f"{folder}/events.out.tfevents.1.host" in job.stored()


def test_a_definition_s_expression_that_finds_nothing_is_told_in_the_log(job):
    job.definitions = [{"name": "gap", "regex": r"gap ([\d.]+)"}, {"name": "lost", "regex": r"gone ([\d.]+)"}]
    assert job.run("echo gap 0.5, loss= 3").state is TrainingState.COMPLETED
    [told] = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert [(one.name, one.value) for one in told.values] == [("gap", 0.5)]
    assert "[dlaas] Metric 'lost': its expression found no number in this log\n" in job.folder.log.read_text()


def test_a_folder_whose_name_is_no_text_stops_no_metrics(job):
    command = writes_events("$LOG_DIR/$(printf 'tb\\377')") + "; sleep 2; echo 'Iter 8, accuracy= 0.5'"
    assert job.run(command).warnings  # an object store takes no such name
    told = [Metric.model_validate_json(line) for line in job.folder.metrics.read_text().splitlines()]
    assert {one.values[0].name for one in told} == {"loss", "accuracy"}
    mark = read_job_file(job.folder.boards, EventDirsFile)
    assert mark is not None
    assert mark.folders == ("learner-1/tb?",)
