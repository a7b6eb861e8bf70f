"""Checks of mapped operators while the DAG is parsed: an operator that could check itself exists only in the task."""

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
    """The result of ``partial``, which checks the shared parameters, and together with them each mapped set."""

    @classmethod
    def from_partial(cls, partial: OperatorPartial) -> Self:
        """
        Check the parameters of *partial* and return an instance of this class in its place.

        :raises InvalidArgument, InvalidDefinition: a value is wrong; the message names each such parameter.
        """
        checked = cls(operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params)
        partial._expand_called = True  # noqa: SLF001 - else Airflow reports that it was never mapped
        try:
            checked._check({})
        except Exception:
            checked._expand_called = True
            raise
        return checked

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over *mapped_kwargs*; each known value is checked."""
        self._check_sets(
            ({name: item}, f"{name}[{index}]")
            for name, items in mapped_kwargs.items()
            if isinstance(items, Sequence)
            for index, item in enumerate(items)
        )
        return super().expand(**mapped_kwargs)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over sets of parameters; each known set is checked."""
        if isinstance(kwargs, Sequence):
            sets = [(one, f"set {index}") for index, one in enumerate(kwargs) if isinstance(one, Mapping)]
            self._check_sets(iter(sets))
        return super().expand_kwargs(kwargs, strict=strict)

    def _check_sets(self, parameter_sets: Iterator[tuple[Mapping[str, Any], str]]) -> None:
        for mapped, label in parameter_sets:
            self._check_set(mapped, label)

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
        operator = self.operator_class
        if issubclass(operator, CheckedOperator):
            # A parameter that is missing here may be mapped later, or come from the default_args of the DAG.
            given = {**self.kwargs, **mapped}
            parameters = {name: given.get(name, UNKNOWN) for name in operator.parameters}
            operator.normalize_parameters(self.kwargs["task_id"], parameters, dag=self.kwargs["dag"])
