"""The choice of a framework's version from the catalogue of the service. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.exceptions import InvalidArgument


def split_framework(text: str) -> tuple[str, str | None]:
    """
    Return the name and the version of ``torch:2.13``; the version is None in ``torch``.

    :raises InvalidArgument: the name or the version is empty.
    """
    name, colon, version = text.strip().partition(":")
    if not name.strip():
        raise InvalidArgument(f"--framework: the name is missing in {text!r}; airflow-dlaas runtimes lists the names")
    if colon and not version.strip():
        raise InvalidArgument(f"--framework: the version is missing after {text!r}: leave out the colon for the newest")
    return name.strip().lower(), version.strip() or None


def choose_runtime(runtimes: Sequence[Runtime], name: str, version: str | None) -> Runtime:
    """
    Return the entry of the catalogue for a framework: that of *version*, or the newest one that can be used now.

    An entry for compatibility is never the newest: code for another version would run on it only by chance.

    :raises InvalidArgument: there is none; the message lists those of the framework.
    """
    of_framework = [one for one in runtimes if one.framework.lower() == name]
    if not of_framework:
        known = sorted({one.framework for one in runtimes})
        hint = " (PyTorch is called torch)" if name == "pytorch" and "torch" in known else ""
        raise InvalidArgument(
            f"--framework: this service has no {name}; it has {', '.join(known) or 'no framework'}{hint}"
        )
    if version is None:
        usable = [one for one in of_framework if one.unavailable is None]
        newest = max(usable, key=lambda one: (not one.compatibility, _version_key(one.version)), default=None)
        if newest is None:
            reasons = "; ".join(f"{one.version}: {one.unavailable}" for one in of_framework)
            raise InvalidArgument(f"--framework: no version of {name} can be used now ({reasons})")
        return newest
    for one in of_framework:
        if version.lower() in (one.version.lower(), *(alias.lower() for alias in one.aliases)):
            if one.unavailable is not None:
                raise InvalidArgument(f"--framework: {name} {version} cannot be used now: {one.unavailable}")
            return one
    listed = ", ".join(one.version for one in of_framework)
    raise InvalidArgument(f"--framework: this service has no {name} {version}; it has {listed}")


def _version_key(version: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts 2.9 before 2.13, and words before numbers."""
    parts = re.findall(r"\d+|[a-z]+", version.lower())
    return [(1, int(one), "") if one.isdigit() else (0, 0, one) for one in parts]
