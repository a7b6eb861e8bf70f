"""Mapped operators, checked when the DAG is parsed: until the task runs, no operator exists that could check itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.mappedoperator import OperatorPartial

from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition
from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from typing_extensions import Self


class CheckedPartial(OperatorPartial):
    """What ``partial`` returns: checks its own parameters, and with them each set that is mapped over."""

    @classmethod
    def from_partial(cls, partial: OperatorPartial) -> Self:
        """
        Check the parameters of *partial* and return it as one that checks.

        :raises InvalidArgument, InvalidDefinition: naming each parameter that is wrong.
        """
        checked = cls(operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params)
        partial._expand_called = True  # noqa: SLF001 - else it complains that it was never mapped
        try:
            checked._check({})
        except Exception:
            checked._expand_called = True
            raise
        return checked

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over *mapped_kwargs*; each value that is known is checked."""
        self._check_sets(
            ({name: item}, f"{name}[{index}]")
            for name, items in mapped_kwargs.items()
            if isinstance(items, Sequence)
            for index, item in enumerate(items)
        )
        return super().expand(**mapped_kwargs)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over sets of parameters; each that is known is checked."""
        if isinstance(kwargs, Sequence):
            sets = [(one, f"set {index}") for index, one in enumerate(kwargs) if isinstance(one, Mapping)]
            self._check_sets(iter(sets))
        return super().expand_kwargs(kwargs, strict=strict)

    def _check_sets(self, parameter_sets: Iterator[tuple[Mapping[str, Any], str]]) -> None:
        for mapped, which in parameter_sets:
            self._check_set(mapped, which)

    def _check_set(self, mapped: Mapping[str, Any], label: str) -> None:
        try:
            self._check(mapped)
        except InvalidDefinition as error:
            self._expand_called = True
            raise InvalidDefinition([f"{label}: {problem}" for problem in error.problems]) from None
        except InvalidArgument as error:
            self._expand_called = True
            raise InvalidArgument(f"{error} (mapped: {label})") from None

    def _check(self, mapped: Mapping[str, Any]) -> None:
        step = self.operator_class
        if issubclass(step, CheckedOperator):
            # What is not given here may be mapped over, or come from the DAG's default_args.
            given = {**self.kwargs, **mapped}
            named = {name: given.get(name, UNKNOWN) for name in step.parameters}
            step.normalize_parameters(self.kwargs["task_id"], named, dag=self.kwargs["dag"])
