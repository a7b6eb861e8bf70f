from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.runtimes.pip_config import with_uv_variables


def test_pip_files_and_variables_become_variables_of_uv(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nfind-links = /a\n  /b\nindex-url = https://one.example/simple\n[install]\ncert=/c.pem\n")
    settings = with_uv_variables(
        {"PIP_INDEX_URL": "https://two.example/simple", "HOME": "/h"}, [file, tmp_path / "none"]
    )
    assert settings["UV_FIND_LINKS"] == "/a,/b"
    assert settings["UV_DEFAULT_INDEX"] == "https://two.example/simple"
    assert settings["SSL_CERT_FILE"] == "/c.pem"
    assert settings["HOME"] == "/h"


def test_variables_of_uv_take_precedence() -> None:
    environ = {"UV_INDEX_URL": "https://uv.example", "PIP_INDEX_URL": "https://pip.example"}
    assert with_uv_variables(environ, []) == environ


def test_extra_indexes_are_searched_as_by_pip() -> None:
    settings = with_uv_variables({"PIP_EXTRA_INDEX_URL": "https://a.example https://b.example"}, [])
    assert settings["UV_INDEX"] == "https://a.example https://b.example"
    assert settings["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_invalid_pip_configuration_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("index-url = https://a.example\n")
    assert with_uv_variables({}, [file]) == {}
