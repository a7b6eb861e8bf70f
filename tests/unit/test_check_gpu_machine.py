"""The script for a machine with GPUs: it runs without one, and its checks decide as they state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gpu import check_gpu_machine
from tests.gpu.check_gpu_machine import CHECKS, Machine, parse_mig_devices, run_check

SCRIPT = Path(check_gpu_machine.__file__)

GPUS = ("GPU-0a", "GPU-1b")

LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5ae57d0c-8c8d-4b5c-8f0e-0d2d3d1f7a01)
  MIG 3g.40gb     Device  0: (UUID: MIG-9f3b1e9a-6b1f-5c8e-9d5b-1f6d2c3b4a5e)
  MIG 3g.40gb     Device  1: (UUID: MIG-1a2b3c4d-6b1f-5c8e-9d5b-1f6d2c3b4a5e)
"""


class FakeMachine(Machine):
    """A machine whose programs give recorded answers."""

    answers: tuple[Any, ...] = ()
    has_torch = True  # type: ignore[assignment]

    def run_torch(self, program: str, **variables: str) -> Any:  # noqa: ARG002
        return self.answers[0]

    def run_in_sandbox(self, program: str, gpus: Any) -> Any:  # noqa: ARG002
        return self.answers[0 if gpus else 1]


def outcome(tmp_path: Path, name: str, *answers: Any, gpus: tuple[str, ...] = GPUS) -> tuple[str, str]:
    machine = FakeMachine("python", gpus, tmp_path)
    FakeMachine.answers = answers
    return run_check(CHECKS[name], machine)


def test_without_a_gpu_each_check_prints_why_it_is_not_possible(tmp_path: Path) -> None:
    # The search path without nvidia-smi and bwrap is that of a machine without both.
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(CHECKS)
    assert all(line.startswith("not possible  ") for line in lines)
    assert "not possible  NCCL over several processes: no GPU" in lines
    assert any("bubblewrap is not installed" in line for line in lines)


def test_devices_must_be_in_the_sandbox_only_with_a_gpu(tmp_path: Path) -> None:
    name = "devices in the sandbox"
    assert outcome(tmp_path, name, ["nvidia0", "nvidiactl"], [])[0] == "OK"
    assert outcome(tmp_path, name, ["nvidiactl"], [])[0] == "FAILED"
    assert outcome(tmp_path, name, ["nvidia0"], ["nvidia0"]) == ("FAILED", "a training without GPUs sees nvidia0")


def test_sum_of_all_processes_must_be_right(tmp_path: Path) -> None:
    name = "NCCL over several processes"
    assert outcome(tmp_path, name, [1.0, 1.0])[0] == "OK"
    assert outcome(tmp_path, name, [0.0, 1.0])[0] == "FAILED"
    assert outcome(tmp_path, name, gpus=GPUS[:1]) == ("not possible", "NCCL needs two GPUs, and there is one")


def test_one_gpu_must_be_visible_in_the_sandbox(tmp_path: Path) -> None:
    found = {"available": True, "count": 1, "name": "H100"}
    assert outcome(tmp_path, "PyTorch in the sandbox", found) == ("OK", "PyTorch sees one GPU, and computes: H100")
    assert outcome(tmp_path, "PyTorch in the sandbox", found | {"count": 2})[0] == "FAILED"
    assert outcome(tmp_path, "PyTorch in the sandbox", found | {"available": False})[0] == "FAILED"


def test_failed_check_does_not_stop_the_script(tmp_path: Path) -> None:
    def broken(_machine: Machine) -> str:
        raise KeyError("a program that printed something else")

    assert run_check(broken, Machine("python", GPUS, tmp_path))[0] == "FAILED"


@pytest.mark.parametrize(("text", "number"), [(LISTED, 2), (LISTED.splitlines()[0], 0), ("", 0)])
def test_slices_are_found_by_their_uuids(text: str, number: int) -> None:
    assert len(parse_mig_devices(text)) == number
