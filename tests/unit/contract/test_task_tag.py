"""The tag that names the Airflow task of a training in its description."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.task_tag import MAX_ID_LENGTH, TaskTag, with_task_tag, without_task_tag

TAG = TaskTag("digits", "train.small-1")


def test_tag_is_readable_and_is_read_from_behind_the_authors_words() -> None:
    assert str(TAG) == "[airflow dag=digits task=train.small-1]"
    description = with_task_tag("As I wrote it.", TAG)
    assert description == "As I wrote it. [airflow dag=digits task=train.small-1]"
    assert TaskTag.from_description(f"{description} [airflow-dlaas k3y]") == TAG
    assert without_task_tag(description) == "As I wrote it."
    assert with_task_tag("", TAG) == str(TAG)


@pytest.mark.parametrize(
    "name", ["ä.b", "日本語", "a b", "a]b [airflow dag=x task=y]", "100%", "%41", "a\nb", "=", " "]
)
def test_every_character_of_an_id_is_kept(name: str) -> None:
    tag = TaskTag(name, f"{name}2")
    assert TaskTag.from_description(str(tag)) == tag
    assert str(tag).count("]") == 1


def test_tag_of_the_author_is_replaced() -> None:
    assert with_task_tag("words [airflow dag=other task=one]", TAG) == f"words  {TAG}".replace("  ", " ")
    assert TaskTag.from_description("[airflow dag=[airflow dag=a task=b]x task=y]" + str(TAG)) == TAG


@pytest.mark.parametrize(
    "description",
    ["", "words", "[airflow dag= task=t]", "[airflow dag=d]", "[airflow-dlaas 12.34.0]", "[airflow dag=a b]"],
)
def test_description_without_a_tag_has_no_task(description: str) -> None:
    assert TaskTag.from_description(description) is None
    assert without_task_tag(description) == description


def test_long_ids_are_cut_always_in_the_same_way() -> None:
    tag = TaskTag("d" * 10_000, "日" * 10_000)
    read = TaskTag.from_description(str(tag))
    assert read == TaskTag("d" * MAX_ID_LENGTH, "日" * MAX_ID_LENGTH)
    assert str(read) == str(tag)
    assert TaskTag.from_description(f"[airflow dag={'d' * 10_000} task=t]") is None


def test_lone_surrogate_and_empty_id_still_make_a_tag() -> None:
    assert TaskTag.from_description(str(TaskTag("\ud800", ""))) == TaskTag("?", " ")
