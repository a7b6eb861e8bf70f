"""The tag that ties a training to a task: when it is the same one, and when another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.hooks.tag import Tag, earliest, tagged

BEGUN = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)


def context(*, start: datetime | None = BEGUN, **changes: Any) -> Any:
    """The part of a task's context that its tag is made of."""
    own = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "max_tries": 0, "try_number": 1}
    run = SimpleNamespace(start_date=start, run_after=BEGUN - timedelta(hours=1))
    return {"ti": SimpleNamespace(**(own | changes)), "dag_run": run}


def definition(description: str) -> TrainingDefinition:
    return TrainingDefinition.read(
        {
            "model_definition": {
                "name": "n",
                "description": description,
                "definition_location": "/v3/x",
                "framework": {"name": "tensorflow", "version": "1.2-py3"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [
                {
                    "connection": {"auth_url": "http://swift/auth/v1.0", "userId": "a:b", "password": "p"},
                    "source": {"container": "c", "type": "softlayer_objectstore"},
                }
            ],
        }
    )


def test_a_retry_keeps_the_tag() -> None:
    assert Tag.of(context(try_number=3)) == Tag.of(context())


def test_a_clear_and_a_run_made_again_are_other_generations_of_the_same_task() -> None:
    first = Tag.of(context())
    for other in (context(max_tries=1), context(start=BEGUN + timedelta(microseconds=1))):
        tag = Tag.of(other)
        assert tag.task == first.task
        assert tag.generation != first.generation


@pytest.mark.parametrize("changes", [{"map_index": 3}, {"run_id": "s"}, {"task_id": "u"}, {"dag_id": "e"}])
def test_another_task_instance_is_another_task(changes: dict[str, Any]) -> None:
    assert Tag.of(context(**changes)).task != Tag.of(context()).task


def test_names_that_only_run_together_are_told_apart() -> None:
    assert Tag.of(context(dag_id="ab", run_id="c")).task != Tag.of(context(dag_id="a", run_id="bc")).task


def test_the_tag_stands_behind_what_the_author_wrote_and_is_read_back() -> None:
    tag = Tag.of(context()).next
    description = tagged(definition("As I wrote it."), tag).model_definition.description
    assert description == f"As I wrote it. {tag}"
    assert Tag.read(description) == tag == Tag.of_key(tag.key)
    assert tag.attempt == 1


def test_tagging_again_leaves_one_tag() -> None:
    first, second = Tag.of(context()), Tag.of(context(max_tries=1))
    assert tagged(tagged(definition(""), first), second).model_definition.description == str(second)


@pytest.mark.parametrize("description", ["", "plain words", "[airflow-dlaas k3y]", "[airflow-dlaas 12.34.0]"])
def test_a_description_without_a_tag_has_none(description: str) -> None:
    assert Tag.read(description) is None


def test_trainings_of_a_task_are_looked_for_since_its_run_could_first_begin() -> None:
    assert earliest(context()) == BEGUN - timedelta(hours=1)
    assert earliest(context(start=BEGUN - timedelta(days=1))) == BEGUN - timedelta(days=1)
