"""What the learner of `train --here` gets."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.cli.train.execution import ExecutionOptions, ResourceOptions
from airflow_dlaas.cli.train.here import job
from airflow_dlaas.cli.train.here.runtime import choose_here_runtime, gpu_slots
from airflow_dlaas.cli.train.options import CodeSource, DataOptions, DataSource, FollowOptions, TrainOptions
from airflow_dlaas.cli.train.recovery import RecoveryOptions
from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.exceptions import InvalidArgument, NotConfigured
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec

PYTHON = Framework(name="python", version="3")
RUNTIME = RuntimeSpec(key="here", kind="venv", provides="Python")
SLOTS = ("GPU-1", "GPU-2", "GPU-3")


def options(
    code: Path = Path("code"),
    data: tuple[DataSource, ...] = (),
    execution: ExecutionOptions | None = None,
    framework: str = "",
) -> TrainOptions:
    return TrainOptions(
        CodeSource(code), "run", framework, data, execution=execution or ExecutionOptions(), name="mnist"
    )


def spec_of(given: TrainOptions, settings: Settings | None = None, output: Path | None = None) -> JobSpec:
    definition = job.build_here_definition(given, PYTHON)
    folders = job.choose_folders("here-1", output)
    return job.build_spec(given, definition, folders, RUNTIME, Path("/e"), SLOTS, settings or Settings())


def test_job_directory_is_beside_the_results_and_private_to_a_folder(tmp_path: Path) -> None:
    folders = job.choose_folders("here-1", tmp_path / "out")
    assert folders.results == tmp_path / "out"
    assert folders.job.path == tmp_path / ".dlaas" / "jobs" / "here-1"
    default = job.choose_folders("here-1", None)
    assert default.results == Path.cwd() / "results" / "here-1"
    assert default.excluded == Path.cwd() / "results"


def test_ids_sort_by_time_and_differ() -> None:
    ids = {job.make_id(datetime(2026, 12, 1, 5, second, tzinfo=timezone.utc)) for second in (1, 1, 2)}
    assert len(ids) == 3
    assert max(ids).startswith("here-20261201-050200-")


def test_results_inside_the_code_are_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside = job.exclude_results(options(Path()), job.choose_folders("here-1", None))
    assert inside.code.exclude == ("results",)
    assert job.exclude_results(options(tmp_path / "code"), job.choose_folders("here-1", None)).code.exclude == ()
    inside = job.exclude_results(options(Path()), job.choose_folders("here-1", Path("a/b")))
    assert inside.code.exclude == ("a/b",)


def test_spec_has_the_folders_the_slots_and_the_limits_of_the_settings(tmp_path: Path) -> None:
    given = options(
        data=(DataSource("digits", tmp_path),),
        execution=ExecutionOptions(ResourceOptions(gpus=2, cpus=1.5), time_limit=60.0),
    )
    spec = spec_of(given, Settings(run_limit=90.0, visible=(Path("/shared"),)), tmp_path / "out")
    assert spec.folders is not None
    assert [(one.name, one.path) for one in spec.folders.data] == [("digits", tmp_path)]
    assert spec.folders.results == tmp_path / "out"
    assert spec.gpus == SLOTS[:2]
    assert spec.timeout == 90.0, "the learner compares it with the limit of the definition"
    assert (spec.given.gpus, spec.given.cpus) == (2, 1.5)
    assert spec.visible == (Path("/shared"), tmp_path)
    assert spec_of(options()).timeout is None
    assert spec_of(options()).gpus == SLOTS[:1]


def test_more_gpus_than_the_machine_has_are_refused() -> None:
    for resources, message in (
        (ResourceOptions(gpus=4), "--gpus: the training needs 4 GPUs, and this machine has 3"),
        (ResourceOptions(size="large", gpus=None), None),
    ):
        given = options(execution=ExecutionOptions(resources))
        if message is None:
            assert spec_of(given).gpus == SLOTS
            continue
        with pytest.raises(InvalidArgument, match=message):
            spec_of(given)


def test_options_of_a_service_are_refused_by_name() -> None:
    given = TrainOptions(
        CodeSource(Path("code")),
        "run",
        "",
        (DataSource("digits"), DataSource("", mount="/data")),
        data_options=DataOptions(delete=True),
        results="models",
    )
    message = "--data of a store or a mount, --container without --data, --results, --delete, --detach: with --here"
    with pytest.raises(InvalidArgument, match=message):
        job.require_local_options(given, FollowOptions(follow=False))
    job.require_local_options(options(), FollowOptions())


def test_options_of_recovery_are_refused_with_the_reason() -> None:
    given = replace(options(), recovery=RecoveryOptions(3, (75,), "training-1"))
    message = "--attempts, --recover-exit-code, --resume-from: with --here there is no service, which starts further"
    with pytest.raises(InvalidArgument, match=message):
        job.require_local_options(given, FollowOptions())


def test_grace_is_that_of_the_option_within_the_limit_of_the_settings() -> None:
    assert spec_of(options()).grace == DEFAULT_GRACE
    given = options(execution=ExecutionOptions(grace=90.0))
    assert spec_of(given).grace == 90
    with pytest.raises(InvalidArgument, match="--grace: 90 seconds are more than DLAAS_GRACE_LIMIT, 60"):
        spec_of(given, Settings(grace_limit=60.0))


def test_missing_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"--data: .*gone does not exist"):
        job.require_local_data([DataSource("gone", tmp_path / "gone")])


def test_runtime_is_the_own_python_an_entry_of_the_catalogue_or_an_image() -> None:
    framework, runtime = choose_here_runtime(options(), Settings(), ())
    assert (framework.name, runtime.kind, runtime.python) == ("python", "venv", str(Path(sys.executable).parent))
    framework, runtime = choose_here_runtime(options(framework="tensorflow"), Settings(), ())
    assert (framework.name, runtime.kind) == ("tensorflow", "uv")
    image = options(execution=ExecutionOptions(image="repo/image:1"))
    framework, runtime = choose_here_runtime(image, Settings(), ())
    assert (framework.image, runtime.kind, runtime.image) == ("repo/image:1", "container", "repo/image:1")


def test_gpus_are_those_of_the_shell_or_of_the_setting() -> None:
    assert gpu_slots(Settings(gpus="virtual:2"), {}) == ("virtual:0", "virtual:1")
    assert gpu_slots(Settings(gpus="virtual:2"), {"CUDA_VISIBLE_DEVICES": "1,3"}) == ("1", "3")
    assert gpu_slots(Settings(gpus="0"), {"CUDA_VISIBLE_DEVICES": "-1"})[0] == "virtual:0"
    with pytest.raises(NotConfigured, match="no inventory of GPUs"):
        gpu_slots(Settings(), {"CUDA_VISIBLE_DEVICES": "first"})


def test_nothing_slow_is_imported() -> None:
    slow = ("airflow", "sqlalchemy", "fastapi", "swiftclient", "httpx", "requests", "websockets", "alembic")
    code = f"import sys, airflow_dlaas.cli.train.here.run; print([one for one in {slow!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
