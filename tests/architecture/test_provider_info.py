"""What Airflow is told about the provider is true."""

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


@pytest.mark.parametrize("name", INFO["extra-links"])
def test_every_link_is_made_without_being_told_anything(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert getattr(import_module(module), kind)().name


@pytest.mark.parametrize("module", INFO["filesystems"])
def test_every_file_system_is_made_as_airflow_makes_them(module: str) -> None:
    named = import_module(module)
    assert named.schemes
    assert callable(named.get_fs)


@pytest.mark.parametrize("uris", INFO["asset-uris"], ids=lambda one: one["schemes"][0])
def test_every_kind_of_asset_has_what_makes_and_reads_its_addresses(uris: dict[str, Any]) -> None:
    for function in (uris["handler"], uris["factory"]):
        module, _, name = function.rpartition(".")
        assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize(
    ("group", "kind"), [("fsspec.specs", AbstractFileSystem), ("universal_pathlib.implementations", UPath)]
)
def test_what_airflows_paths_are_made_of_is_found_by_its_scheme(group: str, kind: type) -> None:
    """Without both, `ObjectStoragePath("swift://…")` is refused, or comes with warnings."""
    (found,) = entry_points(group=group, name="swift")
    assert issubclass(found.load(), kind)


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
    ours = [one for one in vars(exceptions).values() if isinstance(one, type) and issubclass(one, Exception)]
    for kind in ours:
        assert {base.__module__ for base in kind.__mro__} <= {"airflow_dlaas.exceptions", "builtins"}
