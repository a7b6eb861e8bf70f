"""
Reads the settings of the service: the ``DLAAS_*`` variables. `client_settings` reads those of the client commands.

The options of the command line are the same settings under shorter names: ``serve --port 9000`` is
``DLAAS_PORT=9000``. Before anything is started, an invalid value is refused with the name of its variable and the
accepted values, and an unknown ``DLAAS_*`` variable is refused too.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.client_settings import ENV_PREFIX
from airflow_dlaas.service.config.network_policy import require_tls
from airflow_dlaas.service.config.setting_types import SETTING_PARSERS
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.object_store_allowlist import ALLOW_NONE
from airflow_dlaas.service.object_store_allowlist import OBJECT_STORES_SETTING as STORES_SETTING

CLIENT_ONLY_SETTINGS = ("url",)
"""Settings that only the client commands read."""


VERBATIM_SETTINGS = ("password", "package_index_password")
"""Settings whose spaces at the ends count."""

URL_SETTINGS = ("package_index", "package_extra_indexes")


def read_settings(environment: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """
    Read the settings from *environment* and from *options*, whose values have priority. An empty value counts as none.

    :param options: by the name of the setting, for example ``port``.
    :raises NotConfigured: a variable is unknown, or its value is not accepted. The message names the variable and the
        accepted values.
    """
    given = read_environment(environment)
    given |= {name: value for name, value in (options or {}).items() if value}
    values = {name: _parse_setting(name, value) for name, value in given.items() if name not in CLIENT_ONLY_SETTINGS}
    settings = Settings(**values)
    _require_tls_pair(settings)
    if settings.tls is None and not settings.insecure_listen:
        require_tls(settings.host)
    if settings.objectstore == "off" and settings.object_stores == ALLOW_NONE:
        raise NotConfigured(
            "DLAAS_OBJECTSTORE is off and no other store is allowed, so no training could get its data. Name the hosts "
            f"that definitions may use in {STORES_SETTING} (swift.example.org, 10.0.0.7:8080, *.example.net, or any)"
        )
    if settings.objectstore == "embedded" and settings.port == settings.objectstore_port != 0:
        raise NotConfigured(f"DLAAS_PORT and DLAAS_OBJECTSTORE_PORT are both {settings.port}; they must be different")
    return settings


def read_user_file_path(environment: Mapping[str, str]) -> Path | None:
    """Return the path of the users file. Other settings are not parsed: they may be meant for another machine."""
    given = read_environment(environment).get("users")
    return cast("Path", _parse_setting("users", given)) if given else None


def _require_tls_pair(settings: Settings) -> None:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        missing = "DLAAS_TLS_KEY" if settings.tls_key is None else "DLAAS_TLS_CERTIFICATE"
        raise NotConfigured(f"{missing} is missing: TLS needs both DLAAS_TLS_CERTIFICATE and DLAAS_TLS_KEY")


def read_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the values of the ``DLAAS_*`` variables as they are, by the name of the setting; empty ones are left out.

    :raises NotConfigured: a variable is unknown. The message names one of a similar name.
    """
    known = {one.name for one in fields(Settings)} | set(CLIENT_ONLY_SETTINGS)
    given: dict[str, str] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENV_PREFIX) or not value:
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        if name not in known or variable != variable.upper():
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {ENV_PREFIX}{near[0].upper()}?" if near else ""
            raise NotConfigured(f"{variable} is no setting of airflow-dlaas{hint}")
        given[name] = value
    return given


def _parse_setting(name: str, value: str) -> Any:
    parse, accepted = SETTING_PARSERS.get(name, (str, "text"))
    try:
        return parse(value if name in VERBATIM_SETTINGS else value.strip())
    except ValueError:
        # The URL of an index often has a login, which belongs into no message.
        given = "a URL with a login or another form" if name in URL_SETTINGS and "@" in value else repr(value)
        raise NotConfigured(f"{ENV_PREFIX}{name.upper()} takes {accepted}, not {given}") from None
