"""The runtimes that come with the package really train: with the page's own command and flags, on real digits."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.runtimes import catalogue

ROOT = Path(__file__).parents[4]

EXAMPLE = ROOT / "example_dags" / "nightly_retrain"

COMMAND = """python3 convolutional_network.py --trainImagesFile ${DATA_DIR}/train-images-idx3-ubyte.gz
 --trainLabelsFile ${DATA_DIR}/train-labels-idx1-ubyte.gz --testImagesFile ${DATA_DIR}/t10k-images-idx3-ubyte.gz
 --testLabelsFile ${DATA_DIR}/t10k-labels-idx1-ubyte.gz --learningRate 0.001 --trainingIters 20000"""

TORCH = """
import os, torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(1)
x = torch.linspace(-1, 1, 200).unsqueeze(1)
net = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(1, 501):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(net(x), torch.sin(3 * x))
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss: {loss.item():.6f}")
writer = SummaryWriter(os.environ["LOG_DIR"] + "/board")
writer.add_scalar("final_loss", loss.item(), 500)
writer.close()
os.mkdir(os.environ["RESULT_DIR"] + "/model")
torch.save(net.state_dict(), os.environ["RESULT_DIR"] + "/model/net.pt")
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def digits() -> ModuleType:
    """The example's own preparation of its data, loaded from the DAG's file as Airflow does."""
    spec = importlib.util.spec_from_file_location("digits", EXAMPLE / "nightly_retrain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _resolved(name: str, version: str):
    return catalogue.load_catalogue().resolve(Framework(name=name, version=version), "python3")


def _accuracy(log: str) -> float:
    return float(re.findall(r"Test\w* Accuracy[=:] ([0-9.]+)", log)[-1])


@pytest.mark.parametrize(
    ("version", "script", "model", "least"),
    [
        (
            "1.2-py3",
            "tests/data/tf1_style_network.py",
            {"model/saved_model.pb", "model/variables/variables.index"},
            0.8,
        ),
        (
            "2.21",
            "example_dags/nightly_retrain/code/convolutional_network.py",
            {"model/model.keras", "model/model.tflite"},
            0.95,
        ),
    ],
)
def test_example_of_2017_trains_digits(job, environments, digits, zipped, version, script, model, least):
    for name, content in digits.idx_files().items():
        job.put(name, content)
    code = zipped({"convolutional_network.py": (ROOT / script).read_text()})
    ended = job.run(COMMAND, code=code, runtime=_resolved("tensorflow", version), environments=environments)
    assert ended.state is TrainingState.COMPLETED, job.logs()
    stored = job.stored()
    log = stored["learner-1/training-log.txt"].decode()
    assert _accuracy(log) >= least, log
    assert model <= stored.keys()
    assert len(job.folder.metrics.read_text().splitlines()) > 10
    if "model/model.tflite" in stored:
        assert digits.held_out_accuracy(stored["model/model.tflite"]) == pytest.approx(_accuracy(log), abs=0.01)


def test_pytorch_trains(job, environments, zipped):
    runtime = _resolved("torch", "2.13")
    ended = job.run("python3 main.py", code=zipped({"main.py": TORCH}), runtime=runtime, environments=environments)
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert "model/net.pt" in job.stored()
    assert '"final_loss"' in job.folder.metrics.read_text()  # from TensorBoard's event file
    losses = re.findall(r"loss: ([0-9.]+)", job.folder.log.read_text())
    assert float(losses[-1]) < 0.01
