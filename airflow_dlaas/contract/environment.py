"""Environment variables of a definition, and secret ones (keys `execution.environment` and `execution.secrets`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr, SerializationInfo, StrictStr

from airflow_dlaas.contract.stores import MASK

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

MAX_VARIABLES = 200
MAX_VALUE_BYTES = 32 * 1024
MAX_TOTAL_BYTES = 128 * 1024
"""Bytes of all variables of one key together: the kernel limits the environment of a process."""

MIN_SECRET_LENGTH = 6
"""Characters of a secret. A shorter value is in so many lines of a log that masking it would make the log useless."""

SERVICE_VARIABLES = frozenset(
    {
        *("DATA_DIR", "DATA", "RESULT_DIR", "MODEL_DIR", "LOG_DIR", "CHECKPOINT_DIR", "JOB_STATE_DIR"),
        *("TRAINING_ID", "TRAINING_COMMAND", "GPU_COUNT", "NUM_LEARNERS", "LEARNER_ID", "CUDA_VISIBLE_DEVICES"),
        *("MASTER_ADDR", "MASTER_PORT", "LOCAL_WORLD_SIZE", "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR"),
        *("VIRTUAL_ENV", "ATTEMPT", "RESUMED_FROM"),
    }
)
"""Variables that the service sets. A definition cannot replace them; a command can."""

HYPERPARAMETER_PREFIX = "HP_"
"""Prefix of the variables of hyperparameters, which a definition gives in `execution.hyperparameters`."""


def require_variable_name(name: object) -> str:
    """
    Return *name* if a definition may set this variable.

    :raises ValueError: it may not; the message begins with the name.
    """
    if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:100]!r} is no name of a variable: letters, digits and _ only, no digit first")
    if name in SERVICE_VARIABLES:
        raise ValueError(f"{name} is set by the service; set it in the command instead")
    if name.startswith(HYPERPARAMETER_PREFIX):
        raise ValueError(f"{name}: names that begin with {HYPERPARAMETER_PREFIX} belong to execution.hyperparameters")
    return name


def _drop_nulls(value: Any) -> Any:
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value


def _require_variables(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > MAX_VARIABLES:
        raise ValueError(f"must have at most {MAX_VARIABLES} variables")
    total = 0
    for name, one in value.items():
        require_variable_name(name)
        text = one.get_secret_value() if isinstance(one, SecretStr) else one
        if "\0" in text:
            raise ValueError(f"{name} must not hold a NUL character")
        if (size := len(text.encode("utf-8", "surrogatepass"))) > MAX_VALUE_BYTES:
            raise ValueError(f"{name} must be at most {MAX_VALUE_BYTES:,} bytes long; put it into a file of the code")
        total += len(name) + size
    if total > MAX_TOTAL_BYTES:
        raise ValueError(f"must be at most {MAX_TOTAL_BYTES:,} bytes together")
    return value


def _require_long_secrets(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, one in value.items():
        if len(one.get_secret_value().strip()) < MIN_SECRET_LENGTH:
            raise ValueError(
                f"{name} must have at least {MIN_SECRET_LENGTH} characters: a shorter value cannot be masked in the log"
            )
    return value


def _serialize_secrets(value: Mapping[str, SecretStr], info: SerializationInfo) -> dict[str, str]:
    reveal = bool(info.context and info.context.get("reveal"))
    return {name: one.get_secret_value() if reveal else MASK for name, one in value.items()}


Environment = Annotated[dict[str, StrictStr], BeforeValidator(_drop_nulls), AfterValidator(_require_variables)]
"""Variables of the command, by name. They are plain: responses, pages and the database show them."""

Secrets = Annotated[
    dict[str, SecretStr],
    BeforeValidator(_drop_nulls),
    AfterValidator(_require_variables),
    AfterValidator(_require_long_secrets),
    PlainSerializer(_serialize_secrets, return_type=dict[str, str]),
]
"""
Secret variables of the command, by name. Each dump masks their values, except one with `REVEAL_SECRETS`.

The masked definition, from which a service makes the digest of a request, is the same after a secret was replaced.
"""
