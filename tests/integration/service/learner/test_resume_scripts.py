"""
The example's scripts, killed at random moments and started again, end with the weights of an undisturbed training.

They run as plain processes with the environments of the runtimes: what is tested is the scripts and the frameworks.
`tests/system/test_resume_training.py` runs the first one with Airflow and the service.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.service.runtimes import catalogue
from airflow_dlaas.service.runtimes.provision import provision_runtime

CODE = Path(__file__).parents[4] / "example_dags" / "resume_training" / "code"

EPOCHS, KILLS = 12, 3

TIMEOUT = 300.0
"""Seconds to wait for a line of a script, on a machine with high load. Imports take the most."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Script:
    """A script with its interpreter and its variables."""

    name: str
    framework: Framework
    requirements: tuple[str, ...] = ()
    """Packages besides those of the runtime."""

    def interpreter(self, environments: Path) -> tuple[str, dict[str, str]]:
        """Make the environment; return its Python, and the variables of the runtime."""
        runtime = catalogue.load_catalogue().resolve(self.framework, "python3")
        runtime = runtime.model_copy(update={"requirements": (*runtime.requirements, *self.requirements)})
        [folder] = provision_runtime(runtime, environments, lambda _line: None).path
        return str(folder / "python"), dict(runtime.env)


SCRIPTS = [
    Script("train.py", Framework(name="torch", version="2.13")),
    Script("train_lightning.py", Framework(name="torch", version="2.13"), ("lightning==2.6.6",)),
    Script("train_keras.py", Framework(name="tensorflow", version="2.21")),
]


class Training:
    """The folders of one training, and its process."""

    def __init__(self, folder: Path, data: Path, script: str, interpreter: str, variables: dict[str, str]) -> None:
        self.folder = folder
        self._command = [interpreter, str(CODE / script), "--epochs", str(EPOCHS)]
        self._environ = os.environ | variables | {"DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"}
        for variable, name in (("CHECKPOINT_DIR", "checkpoints"), ("RESULT_DIR", "results")):
            (folder / name).mkdir(parents=True)
            self._environ[variable] = str(folder / name)

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(self._command, env=self._environ, cwd=self.folder, stdout=log, stderr=log)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def epochs_printed(self) -> int:
        return self.log().count("train_loss")

    def finish(self) -> dict[str, bytes]:
        """Run it to its end; return the weights by name."""
        assert self.start().wait(TIMEOUT) == 0, self.log()
        with np.load(self.folder / "results" / "model" / "weights.npz") as weights:
            return {name: weights[name].tobytes() for name in weights.files}

    def run_and_kill(self, draw: random.Random) -> None:
        """Start it, and kill it some epochs later, at any moment of an epoch."""
        process = self.start()
        wanted = self.epochs_printed() + draw.randrange(1, EPOCHS // (KILLS + 1) + 1)
        until = time.monotonic() + TIMEOUT
        while self.epochs_printed() < wanted and process.poll() is None:
            assert time.monotonic() < until, self.log()
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_killed_script_ends_with_the_weights_of_an_undisturbed_one(
    script: Script, environments: Path, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    digits, data = load_digits(), tmp_path / "data"
    data.mkdir()
    np.savez_compressed(data / "digits.npz", images=digits.images.astype(np.float32) / 16, labels=digits.target)
    interpreter, variables = script.interpreter(environments)
    undisturbed, killed = (
        Training(tmp_path / name, data, script.name, interpreter, variables) for name in ("undisturbed", "killed")
    )
    expected, draw = undisturbed.finish(), random.Random(seed)
    for _ in range(KILLS):
        killed.run_and_kill(draw)
    assert list((killed.folder / "checkpoints").iterdir())
    assert killed.finish() == expected, f"seed {seed}: {killed.log()}"
    assert killed.epochs_printed() < EPOCHS * (KILLS + 1), "it began from zero after each kill"
