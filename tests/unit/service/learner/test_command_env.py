from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.environment import SERVICE_VARIABLES
from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.learner.command_env import (
    REPLACEABLE_VARIABLES,
    command_environment,
    data_subfolders,
    log_header,
)
from airflow_dlaas.service.runtimes.provision import RuntimePaths

JOB = JobDirectory(Path("/jobs/training-abcdefghi"))


def execution(**keys: object) -> Execution:
    return Execution.model_validate({"command": "true", "resourceType": "small", **keys})


def spec(**changes: object) -> JobSpec:
    runtime = RuntimeSpec(key="k", kind="venv", provides="TensorFlow 2", env={"TF": "1", "DATA_DIR": "/elsewhere"})
    return JobSpec.model_validate(
        {
            "training_id": "training-abcdefghi",
            "command": "python3 a.py",
            "runtime": runtime,
            "code": "/c.zip",
            "environments": "/e",
            "gpus": ["virtual:0", "virtual:1"],
            **changes,
        }
    )


def test_environment_has_the_names_of_the_contract_and_nothing_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DLAAS_SECRET", "x")
    provision = RuntimePaths((Path("/env/bin"),), (Path("/shim"),), (Path("/lib64"),))
    assert command_environment(JOB, spec(), provision, execution()) == {
        "TF": "1",
        "DATA_DIR": "/jobs/training-abcdefghi/data",
        "DATA": "/jobs/training-abcdefghi/data",
        "RESULT_DIR": "/jobs/training-abcdefghi/results",
        "MODEL_DIR": "/jobs/training-abcdefghi/code",
        "LOG_DIR": "/jobs/training-abcdefghi/logs",
        "CHECKPOINT_DIR": "/jobs/training-abcdefghi/checkpoints",
        "JOB_STATE_DIR": "/jobs/training-abcdefghi",
        "TRAINING_ID": "training-abcdefghi",
        "TRAINING_COMMAND": "python3 a.py",
        "ATTEMPT": "1",
        "GPU_COUNT": "2",
        "NUM_LEARNERS": "1",
        "LEARNER_ID": "1",
        "MASTER_ADDR": "127.0.0.1",
        "LOCAL_WORLD_SIZE": "2",
        "CUDA_VISIBLE_DEVICES": "",
        "PATH": "/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": "/shim:/jobs/training-abcdefghi/code",
        "PYTHONUNBUFFERED": "1",
        "HOME": "/jobs/training-abcdefghi/home",
        "TMPDIR": "/jobs/training-abcdefghi/tmp",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": "/lib64",
    }


def test_attempt_and_resumed_from_name_what_the_command_continues() -> None:
    variables = command_environment(JOB, spec(attempt=3), RuntimePaths(), execution(), resumed_from="training-before")
    assert (variables["ATTEMPT"], variables["RESUMED_FROM"]) == ("3", "training-before")


def test_cuda_visible_devices_names_physical_gpus() -> None:
    assert command_environment(JOB, spec(gpus=["0", "GPU-abc"]), RuntimePaths(), execution())[
        "CUDA_VISIBLE_DEVICES"
    ] == ("0,GPU-abc")


def test_training_command_variable_equals_what_the_shell_gets() -> None:
    variables = command_environment(JOB, spec(command="python3 a.py \\\n  --x 1"), RuntimePaths(), execution())
    assert variables["TRAINING_COMMAND"] == "python3 a.py    --x 1"


def test_variables_of_a_definition_are_between_those_of_the_runtime_and_those_of_the_service() -> None:
    given = execution(environment={"TF": "2", "LANG": "de_DE", "OWN": "é"}, secrets={"HF_TOKEN": "hf_abcdef"})
    variables = command_environment(JOB, spec(), RuntimePaths(), given)
    assert {name: variables[name] for name in ("TF", "LANG", "OWN", "HF_TOKEN", "PYTHONUNBUFFERED")} == {
        "TF": "2",
        "LANG": "de_DE",
        "OWN": "é",
        "HF_TOKEN": "hf_abcdef",
        "PYTHONUNBUFFERED": "1",
    }
    assert variables["DATA_DIR"] == "/jobs/training-abcdefghi/data"  # not the runtime's


def test_no_variable_of_the_service_can_be_set_by_a_definition() -> None:
    """The contract refuses each of them by name."""
    provision = RuntimePaths((), (), (Path("/lib64"),))
    own = set(command_environment(JOB, spec(), provision, execution(), resumed_from="training-before")) - {"TF"}
    assert own - set(REPLACEABLE_VARIABLES) <= SERVICE_VARIABLES


def test_log_header_names_runtime_gpus_and_isolation() -> None:
    assert log_header(spec(), "none (it is switched off)") == (
        "training-abcdefghi runs on TensorFlow 2, no GPU (virtual slots: 2), isolation: none (it is switched off)\n"
    )
    compatible = spec(
        gpus=["3"], runtime=RuntimeSpec(key="k", kind="uv", provides="TF 2 (for 1.2)", compatibility=True)
    )
    assert log_header(compatible, "bubblewrap").splitlines() == [
        "training-abcdefghi runs on TF 2 (for 1.2), GPU 3, isolation: bubblewrap",
        "This is a compatibility entry: a newer version runs in place of the requested one",
    ]


def test_log_header_of_a_further_attempt_has_its_number() -> None:
    assert log_header(spec(attempt=2), "bubblewrap").startswith("training-abcdefghi (attempt 2) runs on TensorFlow 2,")


def test_data_subfolders_for_one_and_several_containers() -> None:
    assert data_subfolders(["a"]) == ["."]
    assert data_subfolders(["a", "b", "a"]) == ["a", "b", "a-2"]
    assert len(set(data_subfolders(["a-2", "a", "a"]))) == 3
