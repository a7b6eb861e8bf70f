"""What Airflow is told about the provider is true."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import jsonschema
import pytest
from airflow.sdk import BaseHook

from airflow_dlaas import errors
from airflow_dlaas.provider import get_provider_info

INFO = get_provider_info()


def test_airflow_finds_the_provider_under_its_own_package_name() -> None:
    """Another name than the distribution's breaks provider discovery for everybody."""
    (found,) = (
        one for one in entry_points(group="apache_airflow_provider") if one.dist and one.dist.name == "airflow-dlaas"
    )
    assert found.load()()["package-name"] == "airflow-dlaas"


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_it_names_only_modules_that_exist(kind: str) -> None:
    for group in INFO[kind]:
        for module in group["python-modules"]:
            import_module(module)


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda one: one["connection-type"])
def test_every_connection_type_has_a_hook_that_can_be_tested(connection: dict[str, Any]) -> None:
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert issubclass(hook, BaseHook)
    assert hook.conn_type == connection["connection-type"]
    assert callable(hook.test_connection)


def test_airflow_accepts_the_description() -> None:
    import json
    from importlib.resources import files

    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_no_error_of_ours_is_an_error_of_a_library() -> None:
    """A caller catches `DlaasError`, and nothing of Airflow's or requests' by accident."""
    ours = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    for kind in ours:
        assert {base.__module__ for base in kind.__mro__} <= {"airflow_dlaas.errors", "builtins"}
