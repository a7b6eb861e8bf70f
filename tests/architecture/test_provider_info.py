"""The description of the provider for Airflow, compared with the package."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import jsonschema
import pytest
from airflow.sdk import BaseHook
from fsspec import AbstractFileSystem
from upath import UPath

from airflow_dlaas import exceptions
from airflow_dlaas.get_provider_info import get_provider_info

INFO = get_provider_info()


def test_entry_point_has_the_name_of_the_distribution() -> None:
    """With another name, Airflow discovers no provider of the installation."""
    (found,) = (
        one for one in entry_points(group="apache_airflow_provider") if one.dist and one.dist.name == "airflow-dlaas"
    )
    assert found.load()()["package-name"] == "airflow-dlaas"


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_named_modules_exist(kind: str) -> None:
    for group in INFO[kind]:
        for module in group["python-modules"]:
            import_module(module)


@pytest.mark.parametrize("name", INFO["extra-links"])
def test_links_are_created_without_arguments(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert getattr(import_module(module), kind)().name


@pytest.mark.parametrize("module", INFO["filesystems"])
def test_file_systems_have_the_functions_that_airflow_calls(module: str) -> None:
    named = import_module(module)
    assert named.schemes
    assert callable(named.get_fs)


@pytest.mark.parametrize("uris", INFO["asset-uris"], ids=lambda one: one["schemes"][0])
def test_asset_schemes_have_a_handler_and_a_factory(uris: dict[str, Any]) -> None:
    for function in (uris["handler"], uris["factory"]):
        module, _, name = function.rpartition(".")
        assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize(
    ("group", "kind"), [("fsspec.specs", AbstractFileSystem), ("universal_pathlib.implementations", UPath)]
)
def test_paths_of_the_scheme_are_registered(group: str, kind: type) -> None:
    """Without both, `ObjectStoragePath("swift://…")` fails or warns."""
    (found,) = entry_points(group=group, name="swift")
    assert issubclass(found.load(), kind)


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda one: one["connection-type"])
def test_connection_types_have_a_hook_with_a_connection_test(connection: dict[str, Any]) -> None:
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert issubclass(hook, BaseHook)
    assert hook.conn_type == connection["connection-type"]
    assert callable(hook.test_connection)


def test_description_matches_the_schema_of_airflow() -> None:
    import json
    from importlib.resources import files

    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_exceptions_are_of_no_class_of_a_library() -> None:
    """Otherwise a caller that catches an exception of Airflow or requests would catch ours, too."""
    ours = [one for one in vars(exceptions).values() if isinstance(one, type) and issubclass(one, Exception)]
    for kind in ours:
        assert {base.__module__ for base in kind.__mro__} <= {"airflow_dlaas.exceptions", "builtins"}
