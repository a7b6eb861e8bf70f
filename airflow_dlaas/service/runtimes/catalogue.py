"""
The runtime catalogue: resolves a framework's name and version to what runs it.

Only exact versions and aliases match. Anything else is refused, with the list of available runtimes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.training import Runtime
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry, parse_entries

VERSION_FIELD = "model_definition.framework.version"
COMMAND_FIELD = "model_definition.execution.command"


@dataclass(frozen=True, slots=True)
class RuntimeCatalogue:
    """
    The runtimes of this site.

    Whether a container engine answers can change while the service runs. With *check_entry*, it is checked at each
    call; the cache of *check_entry* decides how old the answer may be.
    """

    entries: tuple[CatalogueEntry, ...]
    has_gpus: bool = False
    """Whether the machine has real GPUs; this selects the requirements of an entry."""
    unavailable_reasons: Mapping[str, str] = field(default_factory=dict)
    """Why an entry cannot be used, by its key, as found when the service started."""
    check_entry: Callable[[CatalogueEntry], str | None] | None = None

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """
        Return the runtime of *framework*, if it can run *command*.

        :raises InvalidRequest: C101, with the field: the version is unknown, the entry cannot be used now, or the
            command is for Lua and the entry is PyTorch.
        """
        name, version = framework.name.lower(), framework.version.lower()
        entry = next((one for one in self.entries if one.framework == name and version in one.accepted_versions), None)
        if entry is None:
            known = any(one.framework == name for one in self.entries)
            message = f"There is no {name} {framework.version} here" if known else f"There is no {name} here"
            target = VERSION_FIELD if known else "model_definition.framework.name"
            raise InvalidRequest(f"{message}; this service has {self._describe_usable()}", code="C101", target=target)
        reasons = self._check_reasons() if entry.kind == "container" else self.unavailable_reasons
        if (why := reasons.get(entry.key)) is not None:
            raise InvalidRequest(
                f"{name} {framework.version} cannot be used now: {why}; this service has {self._describe_usable()}",
                code="C101",
                target=VERSION_FIELD,
            )
        if entry.flavour == "pytorch" and command.split()[:1] == ["th"]:
            raise InvalidRequest(
                f"The command starts Lua's th, and torch {framework.version} is {entry.provides} here: Lua Torch runs "
                "only where the site's catalogue has an entry for it",
                code="C101",
                target=COMMAND_FIELD,
            )
        return entry.to_spec(has_gpus=self.has_gpus)

    def get_spec(self, key: str) -> RuntimeSpec:
        """
        Return the entry that `resolve` returned before, by its key.

        :raises HostError: the site has removed the entry from its catalogue meanwhile.
        """
        for one in self.entries:
            if one.key == key:
                return one.to_spec(has_gpus=self.has_gpus)
        raise HostError(f"The runtime {key} is no longer in the catalogue")

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """Return all entries; those that cannot be used now have the reason."""
        reasons = self._check_reasons()
        return tuple(one.to_runtime(reasons.get(one.key)) for one in self.entries)

    def _check_reasons(self) -> Mapping[str, str]:
        """Return why entries cannot be used now, by key. All containers use the same engine, which is checked once."""
        containers = [one for one in self.entries if one.kind == "container"]
        if not containers or self.check_entry is None:
            return self.unavailable_reasons
        why = self.check_entry(containers[0])
        keys = {one.key for one in containers}
        others = {key: reason for key, reason in self.unavailable_reasons.items() if key not in keys}
        return others if why is None else {**others, **dict.fromkeys(keys, why)}

    def _describe_usable(self) -> str:
        reasons = self._check_reasons()
        usable = [one for one in self.entries if one.key not in reasons]
        return (
            ", ".join(f"{one.framework} {' or '.join(one.accepted_versions)}" for one in usable) or "no runtime at all"
        )


def load_catalogue(
    site_file: Path | None = None,
    *,
    has_gpus: bool = False,
    check_entry: Callable[[CatalogueEntry], str | None] = lambda _: None,
) -> RuntimeCatalogue:
    """
    Read the entries of the package and those of *site_file*.

    :param check_entry: returns why an entry cannot be used on this machine, or None; see
        `airflow_dlaas.service.runtimes.probe.check_entry`.
    :raises NotConfigured: the site's file cannot be read, or two of its entries have the same name.
    """
    package_entries = parse_entries(files(__package__).joinpath("catalogue.toml").read_text("utf-8"), "of the package")
    site_entries: tuple[CatalogueEntry, ...] = ()
    if site_file is not None:
        try:
            site_entries = parse_entries(site_file.read_text("utf-8"), str(site_file))
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"The runtime catalogue {site_file} cannot be read: {error}") from error
    entries = merge_entries(package_entries, site_entries)
    reasons = {one.key: why for one in entries if (why := check_entry(one)) is not None}
    return RuntimeCatalogue(entries=entries, has_gpus=has_gpus, unavailable_reasons=reasons, check_entry=check_entry)


def merge_entries(
    package_entries: Iterable[CatalogueEntry], site_entries: Sequence[CatalogueEntry]
) -> tuple[CatalogueEntry, ...]:
    """
    Return the entries of the site, followed by those of the package.

    A name that both have belongs to the site's entry.

    :raises NotConfigured: two entries of the site have the same name.
    """
    claimed: dict[tuple[str, str], str] = {}
    for one in site_entries:
        for name in one.accepted_versions:
            other = claimed.setdefault((one.framework, name), one.key)
            if other != one.key or one.accepted_versions.count(name) > 1:
                raise NotConfigured(f"The runtime catalogue: {one.framework} {name} is claimed twice")
    if len({one.key for one in site_entries}) < len(site_entries):
        raise NotConfigured("The runtime catalogue: two entries have the same framework and version")
    kept = [
        one.model_copy(update={"aliases": tuple(a for a in one.aliases if (one.framework, a) not in claimed)})
        for one in package_entries
        if (one.framework, one.version) not in claimed
    ]
    return tuple(one for one in (*site_entries, *kept) if one.enabled)
