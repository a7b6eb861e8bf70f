"""The runtime of `train --here`: the Python that runs the console, an entry of the catalogue, or an image."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from airflow_dlaas.cli.train.framework import choose_runtime, split_framework
from airflow_dlaas.cli.train.options import TrainOptions
from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.job_spec import RuntimeSpec


def choose_here_runtime(
    options: TrainOptions, settings: Settings, slots: tuple[str, ...]
) -> tuple[Framework, RuntimeSpec]:
    """
    Return the framework of the definition, and the runtime that the learner provides for it.

    :raises InvalidArgument: the catalogue has no such entry, or it cannot be used on this machine.
    :raises NotConfigured: the site's catalogue cannot be read.
    """
    if options.execution.image is not None:
        return _from_image(options, options.execution.image)
    return _from_catalogue(options, settings, slots) if options.framework else _own_python()


def gpu_slots(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """
    Return the GPU slots of this machine: those of ``CUDA_VISIBLE_DEVICES`` if it is set, else those of ``DLAAS_GPUS``.

    Empty, or -1, it hides all GPUs, as CUDA reads it; the slots are virtual then.

    :raises NotConfigured: a variable has no list of GPUs.
    :raises HostError: nvidia-smi is installed and does not answer.
    """
    from airflow_dlaas.service.dispatcher.gpu_inventory import (
        DEFAULT_VIRTUAL_SLOTS,
        parse_slots,
        resolve_slots,
        virtual_slots,
    )

    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return resolve_slots(settings.gpus)
    return virtual_slots(DEFAULT_VIRTUAL_SLOTS) if visible.strip() in ("", "-1") else parse_slots(visible)


def _own_python() -> tuple[Framework, RuntimeSpec]:
    version = platform.python_version()
    # Not resolved: the link in a virtual environment leads to its packages, the program behind it does not.
    folder = Path(os.path.abspath(sys.executable)).parent  # noqa: PTH100
    spec = RuntimeSpec(key="here", kind="venv", provides=f"Python {version} ({folder})", python=str(folder))
    return Framework(name="python", version=version), spec


def _from_image(options: TrainOptions, image: str) -> tuple[Framework, RuntimeSpec]:
    name, _, version = (options.framework or "image").partition(":")
    spec = RuntimeSpec(key="here", kind="container", provides=image, image=image)
    return Framework(name=name, version=version or "latest", image=image), spec


def _from_catalogue(options: TrainOptions, settings: Settings, slots: tuple[str, ...]) -> tuple[Framework, RuntimeSpec]:
    from airflow_dlaas.service.runtimes.catalogue import load_catalogue
    from airflow_dlaas.service.runtimes.entry_checks import EntryChecks
    from airflow_dlaas.service.runtimes.probe import check_entry

    name, version = split_framework(options.framework)
    has_gpus = not all(one.startswith("virtual:") for one in slots)
    catalogue = load_catalogue(settings.catalogue, has_gpus=has_gpus, check_entry=EntryChecks(check_entry))
    chosen = choose_runtime(catalogue.list_runtimes(), name, version)
    framework = Framework(name=name, version=version or chosen.version)
    return framework, catalogue.resolve(framework, options.command)
