"""The catalogue of a running service: any framework, a changed file, plain Python, images with a scripted engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import InvalidRequest
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer

ENGINE = """#!/bin/bash
case "$1" in run | exec) ;; *) exit 0;; esac
while [ "${1#docker://}" != registry.example.org/team/jax:1 ]; do
  case "$1" in --workdir=* | --pwd=*) cd "${1#*=}";; esac
  shift
done
shift
exec env -i PATH=/usr/bin:/bin "$@"
"""

ENGINES = ("podman", "docker", "apptainer")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts that play the container engines."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[ServiceProcess]:
    process = ServiceProcess(tmp_path_factory.mktemp("runtimes") / "home", DLAAS_IMAGES="registry.example.org/team/*:*")
    process.environment["PATH"] = f"{programs}:/usr/bin:/bin"
    with closing(process):
        process.start()
        yield process


@pytest.fixture
def customer(service: ServiceProcess) -> Iterator[Customer]:
    with service.client() as client:
        yield Customer(service, client)


def submit(customer: Customer, command: str, **framework: str) -> str:
    document: dict[str, Any] = customer.definition(command, main="import sys; print('runs', sys.prefix)")
    document["model_definition"]["framework"] = framework
    return customer.client.send(calls.create_training(TrainingDefinition.parse(document))).id


def add_entry(service: ServiceProcess, name: str) -> None:
    entry = f"framework='{name}'\nversion='1'\nprovides='{name} of the site'\nkind='venv'\n"
    new = service.catalogue.with_suffix(".new")
    new.write_text(
        f"{service.catalogue.read_text()}\n[[runtime]]\n{entry}python='{Path(sys.executable).parent}'\nprobe='true'\n"
    )
    new.replace(service.catalogue)


def test_framework_that_is_added_while_the_service_runs_can_be_used(customer: Customer) -> None:
    service = customer.service
    with pytest.raises(InvalidRequest, match="There is no our-jax here") as caught:
        submit(customer, "python3 main.py", name="our-jax", version="1")
    assert caught.value.target == "model_definition.framework.name"
    add_entry(service, "our-jax")
    training = customer.end(submit(customer, "python3 main.py", name="Our-JAX", version="1"))
    assert (training.state, training.status.runtime) == (TrainingState.COMPLETED, "our-jax of the site")
    good = service.catalogue.read_text()
    service.catalogue.write_text("[[runtime")
    listed = service.console("runtimes")
    assert "our-jax of the site" in listed.stdout
    assert "is no TOML" in listed.stderr
    assert "is no TOML" in service.console("doctor").stdout
    service.catalogue.write_text(good)
    assert service.console("runtimes").stderr == ""
    assert service.log.read_text().count("Reading the changed catalogue failed") == 1


def test_plain_python_runs_a_script_in_an_environment_of_its_own(customer: Customer) -> None:
    training_id = submit(customer, "python3 main.py", name="python", version="3")
    assert customer.end(training_id).state is TrainingState.COMPLETED
    prefix = Path(customer.command_output(training_id).removeprefix("runs").strip())
    assert prefix.is_relative_to(customer.service.home)  # not the service's own Python, which has packages
    listed = json.loads(customer.service.console("runtimes", "--json").stdout)
    [own] = [one for one in listed["resources"] if one["framework"] == "python" and "3" in one["aliases"]]
    assert (own["kind"], own["prepared"]) == ("uv", True)
    assert own["environment_bytes"] > 0
    assert listed["images"] == "registry.example.org/team/*:*"


@pytest.mark.parametrize("engine", ENGINES)
def test_allowed_image_runs_with_each_engine(customer: Customer, programs: Path, engine: str) -> None:
    for one in ENGINES:  # only one answers; the service's check of a moment ago counts for the others
        (programs / one).write_text(ENGINE if one == engine else "#!/bin/sh\nexit 1\n")
        (programs / one).chmod(0o755)
    image = "registry.example.org/team/jax:1"
    training_id = submit(customer, "echo $TRAINING_ID; pwd", name="a label", version="of mine", image=image)
    training = customer.end(training_id)
    assert (training.state, training.status.isolation) == (TrainingState.COMPLETED, "container"), training.status
    assert training.status.runtime == f"image {image}"
    code = customer.service.home / "jobs" / training_id / "code"
    assert customer.command_output(training_id) == f"{training_id}\n{code}\n"


def test_other_image_is_refused_with_the_setting(customer: Customer) -> None:
    with pytest.raises(InvalidRequest, match=r"allows registry\.example\.org/team/\*:\* .*DLAAS_IMAGES") as caught:
        submit(customer, "true", name="jax", version="1", image="registry.example.org/other/jax:1")
    assert (caught.value.code, caught.value.target) == ("C101", "model_definition.framework.image")
