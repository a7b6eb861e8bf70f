"""Hyperparameters of a definition, as a command gets them from the real learner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.runners.local import LocalRunner
from tests.integration.service.learner.test_container import ENGINE, RUNTIME

VALUES = {"lr": 0.01, "batch-size": 32, "amp": True, "opt imizer": "a 'b' $HOME", "gamma": 1e-5}


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo --lr ${HP_lr}\n  --batch-size $HP_BATCH_SIZE", "--lr 0.01 --batch-size 32"),
        ("cd .\necho $HP_LR ${HP_amp:-none} ${HP_unknown:-none}", "0.01 true none"),
        ('python3 -c "import sys; print(sys.argv[1:])" "$HP_opt_imizer"', "[\"a 'b' $HOME\"]"),
        ("echo $HP_gamma", "1e-05"),
        ('test -n "$INNER" && echo ${HP_lr} || INNER=1 bash -c "$TRAINING_COMMAND"', "0.01"),
    ],
)
def test_shell_fills_placeholders_of_hyperparameters(job, command, printed):
    job.hyperparameters = VALUES
    assert job.run(command).exit_code == 0, job.logs()
    assert job.folder.log.read_text().splitlines()[1:] == [printed]


def test_container_gets_the_same_variables_and_the_file(job, tmp_path: Path):
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE.format(calls=tmp_path / "calls"))
    engine.chmod(0o755)
    job.runner = LocalRunner({"PATH": f"{engine.parent}:/usr/bin:/bin"})
    job.hyperparameters = VALUES
    job.run('echo "$HP_OPT_IMIZER" ${HP_lr}; head -c 1 hyperparameters.json', runtime=RUNTIME)
    assert job.folder.log.read_text().splitlines()[1:] == ["a 'b' $HOME 0.01", "{"], job.logs()


def test_file_has_all_hyperparameters_with_their_types(job):
    job.hyperparameters = VALUES
    job.run("cp $MODEL_DIR/hyperparameters.json $RESULT_DIR/found.json")
    assert json.loads(job.stored()["found.json"]) == VALUES, job.logs()


def test_training_without_hyperparameters_has_no_file(job):
    assert job.run("test ! -e hyperparameters.json").exit_code == 0, job.logs()


def test_file_of_the_code_stays(job, zipped):
    job.hyperparameters = VALUES
    job.run("cat hyperparameters.json; echo; echo $HP_lr", code=zipped({"hyperparameters.json": "the author's"}))
    log = job.folder.log.read_text().splitlines()[1:]
    assert log[1:] == ["the author's", "0.01"], job.logs()
    assert log[0].startswith("[dlaas] hyperparameters.json exists in the working directory and stays as it is")


def test_file_of_the_data_stays(job):
    job.hyperparameters = VALUES
    job.put("hyperparameters.json", b"data of the author")
    ended = job.run('grep -q author hyperparameters.json && test "$(cat $DATA_DIR/*)" = "data of the author"')
    assert ended.state is TrainingState.COMPLETED, job.logs()
