"""The options of `train` for resources, variables, hyperparameters, limits, image and watchdog. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_dlaas.contract.hyperparameter_values import Hyperparameter
from airflow_dlaas.exceptions import InvalidArgument

DEFAULT_SIZE = "small"

DURATION_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds of each unit of a duration."""

_DURATION = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,6})?) ?(?P<unit>[smhd]?)")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """How much of a machine the training gets: a size of 2017, or amounts."""

    size: str | None = None
    gpus: int | None = None
    cpus: float | None = None
    memory: str | None = None
    shared_memory: str | None = None

    @property
    def amounts(self) -> dict[str, Any]:
        """The amounts that were given, as `execution.resources` has them."""
        found = {"gpus": self.gpus, "cpus": self.cpus, "memory": self.memory, "shared_memory": self.shared_memory}
        return {name: one for name, one in found.items() if one is not None}

    def document(self) -> dict[str, Any]:
        """
        Return the key of a definition's `execution`.

        :raises InvalidArgument: there is a size and an amount.
        """
        if not self.amounts:
            return {"resourceType": self.size or DEFAULT_SIZE}
        if self.size is not None:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in self.amounts)
            raise InvalidArgument(
                f"--size: leave it out together with {options}: a size is a number of GPUs, as --gpus is"
            )
        return {"resources": {"gpus": 0, **self.amounts}}


@dataclass(frozen=True, slots=True)
class WatchdogOptions:
    """When the training counts as stalled."""

    silent_for: float | None = None
    """Seconds without a line in the log."""
    gpu_below: float | None = None
    """Percent."""
    action: str | None = None

    def document(self) -> dict[str, Any] | None:
        """
        Return the key `watchdog` of a definition; None without a limit.

        :raises InvalidArgument: there is an action and no limit.
        """
        found = {"silent_for": self.silent_for, "gpu_below": self.gpu_below}
        limits = {name: one for name, one in found.items() if one is not None}
        if not limits:
            if self.action is not None:
                raise InvalidArgument("--watchdog-action: it needs --silent-for or --gpu-below, which it acts on")
            return None
        return {**limits, **({"action": self.action} if self.action is not None else {})}


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """What the command gets besides its code and its data."""

    resources: ResourceOptions = ResourceOptions()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    time_limit: float | None = None
    """Seconds."""
    grace: float | None = None
    """Seconds that the command has to save its state when it is stopped."""
    image: str | None = None
    watchdog: WatchdogOptions = WatchdogOptions()

    def document(self) -> dict[str, Any]:
        """Return the keys of a definition's `execution`, but the command; a key that was not given is absent."""
        found: dict[str, Any] = self.resources.document()
        found |= {
            name: dict(one)
            for name, one in (
                ("environment", self.environment),
                ("secrets", self.secrets),
                ("hyperparameters", self.hyperparameters),
            )
            if one
        }
        limits = {"time_limit": self.time_limit, "grace": self.grace}
        return found | {name: one for name, one in limits.items() if one is not None}


def parse_environment(values: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables of ``--env NAME=VALUE``; the value of ``--env NAME`` comes from *environ*.

    :raises InvalidArgument: *environ* has no such variable, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals and name not in environ:
            raise InvalidArgument(f"--env {name}: this shell has no variable {name}: export it, or add =VALUE")
        _add(found, name, value if equals else environ[name], "--env")
    return found


def parse_parameters(values: Iterable[str]) -> dict[str, Hyperparameter]:
    """
    Return the hyperparameters of ``--param NAME=VALUE``.

    :raises InvalidArgument: one has no ``=``, or a name is given twice.
    """
    found: dict[str, Hyperparameter] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidArgument(f"--param {name}: the value is missing: --param {name or 'lr'}=VALUE")
        _add(found, name, parse_value(value), "--param")
    return found


def parse_value(text: str) -> Hyperparameter:
    """
    Return the value of a hyperparameter: a number, true or false where *text* is one, and else the text.

    A text in double quotes, as in JSON, is always a text: ``"2.0"``.
    """
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def parse_duration(text: str | None, option: str, *, allow_zero: bool = False) -> float | None:
    """
    Return the seconds of ``90``, ``90s``, ``30m``, ``2h`` or ``1.5d``; None of None.

    :raises InvalidArgument: *text* is none of these, or zero without *allow_zero*.
    """
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None or not (allow_zero or float(match["number"])):
        raise InvalidArgument(f"{option}: {text!r} is no duration: seconds, or a number with s, m, h or d, such as 90m")
    return float(match["number"]) * DURATION_UNITS[match["unit"]]


def _add(found: dict[str, Any], name: str, value: object, option: str) -> None:
    if not name:
        raise InvalidArgument(f"{option}: the name is missing: {option} NAME=VALUE")
    if name in found:
        raise InvalidArgument(f"{option}: {name} is given twice")
    found[name] = value
