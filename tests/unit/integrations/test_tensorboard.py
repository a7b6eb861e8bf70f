"""A site's own TensorBoard."""

from __future__ import annotations

from airflow_dlaas.integrations.tensorboard import event_log_dir, tensorboard_page_url
from tests.builders import a_training

SITE = "https://tb.example.org/?run={training_id}#{folder}"


def test_its_address_is_filled_in_where_there_are_event_files() -> None:
    training = a_training(event_folders=["learner-1/my tb/train", "learner-1/my tb/validation"])
    assert event_log_dir(training) == "learner-1/my tb"
    assert tensorboard_page_url(SITE, training) == "https://tb.example.org/?run=training-AbC_12-xY#learner-1/my%20tb"


def test_folders_that_have_nothing_in_common_lie_in_the_results_themselves() -> None:
    assert event_log_dir(a_training(event_folders=["a/tb", "learner-1"])) == "."


def test_without_a_site_or_without_event_files_there_is_no_link() -> None:
    assert tensorboard_page_url(SITE, a_training()) is None
    assert tensorboard_page_url(None, a_training(event_folders=["a"])) is None
