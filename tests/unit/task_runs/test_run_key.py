"""The tag that ties a training to a task: when it is the same one, and when another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry, earliest_submission, with_run_key, without_run_key

BEGUN = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)

STORED_KEY = "c60a2b8c8b43a0f25efe0ff4ea1d1a6e.5c6a1f7de3a1.2"
"""As releases wrote it before form 2: into triggers, resumptions, XComs and descriptions."""


def context(*, start: datetime | None = BEGUN, clears: int | None = 0, retries: int = 0, **changes: Any) -> Any:
    """The part of a task's context that its tag is made of."""
    own = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "max_tries": retries, "try_number": 1}
    run = SimpleNamespace(start_date=start, run_after=BEGUN - timedelta(hours=1), clear_number=clears)
    return {"ti": SimpleNamespace(**(own | changes)), "dag_run": run, "task": SimpleNamespace(retries=retries)}


def definition(description: str) -> TrainingDefinition:
    return TrainingDefinition.parse(
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
    tags = {RunKey.from_context(context(try_number=number, retries=3)) for number in (1, 2, 3, 4)}
    assert len(tags) == 1


def test_a_clear_and_a_run_made_again_are_other_generations_of_the_same_task() -> None:
    first = RunKey.from_context(context())
    for other in (context(max_tries=1), context(start=BEGUN + timedelta(microseconds=1))):
        tag = RunKey.from_context(other)
        assert tag.task_digest == first.task_digest
        assert tag.generation != first.generation


def test_a_clear_after_retries_was_lowered_is_another_tag_of_the_same_digest() -> None:
    """Tried twice with three retries; cleared with one: `max_tries` is 2 + 1 again."""
    first = RunKey.from_context(context(retries=3, max_tries=3, try_number=2))
    cleared = RunKey.from_context(context(retries=1, max_tries=3, try_number=3, clears=1))
    assert cleared.generation == first.generation
    assert (first.first_try, cleared.first_try) == (1, 3)
    assert cleared.idempotency_key != first.idempotency_key


@pytest.mark.parametrize("changes", [{"map_index": 3}, {"run_id": "s"}, {"task_id": "u"}, {"dag_id": "e"}])
def test_another_task_instance_is_another_task(changes: dict[str, Any]) -> None:
    assert RunKey.from_context(context(**changes)).task_digest != RunKey.from_context(context()).task_digest
    assert RunKey.from_context_v1(context(**changes)).task_digest != RunKey.from_context_v1(context()).task_digest


def test_names_that_only_run_together_are_told_apart() -> None:
    assert (
        RunKey.from_context(context(dag_id="ab", run_id="c")).task_digest
        != RunKey.from_context(context(dag_id="a", run_id="bc")).task_digest
    )


def test_two_airflows_tag_the_same_task_differently() -> None:
    one, other, unknown = (RunKey.from_context(context(), airflow_id=name) for name in ("a", "b", None))
    assert one.task_digest == other.task_digest == unknown.task_digest
    assert len({one.idempotency_key, other.idempotency_key, unknown.idempotency_key}) == 3
    assert unknown.airflow_digest is None


@pytest.mark.parametrize("airflow", ["production", None])
@pytest.mark.parametrize("acknowledges", [True, False])
def test_the_tag_stands_behind_what_the_author_wrote_and_is_read_back(airflow: str | None, acknowledges: bool) -> None:
    tag = RunKey.from_context(
        context(clears=4, retries=1, max_tries=3, try_number=3), airflow_id=airflow, acknowledges=acknowledges
    )
    tag = tag.next_attempt
    description = with_run_key(definition("As I wrote it."), tag).model_definition.description
    assert description == f"As I wrote it. {tag}"
    assert RunKey.from_description(description) == tag == RunKey.parse(tag.idempotency_key)
    assert (tag.attempt, tag.clear_number, tag.first_try) == (1, 4, 3)
    assert without_run_key(description) == "As I wrote it."
    assert len(str(tag)) <= 120


def test_a_stored_key_of_the_earlier_form_is_read_and_written_as_it_was() -> None:
    tag = RunKey.parse(STORED_KEY)
    assert (tag.version, tag.attempt, tag.airflow_digest) == (1, 2, None)
    assert tag.idempotency_key == STORED_KEY
    assert str(tag) == f"[airflow-dlaas {STORED_KEY}]"
    assert RunKey.from_description(f"As I wrote it. [airflow-dlaas {STORED_KEY}]") == tag
    assert tag.next_attempt.idempotency_key == STORED_KEY[:-1] + "3"


def test_the_earlier_form_is_the_one_that_releases_wrote() -> None:
    """SHA-256 of ``[api] base_url``, DAG, run, task and map index, and of the run's start and `max_tries`."""
    import hashlib

    def digest(*parts: str) -> str:
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    from airflow_dlaas.hooks.compat import conf

    base_url = conf.get("api", "base_url", fallback="")
    expected = f"{digest(base_url, 'd', 'r', 't', '-1')[:32]}.{digest(f'{BEGUN.timestamp():.6f}', '0')[:12]}.0"
    assert RunKey.from_context_v1(context()).idempotency_key == expected


def test_tagging_again_leaves_one_tag() -> None:
    first, second = RunKey.from_context(context()), RunKey.from_context(context(max_tries=1))
    for before in (first, RunKey.parse(STORED_KEY)):
        assert with_run_key(with_run_key(definition(""), before), second).model_definition.description == str(second)


@pytest.mark.parametrize("description", ["", "plain words", "[airflow-dlaas k3y]", "[airflow-dlaas 12.34.0]"])
def test_a_description_without_a_tag_has_none(description: str) -> None:
    assert RunKey.from_description(description) is None


@pytest.mark.parametrize("key", ["", "k3y", "12.34.0", "3." + STORED_KEY, STORED_KEY + ".0", STORED_KEY.upper()])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not the key of a training"):
        RunKey.parse(key)


@pytest.mark.parametrize(
    ("retries", "max_tries", "try_number", "first"),
    [
        (0, 0, 1, 1),
        (3, 3, 2, 1),
        (3, 5, 3, 3),  # cleared after two tries
        (1, 3, 3, 3),  # cleared after two tries with three retries, when there was one left
        (3, 0, 1, -2),  # raised before the first try: no clear
        (1, 3, 2, 3),  # lowered between two tries: the first try of no generation that this try belongs to
    ],
)
def test_a_try_knows_the_first_one_of_its_generation(retries: int, max_tries: int, try_number: int, first: int) -> None:
    this = context(retries=retries, max_tries=max_tries, try_number=try_number)
    assert TaskTry.from_context(this) == TaskTry(try_number, first)
    assert 1 <= RunKey.from_context(this).first_try <= try_number


def test_a_run_of_an_airflow_that_counts_no_clears_has_none() -> None:
    del (without := context())["dag_run"].clear_number
    assert (
        RunKey.from_context(without)
        == RunKey.from_context(context(clears=None))
        == RunKey.from_context(context(clears=0))
    )


def test_trainings_of_a_task_are_looked_for_since_its_run_could_first_begin() -> None:
    assert earliest_submission(context()) == BEGUN - timedelta(hours=1)
    assert earliest_submission(context(start=BEGUN - timedelta(days=1))) == BEGUN - timedelta(days=1)
