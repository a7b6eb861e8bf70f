"""Run keys: which tasks and tries have the same one, and how they are written and parsed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry, earliest_submission, with_run_key, without_run_key

BEGUN = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)

STORED_KEY = "c60a2b8c8b43a0f25efe0ff4ea1d1a6e.5c6a1f7de3a1.2"
"""A key of form 1, as earlier releases stored it in triggers, deferred tasks, XComs and descriptions."""


def context(*, start: datetime | None = BEGUN, clears: int | None = 0, retries: int = 0, **changes: Any) -> Any:
    """The part of a task's context that its run key is made of."""
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


def test_a_retry_keeps_the_key() -> None:
    keys = {RunKey.from_context(context(try_number=number, retries=3)) for number in (1, 2, 3, 4)}
    assert len(keys) == 1


def test_a_clear_and_a_recreated_run_are_other_generations_of_the_same_task() -> None:
    first = RunKey.from_context(context())
    for other in (context(max_tries=1), context(start=BEGUN + timedelta(microseconds=1))):
        run_key = RunKey.from_context(other)
        assert run_key.task_digest == first.task_digest
        assert run_key.generation != first.generation


def test_a_clear_with_lowered_retries_has_another_key_with_the_same_generation_digest() -> None:
    """Two tries with three retries, then a clear with one retry: `max_tries` is 2 + 1 again."""
    first = RunKey.from_context(context(retries=3, max_tries=3, try_number=2))
    cleared = RunKey.from_context(context(retries=1, max_tries=3, try_number=3, clears=1))
    assert cleared.generation == first.generation
    assert (first.first_try, cleared.first_try) == (1, 3)
    assert cleared.idempotency_key != first.idempotency_key


@pytest.mark.parametrize("changes", [{"map_index": 3}, {"run_id": "s"}, {"task_id": "u"}, {"dag_id": "e"}])
def test_another_task_instance_is_another_task(changes: dict[str, Any]) -> None:
    assert RunKey.from_context(context(**changes)).task_digest != RunKey.from_context(context()).task_digest
    assert RunKey.from_context_v1(context(**changes)).task_digest != RunKey.from_context_v1(context()).task_digest


def test_names_with_the_same_concatenation_have_different_keys() -> None:
    assert (
        RunKey.from_context(context(dag_id="ab", run_id="c")).task_digest
        != RunKey.from_context(context(dag_id="a", run_id="bc")).task_digest
    )


def test_two_airflows_have_different_keys_for_the_same_task() -> None:
    one, other, unknown = (RunKey.from_context(context(), airflow_id=name) for name in ("a", "b", None))
    assert one.task_digest == other.task_digest == unknown.task_digest
    assert len({one.idempotency_key, other.idempotency_key, unknown.idempotency_key}) == 3
    assert unknown.airflow_digest is None


@pytest.mark.parametrize("airflow", ["production", None])
@pytest.mark.parametrize("acknowledges", [True, False])
def test_the_tag_follows_the_authors_description_and_is_parsed(airflow: str | None, acknowledges: bool) -> None:
    run_key = RunKey.from_context(
        context(clears=4, retries=1, max_tries=3, try_number=3), airflow_id=airflow, acknowledges=acknowledges
    )
    run_key = run_key.next_training
    description = with_run_key(definition("As I wrote it."), run_key).model_definition.description
    assert description == f"As I wrote it. {run_key}"
    assert RunKey.from_description(description) == run_key == RunKey.parse(run_key.idempotency_key)
    assert (run_key.training_number, run_key.clear_number, run_key.first_try) == (1, 4, 3)
    assert without_run_key(description) == "As I wrote it."
    assert len(str(run_key)) <= 120


def test_a_stored_key_of_form_1_is_parsed_and_written_unchanged() -> None:
    run_key = RunKey.parse(STORED_KEY)
    assert (run_key.version, run_key.training_number, run_key.airflow_digest) == (1, 2, None)
    assert run_key.idempotency_key == STORED_KEY
    assert str(run_key) == f"[airflow-dlaas {STORED_KEY}]"
    assert RunKey.from_description(f"As I wrote it. [airflow-dlaas {STORED_KEY}]") == run_key
    assert run_key.next_training.idempotency_key == STORED_KEY[:-1] + "3"


def test_form_1_is_what_earlier_releases_wrote() -> None:
    """SHA-256 of ``[api] base_url``, DAG, run, task and map index, and of the run's start and `max_tries`."""
    import hashlib

    def digest(*parts: str) -> str:
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    from airflow_dlaas.hooks.compat import conf

    base_url = conf.get("api", "base_url", fallback="")
    expected = f"{digest(base_url, 'd', 'r', 't', '-1')[:32]}.{digest(f'{BEGUN.timestamp():.6f}', '0')[:12]}.0"
    assert RunKey.from_context_v1(context()).idempotency_key == expected


def test_a_second_tag_replaces_the_first() -> None:
    first, second = RunKey.from_context(context()), RunKey.from_context(context(max_tries=1))
    for before in (first, RunKey.parse(STORED_KEY)):
        assert with_run_key(with_run_key(definition(""), before), second).model_definition.description == str(second)


@pytest.mark.parametrize("description", ["", "plain words", "[airflow-dlaas k3y]", "[airflow-dlaas 12.34.0]"])
def test_a_description_without_a_tag_has_no_key(description: str) -> None:
    assert RunKey.from_description(description) is None


@pytest.mark.parametrize("key", ["", "k3y", "12.34.0", "3." + STORED_KEY, STORED_KEY + ".0", STORED_KEY.upper()])
def test_an_invalid_key_is_refused(key: str) -> None:
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
        (1, 3, 2, 3),  # lowered between two tries: no generation of this try has that first try
    ],
)
def test_a_try_has_the_number_of_the_first_try_of_its_generation(
    retries: int, max_tries: int, try_number: int, first: int
) -> None:
    this = context(retries=retries, max_tries=max_tries, try_number=try_number)
    assert TaskTry.from_context(this) == TaskTry(try_number, first)
    assert 1 <= RunKey.from_context(this).first_try <= try_number


def test_a_run_of_an_airflow_without_a_clear_counter_has_none() -> None:
    del (without := context())["dag_run"].clear_number
    assert (
        RunKey.from_context(without)
        == RunKey.from_context(context(clears=None))
        == RunKey.from_context(context(clears=0))
    )


def test_the_search_for_trainings_starts_at_the_earliest_start_of_the_run() -> None:
    assert earliest_submission(context()) == BEGUN - timedelta(hours=1)
    assert earliest_submission(context(start=BEGUN - timedelta(days=1))) == BEGUN - timedelta(days=1)
