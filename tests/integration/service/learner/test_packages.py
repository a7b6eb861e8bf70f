"""Trainings whose code requires packages, from a folder of wheels and without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.package_settings import PackageSettings
from tests.wheels import make_runtime, write_wheel


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    write_wheel(folder, "toylib", "1.0")
    write_wheel(folder, "toylib", "2.0", requires=["toydep"], script="toyrun")
    write_wheel(folder, "toydep", "0.5")
    return folder


@pytest.fixture
def spec(tmp_path: Path, wheels: Path) -> dict[str, object]:
    """What the jobs of these tests have in common."""
    python = make_runtime(tmp_path / "runtime", rtlib="3.0")
    return {
        "runtime": RuntimeSpec(key="test", kind="venv", provides="a small Python", python=str(python)),
        "environments": tmp_path / "environments",
        "packages": PackageSettings(wheels=wheels, offline=True),
        "visible": (wheels,),
    }


CHECK = "python -c 'import toylib, toydep, rtlib; print(toylib.version, toydep.version, rtlib.version)'"


@pytest.mark.parametrize("isolation", ["none", "auto"])
def test_training_imports_what_its_requirements_name(job, spec, zipped, tmp_path, isolation):
    job.isolation = isolation
    code = zipped({"requirements.txt": "toylib\nrtlib\n"})
    ended = job.run(f"{CHECK}; toyrun; which toyrun", code=code, **spec)
    log = job.folder.log.read_text()
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert "2.0 0.5 3.0\n" in log
    assert f"toylib 2.0 {job.folder.path}/home" in log  # the script runs with the training's own environment
    locked = job.stored()["learner-1/requirements.lock"].decode()
    assert [line.split(" --hash")[0] for line in locked.splitlines()] == ["toydep==0.5", "toylib==2.0"]
    assert (job.folder.path / "requirements.lock").read_text() == locked


def test_pip_install_in_a_command_writes_into_the_training_s_own_environment(job, spec, zipped, tmp_path):
    job.isolation = "none"
    code = zipped({"requirements.txt": "toylib==1.0\n"})
    before = {}

    def content() -> dict[Path, bytes]:
        roots = [tmp_path / "runtime", *(tmp_path / "environments" / "packages").glob("[0-9a-f]*")]
        return {
            path: path.read_bytes()
            for root in roots
            for path in root.rglob("*")
            if path.is_file() and path.suffix not in {".pyc", ".use", ".lock", ".json"}
        }

    job.start(
        f"echo started; while [ ! -e $CHECKPOINT_DIR/gate ]; do sleep 0.05; done; "
        f"pip install toylib==2.0 && {CHECK} && toyrun && python -m pip --version",
        code=code,
        **spec,
    )
    job.wait(lambda: job.log_contains("started"), "the command")
    before = content()
    job.open_gate()
    ended = job.end()
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert "2.0 0.5 3.0\n" in job.folder.log.read_text()
    assert content() == before


@pytest.mark.usefixtures("bubblewrap")
def test_pip_install_works_in_the_sandbox(job, spec, zipped):
    job.isolation = "bubblewrap"
    ended = job.run(f"pip install toylib && {CHECK}", code=zipped({"main.py": ""}), **spec)
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert "2.0 0.5 3.0\n" in job.folder.log.read_text()


def test_requirement_that_cannot_be_had_ends_the_training_with_the_resolver_s_words(job, spec, zipped, tmp_path):
    ended = job.run("echo ran", code=zipped({"requirements.txt": "toylib==9\n"}), **spec)
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C202")
    assert "toylib==9" in str(ended.reason)
    assert not job.log_contains("\nran\n")
    assert not list((tmp_path / "environments" / "packages").glob("*.part"))


def test_runtime_of_a_container_refuses_requirements_with_the_way_out(job, spec, zipped, tmp_path):
    runtime = RuntimeSpec(key="p", kind="prefix", provides="Caffe", path=(str(tmp_path),))
    ended = job.run("true", code=zipped({"requirements.txt": "toylib\n"}), **{**spec, "runtime": runtime})
    assert ended.code == "C202"
    assert "put them into the image" in str(ended.reason)


def test_index_that_does_not_answer_is_the_service_s_error(job, spec, zipped, closed_port, monkeypatch):
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("DLAAS_PACKAGE_INDEX_USER", "builder")
    monkeypatch.setenv("DLAAS_PACKAGE_INDEX_PASSWORD", "the-password-of-the-index")
    job.runner = type(job.runner)()
    packages = PackageSettings(index=f"http://127.0.0.1:{closed_port}/simple")
    ended = job.run("env", code=zipped({"requirements.txt": "toylib\n"}), **{**spec, "packages": packages})
    assert ended.code == "S304", ended
    assert "does not answer" in str(ended.reason)
    assert "the-password-of-the-index" not in str(ended.reason) + job.logs() + job.folder.spec.read_text()


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    from airflow_dlaas.demo import ports

    return ports.find_free_ports()[0]


def test_code_in_packages_is_imported(job, spec, zipped):
    code = zipped(
        {"model/__init__.py": "", "model/net.py": "depth = 7\n", "train.py": "import model.net as n; print(n.depth)"}
    )
    ended = job.run("python train.py", code=code, allow_nested=True, **spec)
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert "\n7\n" in job.folder.log.read_text()
