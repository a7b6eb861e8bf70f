"""The page of a site's TensorBoard."""

from __future__ import annotations

from airflow_dlaas.integrations.tensorboard import event_log_dir, tensorboard_page_url
from tests.builders import a_training

SITE = "https://tb.example.org/?run={training_id}#{folder}"


def test_the_url_of_a_training_with_event_files_is_filled_in() -> None:
    training = a_training(event_folders=["learner-1/my tb/train", "learner-1/my tb/validation"])
    assert event_log_dir(training) == "learner-1/my tb"
    assert tensorboard_page_url(SITE, training) == "https://tb.example.org/?run=training-AbC_12-xY#learner-1/my%20tb"


def test_the_log_dir_of_unrelated_folders_is_the_root_of_the_results() -> None:
    assert event_log_dir(a_training(event_folders=["a/tb", "learner-1"])) == "."


def test_without_a_site_or_event_files_there_is_no_url() -> None:
    assert tensorboard_page_url(SITE, a_training()) is None
    assert tensorboard_page_url(None, a_training(event_folders=["a"])) is None
