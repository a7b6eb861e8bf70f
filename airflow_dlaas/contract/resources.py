"""The resources that a definition requests: GPUs, CPUs, memory and shared memory (key `execution.resources`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt, StrictStr

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.byte_size import parse_bytes

MAX_GPUS = 1024
"""GPUs of one training; a larger number is a typing error."""

MAX_CPUS = 4096


def _require_bytes(value: int | str) -> int | str:
    parse_bytes(value)
    return value


ByteSize = Annotated[StrictInt | StrictStr, AfterValidator(_require_bytes)]
"""A number of bytes, kept as it was written; `parse_bytes` converts it."""


class Resources(RequestModel):
    """
    What a training needs and may use, instead of one of the three sizes of 2017.

    Without ``gpus`` it gets none. CPUs and memory that are not given are not limited; a service may have defaults.
    """

    gpus: int = Field(default=0, ge=0, le=MAX_GPUS, strict=True)
    cpus: float | None = Field(default=None, gt=0, le=MAX_CPUS, allow_inf_nan=False)
    """CPUs; half a CPU is 0.5."""
    memory: ByteSize | None = None
    """Memory of all its processes together."""
    shared_memory: ByteSize | None = None
    """Size of ``/dev/shm``, which data loaders with several processes use. It is a part of the memory."""

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)

    @property
    def shared_memory_bytes(self) -> int | None:
        """The shared memory in bytes."""
        return None if self.shared_memory is None else parse_bytes(self.shared_memory)

    def __str__(self) -> str:
        parts = [f"{self.gpus} GPU{'' if self.gpus == 1 else 's'}"]
        parts += [f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}"] if self.cpus is not None else []
        parts += [f"{self.memory} memory"] if self.memory is not None else []
        parts += [f"{self.shared_memory} shared memory"] if self.shared_memory is not None else []
        return ", ".join(parts)
