"""
Operators and sensors that check their parameters: in the DAG's file what is known there, the rest when the task runs.

Importing this brings in nothing that `airflow.sdk` has not loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.parameters.checks import CheckStage, InvalidValue, ParameterCheck

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


JINJA_SYNTAX_OPTIONS = frozenset(
    {
        "variable_start_string",
        "block_start_string",
        "comment_start_string",
        "line_statement_prefix",
        "line_comment_prefix",
    }
)
"""The options of Jinja with which a DAG (``jinja_environment_kwargs``) has its templates written in another way."""


class Unknown:
    """Stands for a value that is not known yet, whatever its parameter."""


UNKNOWN = Unknown()


class CheckedOperator(BaseOperator):
    """
    Base of our operators and sensors.

    A subclass declares in `parameters` what each parameter of its own may be, calls `check_parameters` at the end of
    its ``__init__`` and, with ``rendered=True``, at the beginning of its ``execute``.
    """

    parameters: ClassVar[Mapping[str, ParameterCheck]] = {}
    """What each parameter may be; its attribute has the same name."""

    def check_parameters(self, *, rendered: bool = False) -> None:
        """
        Check what is known, and give it its final form: a path as text, a number of seconds as `timedelta`.

        :param rendered: the task runs, so everything is known.
        :raises InvalidArgument: naming each parameter that is wrong.
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
        Return the parameters *given* in their final forms, as far as they are known.

        :param dag: where templates are written with signs of its own, what holds a text is not known until it runs.
        :raises InvalidArgument: naming each parameter that is wrong.
        """
        known: dict[str, Any] = {}
        wrong: list[str] = []
        own_signs = (
            not rendered
            and dag is not None
            and bool(JINJA_SYNTAX_OPTIONS & (dag.jinja_environment_kwargs or {}).keys())
        )
        for name, value in given.items():
            stage = CheckStage(rendered, templated=name in cls.template_fields)
            unclear = own_signs and stage.templated and isinstance(value, (str, Mapping, list, tuple))
            if isinstance(value, Unknown) or stage.is_unresolved(value) or unclear:
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
            later = dict.fromkeys(given.keys() - known.keys(), UNKNOWN)
            try:
                cls.check_combination({**known, **later})
            except InvalidValue as error:
                wrong.append(str(error))
        if wrong:
            raise InvalidArgument(f"{task_id}: {'; '.join(wrong)}")
        return known

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """
        Check parameters that depend on each other.

        :param given: all of them, each either good by itself or `UNKNOWN`; one that is missing has not been set yet.
        :raises Unfit: with a sentence that names the parameters.
        """

    # -- mapped: only the class is there when the DAG is parsed --------------------

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Set the parameters that all mapped tasks share; they are checked, and so is what is mapped over."""
        from airflow_dlaas.parameters.mapped_operator import CheckedPartial

        return CheckedPartial.from_partial(super().partial(**kwargs))

    # -- rendering ---------------------------------------------------------------

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render as Airflow does, but for texts: they name no file, and natively rendered ones stay texts."""
        if not isinstance(content, str) or id(content) in (seen_oids or ()):
            return super().render_template(content, context, jinja_env, seen_oids)
        import jinja2.nativetypes

        from airflow_dlaas.parameters.rendering import render

        environment = jinja_env or self.get_template_env()
        native = getattr(self, "render_template_as_native_obj", None)  # since Airflow 3.2; None: the DAG's setting
        if native is None:
            native = isinstance(environment, jinja2.nativetypes.NativeEnvironment)
        return render(content, context, environment, native=native)

    def unrendered_ids(self, seen_oids: set[int]) -> set[int]:
        """
        Return the ids of the objects that are not rendered.

        :param seen_oids: those that Airflow names: what a mapped task got from another task is data, not a template. A
            check may have put another object in the place of such a one, which is then not rendered either.
        """
        replaced: Mapping[str, Any] = vars(self).get("_replaced", {})
        return seen_oids | {id(vars(self)[name]) for name, given in replaced.items() if id(given) in seen_oids}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Context, jinja_env: jinja2.Environment, seen_oids: set[int]
    ) -> None:
        fixed = self.unrendered_ids(seen_oids) if parent is self else seen_oids
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, fixed)

    def resolve_template_files(self) -> None:
        """Read no file: Airflow would take every text that ends as one for a file's name."""
        self.prepare_template()
