"""Changes of the note and the tags of a training."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.annotate import change_annotations
from airflow_dlaas.contract.annotations import MAX_NOTE_LENGTH, Annotations
from airflow_dlaas.exceptions import InvalidArgument

BEFORE = Annotations(note="old", tags=("a", "b"))


def test_what_is_not_named_stays() -> None:
    assert change_annotations(BEFORE, note=None, add=["c", "a", "c"], remove=["b"]) == Annotations(
        note="old", tags=("a", "c")
    )
    assert change_annotations(BEFORE, note="", add=[], remove=[]) == Annotations(note="", tags=("a", "b"))


@pytest.mark.parametrize(
    ("note", "add", "remove", "message"),
    [
        (None, [], ["x"], "--remove-tag: the training has no tag 'x'"),
        ("x" * (MAX_NOTE_LENGTH + 1), [], [], "^note: "),
        (None, ["a,b"], [], r"^tags\[2\]: "),
    ],
)
def test_invalid_change_is_refused_by_its_field(
    note: str | None, add: list[str], remove: list[str], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        change_annotations(BEFORE, note=note, add=add, remove=remove)
