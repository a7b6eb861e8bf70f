"""Errors of packages, and which of the two an output of uv means. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.uv import NETWORK_ERROR_PHRASES

UNSOLVABLE_PHRASES = ("no solution found", "are unsatisfiable", "no matching distribution")
"""Parts of the output of uv, in lower case, if the requirements themselves are the cause."""

CREDENTIAL_PHRASES = ("401 unauthorized", "403 forbidden", "valid authentication credentials")
"""Parts of the output of uv, in lower case, if an index refuses the login."""

UNSTARTED_PHRASE = "uv could not be started"

NO_BUILD_PHRASES = ("has no usable wheels", "building source distributions is disabled", "--no-build", "no-build")
"""Parts of the output of uv, in lower case, if a package has no wheel and must not be built."""

NO_BUILD_HINT = (
    "Packages are installed from wheels only, because the build of another one would run outside of the sandbox: "
    "require a version that has a wheel, put a wheel into the folder DLAAS_WHEELS of the service, or install the "
    "package in the command (pip install)"
)


class RequirementsRefused(Exception):
    """The packages that the code requires cannot be had; the author of the code can change that."""


def error_of_output(what: str, lines: Sequence[str]) -> Exception:
    """
    Return the error for a failed uv with the last *lines* of its output.

    It is a `HostError` if the service's side is the cause (disk, network, login, uv itself), or else a
    `RequirementsRefused`.
    """
    text = "\n".join(lines)
    lower = text.lower()
    if "no space left" in lower or "disk quota exceeded" in lower:
        why = "the disk is full"
    elif UNSTARTED_PHRASE in lower:
        why = "uv does not start"
    elif any(one in lower for one in CREDENTIAL_PHRASES):
        why = "the package index refuses the login (DLAAS_PACKAGE_INDEX_USER, DLAAS_PACKAGE_NETRC)"
    elif any(one in lower for one in UNSOLVABLE_PHRASES):
        why = ""
    elif any(one in lower for one in NETWORK_ERROR_PHRASES):
        why = "the package index does not answer (check the network and the proxy settings)"
    else:
        why = ""
    if why:
        return HostError(f"{what}: {why}. The last lines of uv:\n{text}")
    hint = f"\n{NO_BUILD_HINT}" if any(one in lower for one in NO_BUILD_PHRASES) else ""
    return RequirementsRefused(f"{what}. The last lines of uv:\n{text}{hint}")
