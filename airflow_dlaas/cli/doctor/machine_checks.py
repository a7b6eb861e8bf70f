"""Checks of the machine that the service runs on: isolation, GPUs, disk space and uv."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from airflow_dlaas.cli.doctor.checks import Check, failed, ok, skipped, warning
from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.exceptions import DlaasError, HostError
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.job_settings import MountRoot

MIN_FREE_BYTES = 1024**3
"""Bytes without which a training can hardly load its data."""

FRAMEWORK_BYTES = 12 * 1024**3
"""Bytes that the largest framework of the catalogue needs, with its libraries for GPUs."""

NAMES = ("isolation", "gpus", "disk", "data cache", "mounts", "results", "uv")
"""The checks, as the output names them."""

BWRAP_PROBE = ("--unshare-pid", "--unshare-ipc", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")
"""A sandbox of the kind of a training's, for a moment."""

BWRAP_TIMEOUT = 20.0
"""Seconds for it to start and end; it takes milliseconds."""


def check_machine(settings: Settings) -> Iterator[Check]:
    """Check this machine with the settings of the service."""
    yield check_isolation(settings.isolation)
    yield check_gpus(settings.gpus)
    yield check_disk(settings.home)
    yield check_data_cache(settings)
    yield check_mounts(settings.mounts)
    yield check_results_store(settings.results_store)
    yield check_uv()


def check_isolation(mode: str, find: Callable[[str], str | None] = shutil.which) -> Check:
    """
    Check that commands of trainings can be isolated.

    :param mode: the setting DLAAS_ISOLATION.
    """
    from airflow_dlaas.service.runtimes.probe_command import command_failure

    if mode == "none":
        return warning("isolation", "it is switched off", "remove DLAAS_ISOLATION=none, unless each user is trusted")
    bwrap = find("bwrap")
    problem = "bubblewrap is not installed" if bwrap is None else None
    if bwrap is not None and (reason := command_failure([bwrap, *BWRAP_PROBE], timeout=BWRAP_TIMEOUT)) is not None:
        problem = f"bubblewrap does not work here: {reason.removeprefix('bwrap: ')}"
    if problem is None:
        return ok("isolation", f"bubblewrap works: {bwrap}")
    way_out = "install it (apt-get install bubblewrap), and permit user namespaces"
    if mode == "bubblewrap":
        return failed("isolation", f"{problem}, and DLAAS_ISOLATION requires it", way_out)
    return warning("isolation", f"{problem}; trainings can read what the service can read", way_out)


def check_gpus(setting: str) -> Check:
    """
    Check that the GPUs of this machine are found.

    :param setting: DLAAS_GPUS.
    """
    from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots

    try:
        slots = resolve_slots(setting)
    except DlaasError as error:
        return failed("gpus", str(error), "correct the driver, or set DLAAS_GPUS")
    if not slots[0].startswith("virtual:"):
        return ok("gpus", f"{len(slots)}: {', '.join(slots)}")
    if setting.startswith("virtual:"):
        return ok("gpus", f"{len(slots)} virtual slots, by DLAAS_GPUS: trainings run on the CPU")
    if shutil.which("nvidia-smi") is None:
        return ok("gpus", f"none, nvidia-smi is not installed; {len(slots)} virtual slots: trainings run on the CPU")
    return warning(
        "gpus", f"nvidia-smi finds none; {len(slots)} virtual slots", "run nvidia-smi, and correct the driver"
    )


def check_disk(home: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Check:
    """Check the free space of the disk with the data directory."""
    existing = next((one for one in (home, *home.parents) if one.exists()), Path("/"))
    if not os.access(existing, os.W_OK):
        return failed("disk", f"{existing} cannot be written", "set DLAAS_HOME to a folder of this user")
    free = usage(existing)[2]
    text = f"{free / 1024**3:.1f} GiB free at {home}"
    if free < MIN_FREE_BYTES:
        return failed("disk", text, "free some space, or set DLAAS_HOME to a larger disk")
    if free < FRAMEWORK_BYTES:
        return warning("disk", text, "a framework with its GPU libraries needs up to 12 GiB: free some space first")
    return ok("disk", text)


def check_data_cache(settings: Settings) -> Check:
    """Check the folder of the cache of training data."""
    from airflow_dlaas.service.config.data_cache import resolve_data_cache

    try:
        cache = resolve_data_cache(settings)
    except OSError as error:
        return failed("data cache", f"the size of its disk is unknown: {error.strerror}", "set DLAAS_DATA_CACHE_LIMIT")
    if cache is None:
        return ok("data cache", "off, by DLAAS_DATA_CACHE: every training fetches all of its data")
    existing = next(one for one in (cache.path, *cache.path.parents) if one.exists())
    if not os.access(existing, os.W_OK):
        return failed("data cache", f"{existing} cannot be written", "set DLAAS_DATA_CACHE to a folder of this user")
    return ok("data cache", f"up to {format_bytes(cache.limit)} at {cache.path}")


def check_mounts(roots: Sequence[MountRoot]) -> Check:
    """Check that the folders exist below which definitions may name mounted ones."""
    from airflow_dlaas.service.mount_roots import MOUNTS_SETTING, describe_roots

    missing = [str(one.path) for one in roots if not one.path.is_dir()]
    if missing:
        way_out = f"mount them, or correct {MOUNTS_SETTING}; trainings that name a folder below them fail"
        return warning("mounts", f"there is no folder {', '.join(missing)} on this machine", way_out)
    return ok("mounts", ", ".join(describe_roots(roots)) or f"none, by {MOUNTS_SETTING}")


def check_results_store(path: Path | None) -> Check:
    """Check the file with the store of results of definitions that name none; sends no request."""
    from airflow_dlaas.service.config.results_store_file import RESULTS_STORE_SETTING, read_results_store

    if path is None:
        return ok("results", "definitions name their own store")
    try:
        results = read_results_store(path, lambda _: True)
        mode = path.stat().st_mode
    except (DlaasError, OSError) as error:
        return failed("results", str(error), f"correct the file, or {RESULTS_STORE_SETTING}")
    text = f"{results.container_ref.container} at {results.connection.url}, for definitions without a store"
    if mode & 0o077:
        return warning("results", f"{text}; other users can read {path}, which has a secret", f"chmod 600 {path}")
    return ok("results", text)


def check_uv() -> Check:
    """Check that uv is there, which installs the frameworks."""
    try:
        from airflow_dlaas.service.runtimes.uv import find_uv

        return ok("uv", find_uv())
    except HostError as error:
        return failed("uv", "uv is not installed", str(error))


def skip_machine(reason: str) -> Iterator[Check]:
    """Return the results for a machine that the service does not run on."""
    return (skipped(name, reason) for name in NAMES)
