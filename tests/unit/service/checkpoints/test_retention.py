"""What is deleted, and what stays."""

from __future__ import annotations

from airflow_dlaas.service.checkpoints.manifest import content_name, manifest_name
from airflow_dlaas.service.checkpoints.retention import kept_checkpoints, plan_deletions

ID = "training-x"


def content(attempt: int, digit: str) -> str:
    return content_name(ID, attempt, digit * 32, 1)


def test_newest_checkpoints_are_those_of_the_last_attempt_then_of_the_highest_numbers():
    assert kept_checkpoints([(1, 9), (2, 1), (1, 10), (2, 2)], 3) == [(2, 2), (2, 1), (1, 10)]


def test_contents_that_no_kept_checkpoint_needs_are_deleted_with_older_manifests():
    kept = {(1, 3): {content(1, "a")}, (1, 2): {content(1, "b")}}
    deletions = plan_deletions(ID, 1, kept, [(1, 1), (1, 2), (1, 3)], [content(1, one) for one in "abc"])
    assert deletions.manifests == (manifest_name(ID, 1, 1),)
    assert deletions.contents == (content(1, "c"),)


def test_content_of_an_earlier_attempt_stays_while_a_checkpoint_needs_it():
    kept = {(2, 1): {content(1, "a"), content(2, "b")}}
    deletions = plan_deletions(ID, 2, kept, [(1, 7), (2, 1)], [content(1, "a"), content(1, "c"), content(2, "b")])
    assert deletions.manifests == (manifest_name(ID, 1, 7),)
    assert deletions.contents == (content(1, "c"),)


def test_learner_that_was_given_up_deletes_nothing_of_the_next_attempt():
    kept = {(2, 5): {content(2, "a")}}
    deletions = plan_deletions(ID, 1, kept, [(1, 1), (2, 4), (2, 5)], [content(1, "x"), content(2, "b")])
    assert deletions.manifests == (manifest_name(ID, 1, 1),)
    assert deletions.contents == (content(1, "x"),)
