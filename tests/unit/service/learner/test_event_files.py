from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.learner.event_files import EventFileReader
from airflow_dlaas.service.learner.metrics_collector import MetricsCollector
from airflow_dlaas.service.metrics.series_names import series_key, series_names
from tests.unit.service.metrics.test_tfevents import event

LOGGER = logging.getLogger("test")


def values(metrics: list[Metric]) -> list[tuple[str, str, int, float]]:
    return [(one.phase, one.values[0].name, one.iteration, one.values[0].value) for one in metrics]


def test_event_files_are_found_in_subfolders_which_give_the_phase(tmp_path: Path) -> None:
    for folder in ("train", "deep/validation"):
        (tmp_path / "logs" / folder).mkdir(parents=True)
        (tmp_path / "logs" / folder / "events.out.tfevents.1.host").write_bytes(event("loss", 0.5, 1))
    found = list(EventFileReader([tmp_path / "logs", tmp_path / "never-made"], LOGGER).read_new())
    assert sorted(values(found)) == [("train", "loss", 1, 0.5), ("validation", "loss", 1, 0.5)]


def test_same_tag_in_four_folders_is_four_series(tmp_path: Path) -> None:
    """The folders are those of PyTorch's ``add_scalars``, and of the two summaries of a GAN."""
    for folder, tag in (("loss_train", "loss"), ("loss_val", "loss"), ("gen", "adv"), ("disc", "adv")):
        (tmp_path / "logs" / "runs" / folder).mkdir(parents=True)
        (tmp_path / "logs" / "runs" / folder / "events.out.tfevents.1").write_bytes(event(tag, 0.5, 1))
    found = list(EventFileReader([tmp_path / "logs"], LOGGER).read_new())
    keys = {series_key(one.phase, one.values[0].name, False, one.event_folder) for one in found}
    assert sorted((key.phase, name) for key, name in series_names(keys).items()) == [
        ("", "disc/adv"),
        ("", "gen/adv"),
        ("train", "loss"),
        ("validation", "loss"),
    ]


@pytest.mark.parametrize(("tag", "axis"), [("epoch_loss", "epoch"), ("loss", "step")])
def test_steps_of_keras_epoch_tags_are_epochs(tmp_path: Path, tag: str, axis: str) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(event(tag, float("nan"), 1))
    [found] = EventFileReader([tmp_path], LOGGER).read_new()
    assert (found.axis, found.event_folder) == (axis, "")
    assert math.isnan(found.values[0].value)


def test_invalid_event_file_is_logged_once(
    tmp_path: Path, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(event("loss", 0.5, 1) + b"\xff" * 100)
    (tmp_path / "read_tfevents.py").write_bytes(b"\xff" * 100)  # has only the word in its name
    follower = EventFileReader([tmp_path], logger)
    # `final` searches for files each time, as happens every few seconds during a training.
    assert [len(list(follower.read_new(final=True))) for _ in range(4)] == [1, 0, 0, 0]
    assert len(caplog.messages) == 1


def test_links_out_of_the_job_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "events.out.tfevents.1").write_bytes(event("loss", 0.5, 1))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "logs" / "events.out.tfevents.2").symlink_to(tmp_path / "elsewhere" / "events.out.tfevents.1")
    assert list(EventFileReader([tmp_path / "logs"], LOGGER).read_new()) == []


def test_names_of_event_files_are_not_taken_from_the_log(tmp_path: Path) -> None:
    (tmp_path / "logs" / "validation").mkdir(parents=True)
    (tmp_path / "logs" / "events.out.tfevents.1").write_bytes(event("loss", 0.5, 1))
    (tmp_path / "logs" / "validation" / "events.out.tfevents.1").write_bytes(event("loss", 0.4, 1))
    (tmp_path / "log").write_text("Iter 1, train_loss= 0.5\nIter 1, loss= 0.5, accuracy= 0.9\nIter 1, val_loss= 9\n")
    follower = MetricsCollector(
        tmp_path / "log", tmp_path / "own", tmp_path / "metrics", event_dirs=[tmp_path / "logs"], logger=LOGGER
    )
    follower.collect(final=True)
    kept = [Metric.model_validate_json(line) for line in (tmp_path / "metrics").read_text().splitlines()]
    names = sorted((one.phase, value.name) for one in kept for value in one.values)
    assert names == [("", "accuracy"), ("", "loss"), ("", "train_loss"), ("validation", "loss")]
