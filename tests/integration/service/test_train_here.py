"""`airflow-dlaas train --here`: a real learner, and neither a service nor an object store."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import os, pathlib, sys
data = pathlib.Path(os.environ["DATA_DIR"])
print("files", sorted(str(one.relative_to(data)) for one in data.rglob("*")), flush=True)
for epoch in range(1, 4):
    print(f"epoch {epoch} loss: {1 / epoch:.4f}", flush=True)
for name in ("RESULT_DIR", "CHECKPOINT_DIR"):
    target = pathlib.Path(os.environ[name], "model")
    target.mkdir()
    (target / "weights.txt").write_text(pathlib.Path("numbers.txt").read_text())
"""

ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}


@dataclass(frozen=True)
class Desk:
    """A folder of code and a folder of data."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return ENVIRONMENT | {"HOME": str(self.folder), "DLAAS_HOME": str(self.folder / "home"), "NO_COLOR": "1"}

    def arguments(self, *options: str, command: str = "python train.py") -> list[str]:
        code = str(self.folder / "code")
        return [sys.executable, "-m", "airflow_dlaas.cli", "train", code, "--command", command, "--here", *options]

    def train(self, *options: str, command: str = "python train.py") -> subprocess.CompletedProcess[str]:
        line = self.arguments(*options, command=command)
        return subprocess.run(
            line, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=240, check=False
        )

    @contextlib.contextmanager
    def started(self, command: str, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command; it is killed after the block, with all that it has started."""
        line = self.arguments(*options, command=command)
        with subprocess.Popen(
            line, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(psutil.NoSuchProcess):
                    for one in psutil.Process(process.pid).children(recursive=True):
                        one.kill()
                process.kill()

    def left(self) -> set[str]:
        """Return the names in the folder."""
        return {one.name for one in self.folder.iterdir()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name, file, text in (("code", "train.py", SCRIPT), ("digits", "numbers.txt", "1 2 3\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    (tmp_path / "digits" / "more").mkdir()
    (tmp_path / "digits" / "more" / "x").write_text("x")
    return Desk(tmp_path)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read lines up to the first one with *text*."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the output has ended without {text!r}")


def test_train_here_leaves_the_results_and_nothing_else(desk: Desk) -> None:
    done = desk.train("--data", "digits", "--json")
    assert done.returncode == 0, done.stderr
    training = json.loads(done.stdout)
    assert training["entity"]["status"]["state"] == "completed"
    assert "files ['more', 'more/x', 'numbers.txt']" in done.stderr
    assert "epoch 3 loss: 0.3333" in done.stderr
    (results,) = (desk.folder / "results").iterdir()
    assert results.name == training["metadata"]["guid"]
    for name in ("model/weights.txt", "checkpoints/model/weights.txt"):
        assert (results / name).read_text() == "1 2 3\n"
    assert "epoch 3 loss" in (results / "learner-1" / "training-log.txt").read_text()
    assert desk.left() == {"code", "digits", "results"}
    assert sorted(one.name for one in (desk.folder / "digits").iterdir()) == ["more", "numbers.txt"]


def test_data_cannot_be_changed_from_the_sandbox(desk: Desk) -> None:
    done = desk.train("--data", "digits", command="echo y > $DATA_DIR/more/x && echo it-was-written; ls $DATA_DIR")
    if "isolation: bubblewrap" not in done.stdout:
        pytest.skip("there is no sandbox on this machine")
    assert "it-was-written" not in done.stdout
    assert (desk.folder / "digits" / "more" / "x").read_text() == "x"


def test_failed_command_keeps_its_log_and_its_exit_code(desk: Desk) -> None:
    done = desk.train("--quiet", "--output", "out", command="echo words > $RESULT_DIR/w; echo last words; exit 7")
    assert done.returncode == 3
    assert "last words" in done.stderr
    assert "the command exited with 7 (C201)" in done.stderr
    assert (desk.folder / "out" / "w").read_text() == "words\n"
    assert desk.left() == {"code", "digits", "out"}


def test_time_limit_and_bad_input_are_errors(desk: Desk) -> None:
    done = desk.train("--time-limit", "1", "--output", "out", command="sleep 600")
    assert done.returncode == 3
    assert "the command was stopped after 1 seconds, its own time limit" in done.stderr
    for options, message in (
        (("--data", "gone"), "--data: gone does not exist"),
        (("--gpus", "900"), "--gpus: the training needs 900 GPUs, and this machine has"),
        (("--detach",), "--detach: with --here there is no service"),
        (("--attempts", "2", "--resume-from", "here-1"), "--attempts, --resume-from: with --here there is no service"),
        (("--output", "out"), "--output: out is not empty"),
        (("--secret", "A_TOKEN"), "--secret A_TOKEN: this shell has no variable A_TOKEN"),
    ):
        done = desk.train(*options)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert desk.left() == {"code", "digits", "out"}


def test_dry_run_prints_the_definition_without_secrets_and_runs_nothing(desk: Desk) -> None:
    os_environment = desk.environment | {"A_TOKEN": "made-up-secret"}
    line = desk.arguments("--dry-run", "--secret", "A_TOKEN", "--param", "lr=0.1", command="touch $RESULT_DIR/x")
    done = subprocess.run(
        line, env=os_environment, cwd=desk.folder, capture_output=True, text=True, timeout=240, check=True
    )
    execution = json.loads(done.stdout)["model_definition"]["execution"]
    assert execution["hyperparameters"] == {"lr": 0.1}
    assert "A_TOKEN" in execution["secrets"]
    assert "made-up-secret" not in done.stdout + done.stderr
    assert desk.left() == {"code", "digits"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupt_cancels_and_stores_what_the_command_saves(desk: Desk, number: signal.Signals) -> None:
    command = "trap 'echo saved > $RESULT_DIR/s; exit 0' TERM; echo started; sleep 600 & wait"
    with desk.started(command, "--output", "out") as process:
        read_until(process, "started")
        process.send_signal(number)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 4, rest
    assert (desk.folder / "out" / "s").read_text() == "saved\n"
    assert "state       canceled" in rest
    assert desk.left() == {"code", "digits", "out"}


def test_interrupted_command_has_the_grace_of_the_option(desk: Desk) -> None:
    command = "trap '' TERM; echo started; while :; do sleep 0.1; done"
    with desk.started(command, "--output", "out", "--grace", "0.5") as process:
        read_until(process, "started")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 4, rest
    assert "the command gets SIGTERM, and 0.5 seconds to save; Ctrl-C again kills it" in rest
    assert "The command was killed: it had not ended 0.5 seconds after SIGTERM" in rest


def test_second_interrupt_kills_the_command(desk: Desk) -> None:
    command = "trap '' TERM; echo started; while :; do sleep 0.1; done"
    with desk.started(command, "--output", "out") as process:
        read_until(process, "started")
        for message in ("Ctrl-C again kills it", "the command is killed"):
            process.send_signal(signal.SIGINT)
            read_until(process, message)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 3, rest
    assert "The learner has ended without a result" in rest
