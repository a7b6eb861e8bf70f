"""The package sources of pip, as settings of uv: uv does not read the configuration of pip."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# https://docs.astral.sh/uv/reference/environment/ and https://pip.pypa.io/en/stable/cli/pip_install/
UV_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "cert": ("SSL_CERT_FILE",),
}
"""Options of pip, with the equivalent variables of uv. The first variable is set, unless one of them is set already."""


def with_uv_variables(environ: Mapping[str, str], config_files: Iterable[Path] | None = None) -> dict[str, str]:
    """
    Return *environ* with the variables by which uv finds packages where pip finds them.

    Variables of uv that are set already stay. Values are passed by environment and never by command line: an index URL
    may contain credentials.

    :param config_files: configuration files of pip, lowest priority first; None: those that pip reads.
    """
    options: dict[str, str] = {}
    for file in _pip_config_files(environ) if config_files is None else config_files:
        options.update(_read_options(file))
    options.update(
        {
            name: environ[variable]
            for name in UV_VARIABLES
            if (variable := f"PIP_{name.upper().replace('-', '_')}") in environ
        }
    )
    uv_environ = dict(environ)
    for name, variables in UV_VARIABLES.items():
        value = options.get(name, "").split()
        if value and not any(variable in environ for variable in variables):
            uv_environ[variables[0]] = ("," if name == "find-links" else " ").join(value)
            if name == "extra-index-url":
                # pip takes the best version of all indexes; by default, uv takes the first index that has the name.
                uv_environ.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return uv_environ


def _read_options(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        # The file does not exist, or is damaged. pip itself reports a damaged one.
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    return found


def _pip_config_files(environ: Mapping[str, str]) -> list[Path]:
    # https://pip.pypa.io/en/stable/topics/configuration/#location
    home = Path(environ.get("HOME", "/nonexistent"))
    configuration = Path(environ.get("XDG_CONFIG_HOME", home / ".config"))
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    site = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    user = [home / ".pip" / "pip.conf", configuration / "pip" / "pip.conf"]
    return [*site, *user, Path(sys.prefix) / "pip.conf", *([Path(own)] if own else [])]
