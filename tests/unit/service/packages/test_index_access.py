"""The indexes, the wheels and the login of the site, for uv and for pip in a command."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.package_settings import PackageCredentials, PackageSettings
from airflow_dlaas.service.packages.index_access import open_runner, pip_variables, uv_environ

SETTINGS = PackageSettings(
    index="https://pypi.example.org/simple",
    extra_indexes=("https://pypi.example.org/team", "https://other.example.net/simple"),
    wheels=Path("/wheels"),
    offline=True,
    netrc=Path("/etc/netrc"),
)


def test_settings_replace_the_inherited_variables() -> None:
    inherited = {"UV_INDEX_URL": "https://old", "UV_FIND_LINKS": "/old", "PATH": "/bin", "UV_INDEX": "https://old"}
    assert uv_environ(inherited, SETTINGS, PackageCredentials("me", "p@ss/word")) == {
        "PATH": "/bin",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_DEFAULT_INDEX": "https://me:p%40ss%2Fword@pypi.example.org/simple",
        "UV_INDEX": "https://me:p%40ss%2Fword@pypi.example.org/team https://other.example.net/simple",
        "UV_FIND_LINKS": "/wheels,/old",
        "UV_OFFLINE": "1",
        "NETRC": "/etc/netrc",
    }


def test_without_settings_the_variables_stay() -> None:
    inherited = {"UV_INDEX_URL": "https://mirror", "PATH": "/bin"}
    assert uv_environ(inherited, PackageSettings(), PackageCredentials()) == {
        **inherited,
        "UV_PYTHON_DOWNLOADS": "never",
    }


def test_login_is_in_no_repr_and_no_line() -> None:
    login = {"DLAAS_PACKAGE_INDEX_USER": "me", "DLAAS_PACKAGE_INDEX_PASSWORD": "p@ss/word"}
    runner = open_runner(SETTINGS, lambda _: None, {**login, "PATH": "/bin"})
    assert not any(name.startswith("DLAAS_") for name in runner.environ)
    assert "p@ss" not in repr(runner) + repr(PackageCredentials("me", "p@ss/word"))
    assert "word" not in runner.mask("https://me:p%40ss%2Fword@pypi.example.org and p@ss/word")


def test_pip_in_a_command_gets_the_indexes_without_the_login() -> None:
    assert pip_variables(SETTINGS) == {
        "PIP_INDEX_URL": "https://pypi.example.org/simple",
        "PIP_EXTRA_INDEX_URL": "https://pypi.example.org/team https://other.example.net/simple",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_NO_INDEX": "1",
    }
    assert pip_variables(PackageSettings()) == {}
