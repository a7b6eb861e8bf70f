"""
The tag that names the Airflow task of a training in its description: ``[airflow dag=DAG_ID task=TASK_ID]``. No I/O.

The service reads it for its report of GPU-hours. It is a label and no proof: a client that may submit a training may
write any tag. The run key (`airflow_dlaas.task_runs.run_key`), which has digests only, decides which task a training is
of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_ID_LENGTH = 250
"""Characters of an id: Airflow accepts no longer one. A longer one is cut."""

_MAX_ENCODED_LENGTH = 12 * MAX_ID_LENGTH
"""Characters of an id in a tag: each of its characters has up to four bytes, and an escaped byte has three."""

_ID_PATTERN = rf"((?:[\w.-]|%[0-9A-F]{{2}}){{1,{_MAX_ENCODED_LENGTH}}})"
_TASK_TAG = re.compile(rf"\[airflow dag={_ID_PATTERN} task={_ID_PATTERN}\]")
_ESCAPED = re.compile(r"[^\w.-]")


@dataclass(frozen=True, slots=True)
class TaskTag:
    """The DAG and the task that a training belongs to."""

    dag_id: str
    task_id: str

    def __str__(self) -> str:
        return f"[airflow dag={_encode_id(self.dag_id)} task={_encode_id(self.task_id)}]"

    @classmethod
    def from_description(cls, description: str) -> Self | None:
        """Return the last tag in *description*; None without one."""
        found = _TASK_TAG.findall(description)
        if not found:
            return None
        dag_id, task_id = (unquote(one, errors="replace")[:MAX_ID_LENGTH] for one in found[-1])
        return cls(dag_id, task_id)


def with_task_tag(description: str, tag: TaskTag) -> str:
    """Return *description* with *tag* at its end, in place of such tags that the author has written."""
    return f"{without_task_tag(description)} {tag}".strip()


def without_task_tag(description: str) -> str:
    """Return *description* without tags of tasks."""
    return _TASK_TAG.sub("", description).rstrip()


def _encode_id(name: str) -> str:
    """Escape all characters but letters, digits, ``_``, ``.`` and ``-``, as in a URL; Airflow's ids have no others."""
    return _ESCAPED.sub(lambda found: quote(found[0], safe="", errors="replace"), name[:MAX_ID_LENGTH]) or "%20"
