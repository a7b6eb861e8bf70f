"""What follows from the options of `train` alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.cli.train.options import DataSource, default_name, pair_data, require_free_output
from airflow_dlaas.exceptions import InvalidArgument


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_data_goes_to_a_container_of_its_name_unless_one_is_given(tmp_path: Path) -> None:
    digits, letters = folder(tmp_path / "digits"), folder(tmp_path / "letters")
    assert pair_data([digits], []) == (DataSource("digits", digits),)
    assert pair_data([digits, letters], ["mine"]) == (DataSource("mine", digits), DataSource("letters", letters))
    assert pair_data([digits], ["mine", "shared"]) == (DataSource("mine", digits), DataSource("shared"))
    assert pair_data([], []) == ()
    assert pair_data([], ["shared"]) == (DataSource("shared"),)


@pytest.mark.parametrize(
    ("paths", "containers", "message"),
    [
        (["a/digits", "b/digits"], [], "'digits' would be used twice"),
        ([], ["a/b"], "--container: 'a/b' is not the name of a container"),
        (["digits"], [""], "--container: '' is not the name of a container"),
    ],
)
def test_unusable_data_is_refused(paths: list[str], containers: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        pair_data([Path(one) for one in paths], containers)


def test_default_name_is_that_of_the_folder_or_of_the_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = folder(tmp_path / "mnist.v2")
    assert default_name(code) == "mnist.v2"
    (tmp_path / "mnist.zip").touch()
    assert default_name(tmp_path / "mnist.zip") == "mnist"
    monkeypatch.chdir(code)
    assert default_name(Path()) == "mnist.v2"


def test_output_must_be_free_before_the_training(tmp_path: Path) -> None:
    require_free_output(None, overwrite=False)
    require_free_output(tmp_path / "new", overwrite=False)
    require_free_output(folder(tmp_path / "empty"), overwrite=False)
    (folder(tmp_path / "used") / "model.bin").touch()
    with pytest.raises(InvalidArgument, match=r"--output: .*used is not empty: .*--overwrite"):
        require_free_output(tmp_path / "used", overwrite=False)
    require_free_output(tmp_path / "used", overwrite=True)
    with pytest.raises(InvalidArgument, match="is a file"):
        require_free_output(tmp_path / "used" / "model.bin", overwrite=True)
