"""
The base class of our operators and sensors, which checks their parameters.

A value in the DAG file is checked when the file is parsed; a value of a template or another task is checked when the
task runs. This module imports nothing that `airflow.sdk` has not loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.mappedoperator import OperatorPartial

from airflow_dlaas.parameters.checks import CheckStage, InvalidValue, ParameterCheck
from airflow_dlaas.parameters.rendering import JINJA_SYNTAX_OPTIONS

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from typing_extensions import Self


class Unknown:
    """The placeholder for a value that is not known yet."""


UNKNOWN = Unknown()


class CheckedOperator(BaseOperator):
    """
    The base class of our operators and sensors.

    A subclass declares the check of each of its own parameters in `parameters`. It calls `check_parameters` at the end
    of its ``__init__``, and with ``rendered=True`` at the beginning of its ``execute``.
    """

    parameters: ClassVar[Mapping[str, ParameterCheck]] = {}
    """The check of each parameter; the parameter's attribute has the same name."""
    dag_files: ClassVar[Sequence[str]] = ()
    """The parameters that may name a file beside the DAG's file, by a relative path; see `find_dag_file`."""

    def check_parameters(self, *, rendered: bool = False) -> None:
        """
        Check the known values, and convert them to their final form: a path to a text, seconds to a `timedelta`.

        :param rendered: the task runs, so every value is known.
        :raises InvalidArgument: a value is wrong; the message names each such parameter.
        """
        given = {name: vars(self)[name] for name in self.parameters if name in vars(self)}
        dag = self.get_dag()
        for name, value in self.normalize_parameters(self.task_id, given, rendered=rendered, dag=dag).items():
            if value is not given[name]:
                vars(self).setdefault("_replaced", {}).setdefault(name, given[name])
                setattr(self, name, value)

    @classmethod
    def normalize_parameters(
        cls, task_id: str, given: Mapping[str, Any], *, rendered: bool = False, dag: DAG | None = None
    ) -> dict[str, Any]:
        """
        Return the known values of *given* in their final form.

        :param dag: if this DAG sets other markers of templates, a value that contains texts is not known before the
            task runs.
        :raises InvalidArgument: a value is wrong; the message names each such parameter.
        """
        known: dict[str, Any] = {}
        wrong: list[str] = []
        has_own_markers = not rendered and _has_own_markers(dag)
        for name, value in given.items():
            stage = CheckStage(rendered=rendered, templated=name in cls.template_fields)
            may_be_template = has_own_markers and stage.templated and isinstance(value, (str, Mapping, list, tuple))
            if isinstance(value, Unknown) or stage.is_unresolved(value) or may_be_template:
                continue
            try:
                known[name] = cls.parameters[name](value, stage)
            except InvalidValue as error:
                hint = (
                    ""
                    if stage.templated or not CheckStage(rendered=False).is_unresolved(value)
                    else " (it is not templated)"
                )
                wrong.append(f"{name} {error}{hint}")
        if not wrong:
            unknown = dict.fromkeys(given.keys() - known.keys(), UNKNOWN)
            try:
                cls.check_combination({**known, **unknown})
            except InvalidValue as error:
                wrong.append(str(error))
        if wrong:
            from airflow_dlaas.exceptions import InvalidArgument

            raise InvalidArgument(f"{task_id}: {'; '.join(wrong)}")
        return known

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """
        Check parameters that depend on each other.

        :param given: the parameters that are set, each with a valid value or `UNKNOWN`.
        :raises InvalidValue: two values contradict each other; the message names their parameters.
        """

    # -- mapped tasks: no operator exists while the DAG is parsed -------------------

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Set the parameters that all mapped tasks share; these and the mapped parameters are checked."""
        return CheckedPartial.from_partial(super().partial(**kwargs))

    # -- rendering ---------------------------------------------------------------

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render as Airflow does, but a text never names a file, and stays a text if it is rendered natively."""
        if not isinstance(content, str) or id(content) in (seen_oids or ()):
            return super().render_template(content, context, jinja_env, seen_oids)
        import jinja2.nativetypes

        from airflow_dlaas.parameters.rendering import render

        environment = jinja_env or self.get_template_env()
        native = getattr(self, "render_template_as_native_obj", None)  # since Airflow 3.2; None: as the DAG sets it
        if native is None:
            native = isinstance(environment, jinja2.nativetypes.NativeEnvironment)
        return render(content, context, environment, native=native)

    def unrendered_ids(self, seen_oids: set[int]) -> set[int]:
        """
        Return the ids (`id`) of the objects that must not be rendered.

        :param seen_oids: the ids that Airflow passes: a value that a mapped task received from another task is data,
            not a template. If a check replaced such a value, the replacement is not rendered either.
        """
        replaced: Mapping[str, Any] = vars(self).get("_replaced", {})
        return seen_oids | {id(vars(self)[name]) for name, given in replaced.items() if id(given) in seen_oids}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Context, jinja_env: jinja2.Environment, seen_oids: set[int]
    ) -> None:
        unrendered = self.unrendered_ids(seen_oids) if parent is self else seen_oids
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, unrendered)

    def resolve_template_files(self) -> None:
        """
        Read no file: Airflow would take every text that ends like a file name for one.

        Airflow calls this when it has parsed the DAG's file. If it loaded the file from a bundle, it has all its files.

        :raises InvalidArgument: a file that the DAG names by a relative path is not in the bundle.
        """
        dag = self.get_dag()
        if dag is not None and dag.relative_fileloc and not _has_own_markers(dag):
            for name in self.dag_files:
                if not CheckStage(rendered=False).is_unresolved(getattr(self, name)):
                    self.find_dag_file(name)
        self.prepare_template()

    def find_dag_file(self, parameter: str, *, working_directory: bool = False) -> str:
        """
        Return the value of *parameter*; a relative path is searched for beside the DAG's file, and made absolute.

        :param working_directory: search in the working directory too, at last.
        :raises InvalidArgument: there is no such file or folder; the message names the parameter.
        """
        from airflow_dlaas.parameters.dag_files import find_dag_file

        return find_dag_file(
            getattr(self, parameter),
            self.get_dag(),
            parameter=f"{self.task_id}: {parameter}",
            working_directory=working_directory,
        )


def _has_own_markers(dag: DAG | None) -> bool:
    """Return whether *dag* sets other markers of templates, so that its templates are not known by Jinja's defaults."""
    return dag is not None and bool((dag.jinja_environment_kwargs or {}).keys() & JINJA_SYNTAX_OPTIONS)


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
        from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition

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
