"""
The GPU slots of this machine.

A slot is a name: a UUID or an index for CUDA_VISIBLE_DEVICES, or ``virtual:N`` on a machine without GPUs, where slots
only limit the number of concurrent trainings.
"""

from __future__ import annotations

import logging
import re
import subprocess

from airflow_dlaas.exceptions import HostError, NotConfigured

log = logging.getLogger(__name__)

DEFAULT_VIRTUAL_SLOTS = 4
"""Slots of a machine without GPUs, by default: enough for the largest training of the v3 API and a small one."""

MAX_SLOTS = 1024
"""Maximum slots of one service; a larger number is a typing error."""

NVIDIA_SMI_COMMAND = ("nvidia-smi", "-L")
"""Lists GPUs and, below each, its slices (MIG devices); the queries of nvidia-smi have no slices.
https://docs.nvidia.com/datacenter/tesla/mig-user-guide/"""

NVIDIA_SMI_TIMEOUT = 20.0
"""Seconds that nvidia-smi may take: without its persistence daemon it first initializes every GPU, for seconds each."""

ACCEPTED_SYNTAX = "auto, virtual:N (N slots without devices), or the indices or UUIDs of GPUs, separated by commas"

_LISTED_DEVICE = re.compile(r"(?P<kind>GPU|MIG) .*\(UUID: (?P<uuid>(GPU|MIG)-[0-9A-Za-z/-]+)\)")

_DEVICE_PATTERN = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")


def resolve_slots(setting: str) -> tuple[str, ...]:
    """
    Return the slots of a setting: ``auto``, ``virtual:N``, or GPUs by index or UUID. Only ``auto`` reads the machine.

    :raises NotConfigured: *setting* is none of these.
    :raises HostError: nvidia-smi is installed and does not answer.
    """
    if setting.strip() == "auto":
        return detect_slots()
    return parse_slots(setting)


def parse_slots(setting: str) -> tuple[str, ...]:
    """Return the slots of a setting other than ``auto``; raise `NotConfigured` if it is invalid."""
    word, _, number = setting.strip().partition(":")
    if word == "virtual":
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MAX_SLOTS:
            raise NotConfigured(f"{setting!r} is no inventory of GPUs: virtual:N takes a number from 1 to {MAX_SLOTS}")
        return virtual_slots(int(number))
    devices = tuple(device.strip() for device in setting.split(","))
    for device in devices:
        if not _DEVICE_PATTERN.fullmatch(device):
            raise NotConfigured(f"{setting!r} is no inventory of GPUs: it takes {ACCEPTED_SYNTAX}")
    if len(set(devices)) < len(devices):
        raise NotConfigured(f"{setting!r} names a GPU twice")
    return devices


def virtual_slots(number: int) -> tuple[str, ...]:
    """Return the names of *number* slots without devices."""
    return tuple(f"virtual:{index}" for index in range(number))


def parse_nvidia_smi(output: str) -> tuple[str, ...]:
    """
    Return the UUIDs in the output of `NVIDIA_SMI_COMMAND`. They survive a reboot, indices may not.

    A GPU that is divided into slices (MIG) is not among them, because CUDA cannot use it as a whole; its slices are.

    :raises HostError: a line has an unknown form.
    """
    found: list[str] = []
    for line in output.splitlines():
        if not line.strip() or line.startswith("No devices"):
            continue
        if (match := _LISTED_DEVICE.fullmatch(line.strip())) is None:
            raise HostError(
                f"nvidia-smi printed a line that names no GPU: {line.strip()!r}; name the GPUs in DLAAS_GPUS"
            )
        if match["kind"] == "MIG" and found and found[-1].startswith("GPU-"):
            found.pop()
        found.append(match["uuid"])
    return tuple(found)


def detect_slots() -> tuple[str, ...]:
    """Return the GPUs of this machine, or virtual slots if it has none."""
    try:
        result = subprocess.run(
            NVIDIA_SMI_COMMAND, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT, check=True
        )
    except FileNotFoundError:
        return virtual_slots(DEFAULT_VIRTUAL_SLOTS)
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"nvidia-smi did not answer within {NVIDIA_SMI_TIMEOUT:.0f} seconds; name the GPUs in DLAAS_GPUS instead"
        ) from error
    except subprocess.CalledProcessError as error:
        # nvidia-smi without a driver, as in many images: there are no GPUs, but perhaps by mistake.
        message = (error.stdout or error.stderr or "").strip().partition("\n")[0]
        log.warning("nvidia-smi found no GPU (%s); continuing with %d virtual slots", message, DEFAULT_VIRTUAL_SLOTS)
        return virtual_slots(DEFAULT_VIRTUAL_SLOTS)
    return parse_nvidia_smi(result.stdout) or virtual_slots(DEFAULT_VIRTUAL_SLOTS)
