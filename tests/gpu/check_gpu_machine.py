"""
Prints what holds on a machine with GPUs, one line for each check: OK, FAILED, or not possible and why.

``python tests/gpu/check_gpu_machine.py [--python PYTHON]``, see docs/gpu.md. It needs this repository and a Python with
PyTorch (by default the one that runs it), no service and no pytest. It changes nothing. The exit code is 1 if a check
failed; a check that is not possible is no failure.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from airflow_dlaas.exceptions import DlaasError  # noqa: E402
from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots  # noqa: E402
from airflow_dlaas.service.job_files import JobDirectory  # noqa: E402
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec  # noqa: E402
from airflow_dlaas.service.learner.command_env import COMMAND_FOLDERS, physical_gpus  # noqa: E402
from airflow_dlaas.service.learner.isolation import detect_isolation  # noqa: E402
from airflow_dlaas.service.learner.usage import UsageMeter  # noqa: E402
from airflow_dlaas.service.process.ports import find_free_port  # noqa: E402
from airflow_dlaas.service.runtimes.provision import RuntimePaths, provision_runtime  # noqa: E402
from tests.gpu import programs  # noqa: E402

PROGRAM_TIMEOUT = 300.0
"""Seconds of one program; the first use of CUDA takes many."""

MIG_DEVICE = re.compile(r"\(UUID: (MIG-[0-9A-Za-z/-]+)\)")


class NotPossible(Exception):
    """The check cannot be made on this machine; the message has the reason."""


class Failed(Exception):
    """What the check expects does not hold."""


@dataclass(frozen=True)
class Machine:
    """The machine, and the Python with PyTorch."""

    python: str
    slots: tuple[str, ...]
    folder: Path

    @property
    def gpus(self) -> tuple[str, ...]:
        """The GPUs. Raises `NotPossible` if there is none."""
        found = tuple(physical_gpus(self.slots))
        if not found:
            raise NotPossible("no GPU")
        return found

    @functools.cached_property
    def has_torch(self) -> bool:
        """Whether PyTorch can be imported."""
        return subprocess.run([self.python, "-c", "import torch"], capture_output=True, check=False).returncode == 0

    def run_torch(self, program: str, **variables: str) -> Any:
        """Run *program*, which prints one line of JSON, in the Python with PyTorch; return what it has printed."""
        if not self.has_torch:
            raise NotPossible(f"{self.python} has no PyTorch; name one by --python")
        return self.run([self.python, "-c", program], {**os.environ, **variables})

    def run(self, line: Sequence[str], environment: Mapping[str, str]) -> Any:
        """Run *line*; return the JSON of its last line."""
        try:
            done = subprocess.run(
                line, env=environment, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"a program has not ended after {PROGRAM_TIMEOUT:.0f} s") from None
        except OSError as error:
            raise NotPossible(f"{line[0]}: {error.strerror}") from error
        if done.returncode != 0 or not done.stdout.strip():
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise Failed(f"a program exited with {done.returncode}: {last}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def run_in_sandbox(self, program: str, gpus: Sequence[str]) -> Any:
        """Run *program* in the sandbox of a training with *gpus*."""
        job = JobDirectory(Path(tempfile.mkdtemp(dir=self.folder)) / "jobs" / "check")
        for name in COMMAND_FOLDERS:
            job.subdirectory(name).mkdir(parents=True)
        runtime = RuntimeSpec(key="check", kind="venv", provides="", python=str(Path(self.python).parent))
        spec = JobSpec(
            training_id="check",
            command="",
            runtime=runtime,
            code=job.path / "code.zip",
            environments=job.path / "environments",
            gpus=tuple(gpus) or ("virtual:0",),
        )
        isolation = detect_isolation(job, spec)
        if isolation.mode != "bubblewrap":
            raise NotPossible(str(isolation.reason))
        paths: RuntimePaths = provision_runtime(runtime, spec.environments, lambda _: None)
        line = isolation.wrap([self.python, "-c", program], job, spec, paths)
        return self.run(line, {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "CUDA_VISIBLE_DEVICES": ",".join(gpus)})


def check_slots(machine: Machine) -> str:
    """Return the GPUs of ``DLAAS_GPUS=auto``."""
    return f"DLAAS_GPUS=auto is {', '.join(machine.gpus)}"


def check_driver(machine: Machine) -> str:
    """Check that PyTorch's CUDA works with the driver: it computes."""
    _ = machine.gpus
    found = machine.run_torch(programs.COMPUTE)
    driver = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader").split("\n")[0]
    if not found["available"]:
        raise Failed(f"PyTorch {found['torch']} with CUDA {found['cuda']} cannot use the driver {driver}")
    return f"PyTorch {found['torch']} with CUDA {found['cuda']} computes with driver {driver}"


def check_devices_in_sandbox(machine: Machine) -> str:
    """Check that the devices are there in the sandbox, and that a training without GPUs has none of them."""
    found = machine.run_in_sandbox(programs.DEVICES, machine.gpus)
    if not any(re.fullmatch(r"nvidia\d+", one) for one in found):
        raise Failed(f"the sandbox has no /dev/nvidiaN, but {', '.join(found) or 'no nvidia device'}")
    without = machine.run_in_sandbox(programs.DEVICES, ())
    if without:
        raise Failed(f"a training without GPUs sees {', '.join(without)}")
    return f"{', '.join(found)}; none without a GPU"


def check_compute_in_sandbox(machine: Machine) -> str:
    """Check that PyTorch computes on the GPU in the sandbox."""
    first = machine.gpus[:1]
    if not machine.has_torch:
        raise NotPossible(f"{machine.python} has no PyTorch; name one by --python")
    found = machine.run_in_sandbox(programs.COMPUTE, first)
    if not found["available"] or found["count"] != 1:
        raise Failed(f"PyTorch sees {found['count']} GPUs in the sandbox of a training with {first[0]}")
    return f"PyTorch sees one GPU, and computes: {found['name']}"


def check_uuid_masks(machine: Machine) -> str:
    """Check that CUDA_VISIBLE_DEVICES selects each GPU by its UUID and by its index."""
    masks = [*machine.gpus, *(str(number) for number in range(len(machine.gpus)) if not _mig_devices())]
    for mask in masks:
        found = machine.run_torch(programs.COMPUTE, CUDA_VISIBLE_DEVICES=mask)
        if found["count"] != 1:
            raise Failed(f"PyTorch sees {found['count']} GPUs with CUDA_VISIBLE_DEVICES={mask}")
    return f"one GPU each with {', '.join(masks)}"


def check_mig_masks(machine: Machine) -> str:
    """Check that CUDA_VISIBLE_DEVICES selects each slice of a GPU (MIG) by its UUID."""
    _ = machine.gpus
    if not (slices := _mig_devices()):
        raise NotPossible("no GPU is divided into slices (MIG)")
    missing = [one for one in slices if one not in machine.slots]
    if missing:
        raise Failed(f"DLAAS_GPUS=auto lacks the slices {', '.join(missing)}")
    for mask in slices:
        found = machine.run_torch(programs.COMPUTE, CUDA_VISIBLE_DEVICES=mask)
        if found["count"] != 1:
            raise Failed(f"PyTorch sees {found['count']} GPUs with CUDA_VISIBLE_DEVICES={mask}")
    return f"one slice each with {', '.join(slices)}"


def check_shared_memory(machine: Machine) -> str:
    """Return the size of /dev/shm in the sandbox: data loaders with several processes use it."""
    found = machine.run_in_sandbox(programs.SHARED_MEMORY, physical_gpus(machine.slots))
    if not found["writable"]:
        raise Failed("/dev/shm cannot be written in the sandbox")
    return f"/dev/shm has {found['bytes'] / 2**30:.1f} GiB in the sandbox without a request for another size"


def check_nccl(machine: Machine) -> str:
    """Check that one process for each GPU can add numbers with the others over NCCL, as torchrun starts them."""
    number = len(machine.gpus)
    if number < 2:
        raise NotPossible("NCCL needs two GPUs, and there is one")
    port = str(find_free_port("127.0.0.1"))
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_WORLD_SIZE": str(number)}
    found = machine.run_torch(programs.ALL_REDUCE, CUDA_VISIBLE_DEVICES=",".join(machine.gpus), **variables)
    expected = number * (number - 1) / 2
    if found != [expected] * number:
        raise Failed(f"all_reduce over {number} processes gives {found}, not {expected} in each")
    return f"all_reduce over {number} processes"


def check_usage(machine: Machine) -> str:
    """Check that the learner measures the use of a GPU while a program computes on it."""
    gpu = machine.gpus[0]
    if not machine.has_torch:
        raise NotPossible(f"{machine.python} has no PyTorch; name one by --python")
    line = [machine.python, "-c", programs.COMPUTE_FOR_LONG]
    with subprocess.Popen(
        line, env={**os.environ, "CUDA_VISIBLE_DEVICES": gpu}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it computes
            measured = UsageMeter([gpu]).measure().gpus
        finally:
            process.kill()
    if not measured or not measured[0].memory_used:
        raise Failed(f"the learner measures nothing of {gpu}: {measured}")
    if measured[0].utilization is None:
        return f"{measured[0].memory_used / 2**20:.0f} MiB; nvidia-smi gives no percentage for {gpu}"
    return f"{measured[0].utilization:.0f} %, {measured[0].memory_used / 2**20:.0f} MiB of {gpu}"


CHECKS: Mapping[str, Callable[[Machine], str]] = {
    "GPU slots": check_slots,
    "CUDA of PyTorch and driver": check_driver,
    "devices in the sandbox": check_devices_in_sandbox,
    "PyTorch in the sandbox": check_compute_in_sandbox,
    "masks by UUID and index": check_uuid_masks,
    "masks of slices (MIG)": check_mig_masks,
    "shared memory in the sandbox": check_shared_memory,
    "NCCL over several processes": check_nccl,
    "use of a GPU": check_usage,
}


def run_check(check: Callable[[Machine], str], machine: Machine) -> tuple[str, str]:
    """Return the outcome of *check* and a text."""
    try:
        return "OK", check(machine)
    except NotPossible as error:
        return "not possible", str(error)
    except (Failed, DlaasError, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        return "FAILED", str(error) or type(error).__name__


def parse_mig_devices(listed: str) -> list[str]:
    """Return the UUIDs of the slices in the output of ``nvidia-smi -L``."""
    return MIG_DEVICE.findall(listed)


def _mig_devices() -> list[str]:
    return parse_mig_devices(_nvidia_smi("-L"))


def _nvidia_smi(*arguments: str) -> str:
    done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all checks; return the exit code."""
    parser = argparse.ArgumentParser(description="Prints what holds on a machine with GPUs.")
    parser.add_argument("--python", default=sys.executable, help="a Python with PyTorch (default: this one)")
    options = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory(prefix="dlaas-gpu-") as folder:
        try:
            slots = resolve_slots("auto")
        except DlaasError as error:
            sys.stdout.write(f"FAILED        GPU slots: {error}\n")
            return 1
        machine = Machine(os.path.abspath(options.python), slots, Path(folder))  # noqa: PTH100 - not resolved
        for name, check in CHECKS.items():
            outcome, text = run_check(check, machine)
            failed = failed or outcome == "FAILED"
            sys.stdout.write(f"{outcome:<13} {name}: {text}\n")
            sys.stdout.flush()  # a check takes long
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
