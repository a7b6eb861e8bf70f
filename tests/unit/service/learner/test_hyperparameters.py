from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.learner.hyperparameters import FILE_KEPT, command_variables, write_hyperparameters
from tests.parameters import DEFINITION


def a_definition(**hyperparameters: object) -> TrainingDefinition:
    model = DEFINITION["model_definition"]
    execution = {**model["execution"], "hyperparameters": hyperparameters}
    connection = {"auth_url": "http://swift", "userId": "u", "password": "p"}
    data = [{**DEFINITION["training_data"][0], "connection": connection}]
    return TrainingDefinition.parse({"model_definition": {**model, "execution": execution}, "training_data": data})


def test_file_and_variables_have_the_hyperparameters(tmp_path: Path) -> None:
    assert write_hyperparameters(a_definition(lr=0.1, name="ü\n"), tmp_path) is None
    assert json.loads((tmp_path / "hyperparameters.json").read_bytes()) == {"lr": 0.1, "name": "ü\n"}
    assert command_variables(a_definition(lr=0.1))["HP_LR"] == "0.1"


def test_no_hyperparameters_write_no_file(tmp_path: Path) -> None:
    assert write_hyperparameters(a_definition(), tmp_path) is None
    assert not list(tmp_path.iterdir())
    assert command_variables(a_definition()) == {}


@pytest.mark.parametrize("kind", ["file", "folder", "link", "link without target"])
def test_whatever_has_the_name_of_the_file_stays(tmp_path: Path, kind: str) -> None:
    code, outside = tmp_path / "code", tmp_path / "outside"
    code.mkdir()
    path = code / "hyperparameters.json"
    if kind == "file":
        path.write_text("own")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(outside)
        if kind == "link":
            outside.write_text("own")
    before = os.lstat(path)
    assert write_hyperparameters(a_definition(lr=1), code) == FILE_KEPT
    assert os.lstat(path) == before
    assert outside.exists() == (kind == "link")
    if kind in ("file", "link"):
        assert path.read_text() == "own"
