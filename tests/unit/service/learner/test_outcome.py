from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.jobs import JobFolder
from airflow_dlaas.service.learner.outcome import gather


def test_results_logs_and_checkpoints_have_the_contract_s_names(tmp_path: Path) -> None:
    for name in (
        "results/model/a/b.bin",
        "results/notes.txt",
        "checkpoints/c.h5",
        "logs/load-data.log",
        "logs/tb/events",
        "logs/learner.log",
        "data/big.gz",
        "log",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sorted(gather(JobFolder(tmp_path), "training-1")) == [
        "training-1/checkpoints/c.h5",
        "training-1/learner-1/load-data.log",
        "training-1/learner-1/tb/events",
        "training-1/learner-1/training-log.txt",
        "training-1/model/a/b.bin",
        "training-1/notes.txt",
    ]


def test_a_link_is_stored_when_it_points_to_the_job_s_own_files_and_no_other(tmp_path: Path) -> None:
    job, secret = tmp_path / "job", tmp_path / "secret"
    (job / "results").mkdir(parents=True)
    (job / "checkpoints").mkdir()
    secret.touch()
    (job / "spec.json").touch()
    (job / "checkpoints" / "last").touch()
    (job / "results" / "model").symlink_to("../checkpoints/last")
    (job / "results" / "stolen").symlink_to(secret)
    (job / "results" / "mark").symlink_to("../spec.json")
    (job / "results" / "dangling").symlink_to("nowhere")
    assert sorted(gather(JobFolder(job), "t")) == ["t/checkpoints/last", "t/model"]
