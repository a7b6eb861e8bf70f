"""Secrets in a whole service: none is left after a training, and its command cannot see any."""

from __future__ import annotations

import base64
import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.secret_encryption import ENCRYPTED_PREFIX
from tests.integration.service.conftest import GATE
from tests.running import NO_BUBBLEWRAP

KEEPERS = ("credentials.json", "connections.json", "swift")
"""Files with the keys of the embedded object store. No training can read them."""


def traces(secret: str, files: list[Path]) -> list[Path]:
    spellings = [secret.encode(), secret.encode().hex().encode()]
    spellings += [base64.b64encode(b" " * shift + secret.encode())[4:-4] for shift in range(3)]
    return [one for one in files if any(spelling in content(one) for spelling in spellings)]


def content(file: Path) -> bytes:
    """Return the content of *file*; empty if the learner has removed it meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def kept(home: Path) -> list[Path]:
    """All files of the service without its own keys: database with its logs, job directories, archives."""
    return [one for one in home.rglob("*") if one.is_file() and one.relative_to(home).parts[0] not in KEEPERS]


def test_no_secret_of_a_training_is_left_after_its_end(own_customer):
    service, secret = own_customer.service, own_customer.store["password"]
    done = own_customer.submit("env; cat /proc/*/environ; exit 3")
    stopped = own_customer.running(own_customer.submit("sleep 1000")).id
    own_customer.client.send(calls.cancel_training(stopped))
    assert own_customer.end(done).state is TrainingState.ERROR
    assert own_customer.end(stopped).state is TrainingState.CANCELED
    files = kept(service.home)
    assert {"database.sqlite", "log", "exit.json"} <= {one.name for one in files}
    assert traces(secret, [service.home / "credentials.json"])  # the search works
    assert traces(secret, [*files, service.log]) == []
    sealed = [one.name for one in files if ENCRYPTED_PREFIX.encode() in content(one)]
    assert sealed == []  # the encrypted secrets are removed too
    assert secret not in own_customer.command_output(done)


def test_training_cannot_see_the_service(own_customer):
    service = own_customer.service
    one = own_customer.submit(
        f"cat {service.home}/credentials.json {service.home}/connections.json {service.home}/database.sqlite; "
        f"ls {service.home}/swift {service.home}/blobs; ls {service.home}/jobs; true"
    )
    ended = own_customer.end(one)
    assert ended.state is TrainingState.COMPLETED
    if ended.status.isolation == "none":
        pytest.skip(NO_BUBBLEWRAP)
    output = own_customer.command_output(one)
    assert output.count("No such file or directory") == 5
    assert output.splitlines()[-1] == one
    assert own_customer.store["password"] not in output
    assert ended.status.isolation == "bubblewrap"


PRINTS = rf"""
echo "whole: $HF_TOKEN"
printf %s "parts: ${{HF_TOKEN:0:9}}"; sleep 0.05; echo "${{HF_TOKEN:9}}"
for at in $(seq 0 39); do printf %s "${{HF_TOKEN:at:1}}"; done; echo
printf "bar 1%%"; printf "\rbar $HF_TOKEN 2%%"; sleep 0.05; printf "\r$HF_TOKEN 100%%\n"
printf "user:$HF_TOKEN" | base64 -w0; echo
python3 -c "import os; print(dict(os.environ)); raise RuntimeError(os.environ['HF_TOKEN'])" || true
env
{GATE}
mkfifo "$RESULT_DIR/$HF_TOKEN"
exit 3
"""


def test_secret_variable_is_nowhere_but_in_the_processes_of_its_training(own_customer):
    """A search for the value while the command runs, and after it has printed the value in every way."""
    service, token = own_customer.service, f"hf_{uuid.uuid4().hex}"
    definition = own_customer.definition(PRINTS)
    definition["model_definition"]["execution"]["secrets"] = {"HF_TOKEN": token}
    request = calls.create_training(TrainingDefinition.parse(definition))
    training = own_customer.client.send(request)
    training = own_customer.running(training.id)
    if training.status.isolation == "none":
        pytest.skip(NO_BUBBLEWRAP)
    log = service.home / "jobs" / training.id / "log"
    own_customer.wait(training.id, lambda _: b"TRAINING_ID=" in content(log))  # of `env`, after all the rest
    holders = {name for name, text in process_texts() if token in text}
    assert "bash" in holders  # the search works
    assert holders <= {"bash", "sleep"}  # the command's own
    other = own_customer.submit("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>&1 | tr '\\0' '\\n'; true")
    assert own_customer.end(other).state is TrainingState.COMPLETED
    assert token not in own_customer.command_output(other)
    assert traces(token, [*kept(service.home), service.log]) == []
    own_customer.open_gate(training)
    ended = own_customer.end(training.id)
    assert ended.state is TrainingState.ERROR
    assert "exited with 3" in str(ended.status.error)
    assert any("***" in one for one in ended.status.warnings)
    output = own_customer.command_output(training.id)
    for line in ("whole: ***", "parts: ***", "***", "\rbar *** 2%", "\r*** 100%", "RuntimeError: ***", "HF_TOKEN=***"):
        assert line in output
    everything = [one for one in service.home.rglob("*") if one.is_file()]
    assert "database.sqlite" in {one.name for one in everything}
    assert any(training.id in str(one) for one in everything)
    assert traces(training.id, everything)  # the search works
    assert traces(token, [*everything, service.log]) == []
    for response in (calls.get_training_document(training.id), calls.get_curves(training.id)):
        assert token not in str(own_customer.client.send(response))


def process_texts() -> Iterator[tuple[str, str]]:
    """Yield the name of each process of this machine, with its arguments and its environment."""
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            yield one.name(), "\0".join([*one.cmdline(), *one.environ().values()])
