"""The definition of the training, and its printed form. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.cli.train.execution import DEFAULT_SIZE, ResourceOptions
from airflow_dlaas.cli.train.options import DataSource, TrainOptions
from airflow_dlaas.contract.definition import Framework, ResourceType, TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.cli.connection_options import StoreAccess

PENDING_LOCATION = "(known after the code was uploaded)"
"""The location of the code in a definition that is only checked or printed."""


def build_definition(
    options: TrainOptions,
    framework: Framework,
    stores: Mapping[str | None, StoreAccess],
    location: str = PENDING_LOCATION,
) -> TrainingDefinition:
    """
    Return the definition that *options* describe.

    :param stores: the stores by the names of their connections (`TrainOptions.connections`).
    :raises InvalidArgument: options do not go together; the message names them.
    :raises InvalidDefinition: a value cannot be in a definition; the error names its field.
    """

    def container(key: str, name: str, connection: str | None, prefix: str = "") -> dict[str, Any]:
        store = stores[connection]
        reference = {"container": name, "type": str(store.store_type)} | ({"prefix": prefix} if prefix else {})
        return {"connection": dict(store.connection), key: reference}

    def source(one: DataSource) -> dict[str, Any]:
        if one.mount is not None:
            return {"source": {"type": str(StoreType.MOUNT), "path": one.mount}}
        return container("source", one.container, one.connection, one.prefix)

    document: dict[str, Any] = {
        "model_definition": {
            "name": options.training_name,
            "description": options.description,
            "author": options.author or "",
            "definition_location": location,
            "framework": framework.model_dump(exclude_none=True),
            "execution": {"command": options.command, **options.execution.document()},
        },
        "training_data": [source(one) for one in options.data],
    }
    if (watchdog := options.execution.watchdog.document()) is not None:
        document["watchdog"] = watchdog
    document |= options.recovery.document()
    if options.results is not None:
        document["training_results"] = container("target", options.results, options.results_connection)
    return TrainingDefinition.parse(document)


def build_draft(options: TrainOptions, framework: Framework, *, nested: bool = False) -> ExperimentDraft:
    """Return the experiment for the code, *nested* if its zips may contain folders; the definition was checked."""
    return ExperimentDraft(
        name=options.training_name,
        description=options.description,
        framework=Framework(name=framework.name, version=framework.version),
        author=options.author,
        nested=nested,
    )


def printable_definition(definition: TrainingDefinition) -> dict[str, Any]:
    """Return the definition as JSON types, with masked secrets."""
    return definition.model_dump(mode="json", by_alias=True, exclude_none=True)


def require_slots(resources: ResourceOptions, slots: int, owner: str = "the service") -> None:
    """
    Check that the service has as many GPU slots as a training needs.

    :raises InvalidArgument: it has fewer, and would refuse the training.
    """
    if resources.amounts:
        if (resources.gpus or 0) > slots:
            raise InvalidArgument(f"--gpus: the training needs {resources.gpus} GPUs, and {owner} has {slots}")
        return
    size = ResourceType(resources.size or DEFAULT_SIZE)
    if size.gpus > slots:
        fitting = [str(one) for one in ResourceType if one.gpus <= slots]
        raise InvalidArgument(
            f"--size: {size} needs {size.gpus} GPUs, and {owner} has {slots}; {' or '.join(fitting) or 'no size'} fits"
        )
