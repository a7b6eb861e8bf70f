"""The base class of operators that submit a training definition: its parameters, and how they become one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator
from airflow_dlaas.parameters.checks import ParameterCheck, optional, require_definition, require_text
from airflow_dlaas.parameters.definition_parts import DEFINITION_PARTS

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context, ObjectStoragePath
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


class TrainingDefinitionOperator(CheckedOperator):
    """
    The base class of operators that submit a training definition: a document or a file, and parameters beside it.

    `airflow_dlaas.operators.training.SubmitTrainingOperator` describes the parameters.
    """

    template_fields: Sequence[str] = ("definition", "definition_location", *DEFINITION_PARTS)
    template_ext: Sequence[str] = (".json",)
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "definition": require_definition,
        "definition_location": optional(require_text),
        **DEFINITION_PARTS,
    }
    template_fields_renderers = dict.fromkeys(
        (
            "definition",
            "training_data",
            "training_results",
            "hyperparameters",
            "environment",
            "training_resources",
            "recovery",
        ),
        "json",
    )
    definition: Mapping[str, Any] | str

    def __init__(
        self,
        *,
        definition: Mapping[str, Any] | str | PurePath | ObjectStoragePath,
        definition_location: str | None = None,
        training_data: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        training_results: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        environment: Mapping[str, str | None] | None = None,
        secrets: Mapping[str, str | None] | None = None,
        training_resources: Mapping[str, Any] | None = None,
        time_limit: timedelta | float | None = None,
        grace: timedelta | float | None = None,
        recovery: Mapping[str, Any] | None = None,
        resume_from: str | None = None,
        metric_definitions: Sequence[Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        _require_no_airflow_resources(kwargs)
        super().__init__(**kwargs)
        self.definition = definition  # type: ignore[assignment]  # the check converts a path to a string
        self.definition_location = definition_location
        self.training_data = training_data
        self.training_results = training_results
        self.hyperparameters = hyperparameters
        self.environment = environment
        self.secrets = secrets
        self.training_resources = training_resources
        self.time_limit = time_limit
        self.grace = grace
        self.recovery = recovery
        self.resume_from = resume_from
        self.metric_definitions = metric_definitions

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Set the parameters that all mapped tasks share; these and the mapped parameters are checked."""
        _require_no_airflow_resources(kwargs)
        return super().partial(**kwargs)

    @property
    def definition_parts(self) -> dict[str, Any]:
        """The parameters that are merged into the definition, by name."""
        return {name: getattr(self, name) for name in DEFINITION_PARTS}

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """
        Check the parts of the definition that are known.

        :raises InvalidDefinition: with all wrong fields.
        """
        from airflow_dlaas.task_runs.definition import parse_definition, require_valid_definition
        from airflow_dlaas.task_runs.definition_file import is_file_path
        from airflow_dlaas.task_runs.definition_parts import with_parts

        definition = given["definition"]
        if definition is UNKNOWN or is_file_path(definition):
            return
        known = {name: None if given[name] is UNKNOWN else given[name] for name in DEFINITION_PARTS}
        document = with_parts(parse_definition(definition), known)
        require_valid_definition(document, has_location=given["definition_location"] is not None)

    def resolve_template_files(self) -> None:
        """
        Replace the path of a definition file with the file's content, if it can be read when the DAG is parsed.

        :raises InvalidDefinition: with all wrong fields of the parts that are known.
        """
        from airflow_dlaas.task_runs.definition_file import is_file_path, parse_json_object, read_at_parse

        if is_file_path(self.definition):
            text = read_at_parse(str(self.definition), self.get_template_env())
            if text is not None:
                self.definition = text
                document = parse_json_object(text)
                if document:  # None if templates outside of its strings must be rendered first
                    own = {name: getattr(self, name) for name in TrainingDefinitionOperator.parameters}
                    self.normalize_parameters(self.task_id, {**own, "definition": document}, dag=self.get_dag())
        self.prepare_template()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Context, jinja_env: jinja2.Environment, seen_oids: set[int]
    ) -> None:
        from airflow_dlaas.task_runs.definition_file import is_file_path, read_at_runtime

        # A path that a mapped task has received from another task is not read: only the author names files.
        if (
            parent is self
            and is_file_path(self.definition)
            and id(self.definition) not in self.unrendered_ids(seen_oids)
        ):
            self.definition = read_at_runtime(
                str(self.definition), jinja_env, lambda name: str(self.render_template(name, context, jinja_env))
            )
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)


def _require_no_airflow_resources(given: Mapping[str, Any]) -> None:
    """Refuse the parameter of Airflow's base class, which would have no effect: Airflow lets no template be in it."""
    if given.get("resources") is not None:
        from airflow_dlaas.exceptions import InvalidArgument

        raise InvalidArgument(
            f"{given.get('task_id', 'task')}: resources is a parameter of Airflow, without effect on a training; "
            "write training_resources"
        )
