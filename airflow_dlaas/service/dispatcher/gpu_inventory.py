"""
Which GPU slots there are.

A slot is a name: a UUID or an index that CUDA_VISIBLE_DEVICES takes, or ``virtual:N`` on a machine without GPUs,
where slots only keep the queue honest.
"""

from __future__ import annotations

import logging
import re
import subprocess

from airflow_dlaas.exceptions import HostError, NotConfigured

log = logging.getLogger(__name__)

VIRTUAL_SLOTS = 4
"""Slots of a machine without GPUs that says nothing else: room for the page's largest training and a small one."""

MOST_SLOTS = 1024
"""The most slots one service takes; a larger number is a typo."""

ASK = ("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")

ASK_LIMIT = 20.0
"""Seconds nvidia-smi may take: without its persistence daemon it first wakes every GPU, some seconds each."""

ACCEPTED = "auto, virtual:N (N slots without devices), or the indices or UUIDs of GPUs, separated by commas"

_DEVICE = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")


def slots(said: str) -> tuple[str, ...]:
    """
    Read the setting: ``auto``, ``virtual:N``, or GPUs by index or UUID. Only ``auto`` looks at the machine.

    :raises NotConfigured: it is none of these.
    :raises HostError: nvidia-smi is there and does not answer.
    """
    if said.strip() == "auto":
        return found_slots()
    return spelled_slots(said)


def spelled_slots(said: str) -> tuple[str, ...]:
    """Read a spelled-out inventory, everything but ``auto``."""
    word, _, number = said.strip().partition(":")
    if word == "virtual":
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MOST_SLOTS:
            raise NotConfigured(f"{said!r} is no inventory of GPUs: virtual:N takes a number from 1 to {MOST_SLOTS}")
        return virtual_slots(int(number))
    devices = tuple(device.strip() for device in said.split(","))
    for device in devices:
        if not _DEVICE.fullmatch(device):
            raise NotConfigured(f"{said!r} is no inventory of GPUs: it takes {ACCEPTED}")
    if len(set(devices)) < len(devices):
        raise NotConfigured(f"{said!r} names a GPU twice")
    return devices


def virtual_slots(number: int) -> tuple[str, ...]:
    """Name *number* slots that are no devices."""
    return tuple(f"virtual:{index}" for index in range(number))


def listed_slots(answer: str) -> tuple[str, ...]:
    """Read the answer to `ASK`, a line ``INDEX, UUID`` for each GPU. UUIDs survive a reboot, indices need not."""
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.splitlines() if line.strip()]
    for row in rows:
        if len(row) != 2 or not _DEVICE.fullmatch(row[1]):
            raise HostError(f"nvidia-smi answered what is no GPU: {', '.join(row)!r}; name the GPUs in DLAAS_GPUS")
    return tuple(uuid for _, uuid in rows)


def found_slots() -> tuple[str, ...]:
    """Ask the machine for its GPUs; one without gets virtual slots."""
    try:
        done = subprocess.run(ASK, capture_output=True, text=True, timeout=ASK_LIMIT, check=True)
    except FileNotFoundError:
        return virtual_slots(VIRTUAL_SLOTS)
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"nvidia-smi did not answer within {ASK_LIMIT:.0f} seconds; name the GPUs in DLAAS_GPUS to do without it"
        ) from error
    except subprocess.CalledProcessError as error:
        # The tools without a driver to talk to, as in many images: no GPUs, but perhaps by mistake.
        said = (error.stdout or error.stderr or "").strip().partition("\n")[0]
        log.warning("nvidia-smi found no GPU (%s); going on with %d virtual slots", said, VIRTUAL_SLOTS)
        return virtual_slots(VIRTUAL_SLOTS)
    return listed_slots(done.stdout) or virtual_slots(VIRTUAL_SLOTS)
