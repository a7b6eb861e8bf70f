"""`airflow-dlaas train` against a real service: through a pipe, in a terminal, and interrupted."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import ContainerNotFound
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer
from tests.waiting import until

SCRIPT = """
import os, pathlib
for epoch in range(1, 4):
    print("\\r10%", end="\\r100%\\n")
    print(f"epoch {epoch} loss: {1 / epoch:.4f}", flush=True)
model = pathlib.Path(os.environ["RESULT_DIR"], "model")
model.mkdir(parents=True, exist_ok=True)
(model / "weights.txt").write_text(pathlib.Path(os.environ["DATA_DIR"], "numbers.txt").read_text())
"""


@dataclass(frozen=True)
class Desk:
    """A folder of code and a folder of data, whose container has a name of its own."""

    service: ServiceProcess
    folder: Path
    container: str

    def arguments(self, *options: str, command: str = "python train.py") -> list[str]:
        return [
            *("train", str(self.folder / "code"), "--command", command, "--framework", "tensorflow:test"),
            *("--data", str(self.folder / self.container), "--name", self.container, *options),
        ]

    def train(self, *options: str, command: str = "python train.py") -> subprocess.CompletedProcess[str]:
        return self.service.console(*self.arguments(*options, command=command))

    @contextlib.contextmanager
    def started(self, *options: str, command: str, stdout: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """Start the command; it is killed after the block."""
        line = [sys.executable, "-m", "airflow_dlaas.cli", *self.arguments(*options, command=command)]
        environment = self.service.environment | {"NO_COLOR": "1", "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
        with subprocess.Popen(line, env=environment, stdout=stdout, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def desk(service: ServiceProcess, tmp_path: Path) -> Desk:
    """Code and data for one test."""
    container = f"desk-{uuid.uuid4().hex[:8]}"
    for name, file, text in (("code", "train.py", SCRIPT), (container, "numbers.txt", "1 2 3\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    return Desk(service, tmp_path, container)


def submitted_id(text: str) -> str:
    found = re.search(r"(training-\S{9}) was submitted", text)
    assert found, text
    return found[1]


def read_until(reader: Any, pattern: str) -> str:
    """Read lines up to the first one with *pattern*; return all of them."""
    text = ""
    for line in reader:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(text)


def test_train_uploads_follows_and_fetches_and_sends_nothing_twice(desk: Desk, customer: Customer) -> None:
    done = desk.train("--follow", "--output", str(desk.folder / "model"))
    assert done.returncode == 0, done.stderr
    assert "100%\nepoch 1 loss: 1.0000\n" in done.stdout
    assert "1 files sent (6 bytes), 0 unchanged" in done.stderr
    assert f"{desk.container}: a new experiment" in done.stderr
    assert "state       completed" in done.stderr
    assert (desk.folder / "model" / "weights.txt").read_text() == "1 2 3\n"

    again = desk.train("--output", str(desk.folder / "model"))
    assert (again.returncode, "--output" in again.stderr, "not empty" in again.stderr) == (1, True, True)
    again = desk.train("--json", "--no-fetch")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("{\n"), "with --json, stdout has nothing else"
    assert "epoch 1 loss" in again.stderr
    assert "0 files sent (0 bytes), 1 unchanged" in again.stderr
    assert "the code is unchanged, nothing to upload" in again.stderr
    listed = customer.client.send(calls.list_experiments()).resources
    (experiment,) = [one for one in listed if one.entity.name == desk.container]
    assert len(customer.client.send(calls.list_versions(experiment.metadata.guid)).resources) == 1


def test_dry_run_and_bad_input_change_nothing(desk: Desk, customer: Customer) -> None:
    done = desk.train("--dry-run")
    assert done.returncode == 0, done.stderr
    assert '"userId"' in done.stdout
    assert customer.store["password"] not in done.stdout + done.stderr
    for options, message in (
        (["--size", "large", "--results", "a/b"], "--results a/b: 'a/b' is not the name of a container"),
        (["--command", " "], "model_definition.execution.command"),
        (["--framework", "tensorflow:9"], "has no tensorflow 9; it has"),
        (["--container", desk.container, "--container", "no-such-container"], "no container 'no-such-container'"),
    ):
        done = desk.train(*options)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    with customer.swift() as swift, pytest.raises(ContainerNotFound):
        swift.check(desk.container)
    listed = customer.client.send(calls.list_experiments()).resources
    assert desk.container not in [one.entity.name for one in listed]


def test_options_of_recovery_are_in_the_definition_and_are_checked_before_the_upload(
    desk: Desk, customer: Customer
) -> None:
    for options, message in (
        (("--recover-exit-code", "75"), "--recover-exit-code: it needs --attempts"),
        (("--attempts", "3", "--recover-exit-code", "1", "--recover-exit-code", "1"), "1 is given twice"),
        (("--grace", "soon"), "--grace: 'soon' is no duration"),
        (("--resume-from", "training-nowhere12"), "--resume-from: there is no training training-nowhere12"),
    ):
        done = desk.train(*options)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    done = desk.train("--attempts", "0")
    assert (done.returncode, "--attempts" in done.stderr) == (2, True), done.stderr
    with pytest.raises(ContainerNotFound), customer.swift() as swift:
        list(swift.list_objects(desk.container))
    first = submitted_id(desk.train("--no-fetch", "--grace", "2m").stderr)
    done = desk.train(
        *("--attempts", "3", "--recover-exit-code", "75", "--recover-exit-code", "137", "--resume-from", first),
        "--no-fetch",
    )
    assert done.returncode == 0, done.stderr
    assert f"resume      {first}" in done.stderr
    sent = customer.client.send(calls.get_training_document(submitted_id(done.stderr)))["entity"]
    assert sent["recovery"] == {"attempts": 3, "exit_codes": [75, 137]}
    assert sent["resume_from"] == first
    assert customer.training(first).entity.model_definition.execution.grace == 120


def test_objects_that_are_not_in_the_folder_are_refused_before_the_upload(desk: Desk, customer: Customer) -> None:
    with customer.swift() as swift:
        swift.create_container(desk.container)
        swift.put(desk.container, "foreign.txt", b"1")
        done = desk.train("--detach")
        assert done.returncode == 1
        assert "the training would get them too: foreign.txt. Add --delete" in done.stderr
        assert [one.name for one in swift.list_objects(desk.container)] == ["foreign.txt"]


def test_failed_training_is_exit_code_3_with_the_end_of_the_log(desk: Desk) -> None:
    done = desk.train("--quiet", command="echo almost done; exit 7")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "almost done" in done.stderr
    assert "the command exited with 7" in done.stderr.splitlines()[-1]


def test_canceled_training_is_exit_code_4(desk: Desk, customer: Customer) -> None:
    with desk.started("--quiet", command=GATE) as process:
        printed = read_until(process.stdout, "was submitted")
        training_id = submitted_id(printed)
        customer.client.send(calls.cancel_training(training_id))
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 4, rest
    assert f"canceled    Training {training_id} was canceled" in rest


def test_interrupt_ends_the_command_and_not_the_training(desk: Desk, customer: Customer) -> None:
    with desk.started(command=f"echo ready; {GATE}") as process:
        training_id = submitted_id(read_until(process.stdout, "^ready"))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{training_id} goes on. To follow it: airflow-dlaas logs {training_id} --follow" in rest
    assert customer.training(training_id).state is TrainingState.RUNNING
    with desk.started("--cancel-on-interrupt", command=f"echo ready; {GATE}") as process:
        second_id = submitted_id(read_until(process.stdout, "^ready"))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert f"{second_id} is being canceled" in rest
    customer.client.send(calls.cancel_training(training_id))
    assert {customer.end(one).state for one in (training_id, second_id)} == {TrainingState.CANCELED}


def test_terminal_shows_the_states_and_a_curve(desk: Desk, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    shown = bytearray()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        process = stack.enter_context(desk.started("--no-fetch", command="python train.py", stdout=theirs))
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            while data := os.read(ours, 65536):
                shown += data
        until(process.poll, lambda code: code is not None)
    assert process.returncode == 0, shown.decode()
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "completed  0:00:0" in screen
    assert re.search(r"0\.3333 ┤", screen), screen
    assert "epoch 3 loss: 0.3333" in screen


def test_training_is_followed_over_its_attempts(desk: Desk) -> None:
    options = ("--attempts", "2", "--recover-exit-code", "75", "--no-fetch")
    done = desk.train(*options, command="echo run $ATTEMPT; touch $CHECKPOINT_DIR/a; [ $ATTEMPT = 2 ] || exit 75")
    assert done.returncode == 0, done.stderr
    assert {"run 1", "run 2"} <= set(done.stdout.splitlines())
    [ended] = [line for line in done.stderr.splitlines() if line.startswith("attempt ")]
    assert re.fullmatch(r"attempt     1 ended: .*75.*; attempt 2 of 2 follows", ended)
    training_id = submitted_id(done.stderr)
    shown = desk.service.console("show", training_id).stdout
    assert "2: from checkpoint 1 of attempt 1" in shown
    listed = desk.service.console("runs", "--name", desk.container).stdout.splitlines()
    assert "ATTEMPT" in listed[0]
    assert "2 of 2" in listed[1]

    done = desk.train(*options, command="exit 75")
    assert done.returncode == 3
    assert "failed after 2 attempts: dl_job_failed: the command exited with 75" in done.stderr
