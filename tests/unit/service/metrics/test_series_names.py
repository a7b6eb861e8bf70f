from __future__ import annotations

import pytest

from airflow_dlaas.service.metrics.series_names import SeriesKey, series_names


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["runs"], ["adv"]),
        (["runs/gen", "runs/disc"], ["gen/adv", "disc/adv"]),
        (["", "gen"], ["adv", "gen/adv"]),
        (["a/x/tb", "b/x/tb", "b/y/tb"], ["a/x/adv", "b/x/adv", "b/y/adv"]),
        (["one/train", "two/train"], ["one/adv", "two/adv"]),
        (["runs/adv_gen", "runs/adv_disc"], ["gen/adv", "disc/adv"]),
        ([None], ["adv"]),
        ([None, "runs"], [None, "adv"]),
    ],
)
def test_name_has_the_part_of_the_folder_that_distinguishes_it(
    folders: list[str | None], expected: list[str | None]
) -> None:
    keys = [SeriesKey("", "adv", event_folder=folder) for folder in folders]
    names = series_names(keys)
    assert [names.get(key) for key in keys] == expected


def test_only_a_name_of_several_folders_gets_a_folder() -> None:
    keys = [
        SeriesKey("train", "loss", event_folder="run/train"),
        SeriesKey("validation", "loss", event_folder="run/validation"),
        SeriesKey("", "lr", event_folder="run/train"),
    ]
    assert list(series_names(keys).values()) == ["loss", "loss", "lr"]


def test_progress_bar_and_whole_epochs_have_one_name() -> None:
    assert series_names([SeriesKey("", "loss"), SeriesKey("", "loss", True)]) == {
        SeriesKey("", "loss"): "loss",
        SeriesKey("", "loss", True): "loss",
    }
