"""The options of `train` for further attempts, and for the checkpoint of an earlier training. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dlaas.contract.definition import MAX_TRAINING_ID_LENGTH
from airflow_dlaas.contract.execution import MAX_GRACE
from airflow_dlaas.exceptions import InvalidArgument


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """How often the training may begin, after which exit codes, and with which checkpoint."""

    attempts: int | None = None
    exit_codes: tuple[int, ...] = ()
    resume_from: str | None = None
    """The id of a training."""

    @property
    def given(self) -> Sequence[str]:
        """The names of the options that were given."""
        found = {
            "--attempts": self.attempts is not None,
            "--recover-exit-code": bool(self.exit_codes),
            "--resume-from": self.resume_from is not None,
        }
        return [name for name, is_given in found.items() if is_given]

    def document(self) -> dict[str, Any]:
        """
        Return the keys of a definition; one that was not given is absent.

        :raises InvalidArgument: there are exit codes and no number of attempts, an exit code is given twice, or the id
            cannot be that of a training.
        """
        found: dict[str, Any] = {}
        if self.exit_codes and self.attempts is None:
            raise InvalidArgument("--recover-exit-code: it needs --attempts, the number of attempts with the first one")
        if twice := next((one for one in self.exit_codes if self.exit_codes.count(one) > 1), None):
            raise InvalidArgument(f"--recover-exit-code: {twice} is given twice")
        if self.attempts is not None:
            codes = {"exit_codes": list(self.exit_codes)} if self.exit_codes else {}
            found["recovery"] = {"attempts": self.attempts, **codes}
        if self.resume_from is not None:
            found["resume_from"] = require_training_id(self.resume_from, "--resume-from")
        return found


def require_training_id(value: str, option: str) -> str:
    """
    Return *value* if it can be the id of a training.

    :raises InvalidArgument: it cannot.
    """
    if not value or "/" in value or value.strip() != value or len(value) > MAX_TRAINING_ID_LENGTH:
        raise InvalidArgument(f"{option}: {value!r} is not the id of a training; airflow-dlaas runs lists them")
    return value


def require_grace(seconds: float | None) -> float | None:
    """
    Return *seconds* if a definition may have so many as its `execution.grace`.

    :raises InvalidArgument: they are too many.
    """
    if seconds is not None and seconds > MAX_GRACE:
        raise InvalidArgument(f"--grace: {seconds:g} seconds are too many: {MAX_GRACE:g} at most")
    return seconds
