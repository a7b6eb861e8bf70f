"""
The service's only truth on frameworks: a name and a version in, what really runs it out.

Exact versions and aliases only. What is not listed is refused with the list of what is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.training import Runtime
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.job_files import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue_file import Entry, read_entries

VERSION = "model_definition.framework.version"
COMMAND = "model_definition.execution.command"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """
    What this site can run. ``unavailable`` has, by key, why an entry cannot be used, as found at the start.

    Whether a container engine answers changes while the service runs: with *examine* it is looked up each time. What
    *examine* remembers decides how old the answer may be.
    """

    entries: tuple[Entry, ...]
    gpus: bool = False
    """Whether the machine has real GPUs: it decides which requirements are meant."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    examine: Callable[[Entry], str | None] | None = None

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """
        Say what runs *framework* and whether it can run *command*.

        :raises InvalidRequest: C101, naming the field: an unknown version, an entry that cannot be used now, or
            a Lua command on PyTorch.
        """
        name, version = framework.name.lower(), framework.version.lower()
        found = next((one for one in self.entries if one.framework == name and version in one.names), None)
        if found is None:
            known = any(one.framework == name for one in self.entries)
            said = f"There is no {name} {framework.version} here" if known else f"There is no {name} here"
            target = VERSION if known else "model_definition.framework.name"
            raise InvalidRequest(f"{said}; this service has {self._offer()}", code="C101", target=target)
        reasons = self._reasons() if found.kind == "container" else self.unavailable
        if (why := reasons.get(found.key)) is not None:
            raise InvalidRequest(
                f"{name} {framework.version} cannot be used now: {why}; this service has {self._offer()}",
                code="C101",
                target=VERSION,
            )
        if found.flavour == "pytorch" and command.split()[:1] == ["th"]:
            raise InvalidRequest(
                f"The command starts Lua's th, and torch {framework.version} is {found.provides} here: Lua Torch runs "
                "only where the site's catalogue has an entry for it",
                code="C101",
                target=COMMAND,
            )
        return found.spec(gpus=self.gpus)

    def spec(self, key: str) -> RuntimeSpec:
        """
        Find again what `resolve` answered, by its key.

        :raises HostError: the site has taken the entry out of its catalogue meanwhile.
        """
        for one in self.entries:
            if one.key == key:
                return one.spec(gpus=self.gpus)
        raise HostError(f"The runtime {key} is not in the catalogue any more")

    def listing(self) -> tuple[Runtime, ...]:
        """Every entry, those that cannot be used now with the reason."""
        reasons = self._reasons()
        return tuple(one.listed(reasons.get(one.key)) for one in self.entries)

    def _reasons(self) -> Mapping[str, str]:
        """Return why entries cannot be used now, by key. All containers have the same engine: it is asked once."""
        containers = [one for one in self.entries if one.kind == "container"]
        if not containers or self.examine is None:
            return self.unavailable
        why = self.examine(containers[0])
        keys = {one.key for one in containers}
        others = {key: reason for key, reason in self.unavailable.items() if key not in keys}
        return others if why is None else {**others, **dict.fromkeys(keys, why)}

    def _offer(self) -> str:
        reasons = self._reasons()
        usable = [one for one in self.entries if one.key not in reasons]
        return ", ".join(f"{one.framework} {' or '.join(one.names)}" for one in usable) or "no runtime at all"


def load(
    site: Path | None = None,
    *,
    gpus: bool = False,
    examine: Callable[[Entry], str | None] = lambda _: None,
) -> Catalogue:
    """
    Read the entries that come with the package and the *site*'s own.

    *examine* says why an entry cannot be used on this machine, or None: `airflow_dlaas.service.runtimes.probe.examine`.

    :raises NotConfigured: the site's file cannot be read, or two of its entries claim one name.
    """
    shipped = read_entries(files(__package__).joinpath("catalogue.toml").read_text("utf-8"), "of the package")
    own: tuple[Entry, ...] = ()
    if site is not None:
        try:
            own = read_entries(site.read_text("utf-8"), str(site))
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"The runtime catalogue {site} cannot be read: {error}") from error
    entries = merge(shipped, own)
    reasons = {one.key: why for one in entries if (why := examine(one)) is not None}
    return Catalogue(entries=entries, gpus=gpus, unavailable=reasons, examine=examine)


def merge(shipped: Iterable[Entry], own: Sequence[Entry]) -> tuple[Entry, ...]:
    """
    Put the site's entries above the *shipped* ones.

    A name claimed by both is the site's. Two of the site's own entries must not claim one name.
    """
    claimed: dict[tuple[str, str], str] = {}
    for one in own:
        for name in one.names:
            other = claimed.setdefault((one.framework, name), one.key)
            if other != one.key or one.names.count(name) > 1:
                raise NotConfigured(f"The runtime catalogue: {one.framework} {name} is claimed twice")
    if len({one.key for one in own}) < len(own):
        raise NotConfigured("The runtime catalogue: two entries have the same framework and version")
    kept = [
        one.model_copy(update={"aliases": tuple(a for a in one.aliases if (one.framework, a) not in claimed)})
        for one in shipped
        if (one.framework, one.version) not in claimed
    ]
    return tuple(one for one in (*own, *kept) if one.enabled)
