"""
The runtime catalogue: resolves a framework's name and version to what runs it.

Only exact versions and aliases match. Anything else is refused, with the list of available runtimes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.image_allowlist import ALLOW_NO_IMAGE, ImageAllowlist
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry, parse_entries
from airflow_dlaas.service.runtimes.environment_size import environment_bytes
from airflow_dlaas.service.runtimes.image_runtimes import IMAGE_FIELD, image_entry, image_spec_of_key, resolve_image
from airflow_dlaas.service.runtimes.python_runtimes import python_entries

VERSION_FIELD = "model_definition.framework.version"
COMMAND_FIELD = "model_definition.execution.command"


NAME_FIELD = "model_definition.framework.name"


def _is_usable(_: CatalogueEntry) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class RuntimeCatalogue:
    """
    The runtimes of this site.

    Whether an entry can be used is checked when it matters, by *check_entry*; a cache behind it decides how old the
    answer may be (`EntryChecks`, `EngineCheck`).
    """

    entries: tuple[CatalogueEntry, ...]
    has_gpus: bool = False
    """Whether the machine has real GPUs; this selects the requirements of an entry."""
    check_entry: Callable[[CatalogueEntry], str | None] = _is_usable
    """Returns why an entry cannot be used on this machine, or None."""
    images: ImageAllowlist = ALLOW_NO_IMAGE
    """The images that definitions may name; they have no entries."""
    environments_dir: Path | None = None
    """The directory of the environments of kind ``uv``; None: no entry lists the size of its own."""

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """
        Return the runtime of *framework*, if it can run *command*. With an image, name and version are labels.

        :raises InvalidRequest: C101, with the field: the name or the version is unknown, the image is not allowed, the
            runtime cannot be used now, or the command is for Lua and the entry is PyTorch.
        """
        if framework.image is not None:
            spec = resolve_image(framework.image, self.images)
            self._require_usable(image_entry(framework.image), f"{IMAGE_FIELD}: {framework.image}", IMAGE_FIELD)
            return spec
        name, version = framework.name.lower(), framework.version.lower()
        entry = next((one for one in self.entries if one.framework == name and version in one.accepted_versions), None)
        if entry is None:
            known = any(one.framework == name for one in self.entries)
            message = f"There is no {name} {framework.version} here" if known else f"There is no {name} here"
            target = VERSION_FIELD if known else NAME_FIELD
            raise InvalidRequest(
                f"{target}: {message}; this service has {self._describe_usable()}", code="C101", target=target
            )
        self._require_usable(entry, f"{VERSION_FIELD}: {name} {framework.version}", VERSION_FIELD)
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
        Return the runtime that `resolve` returned before, by its key.

        :raises HostError: the site has removed the entry from its catalogue meanwhile, or no longer allows the image.
        """
        if (spec := image_spec_of_key(key, self.images)) is not None:
            return spec
        for one in self.entries:
            if one.key == key:
                return one.to_spec(has_gpus=self.has_gpus)
        raise HostError(f"The runtime {key} is no longer in the catalogue")

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """Return all entries; those that cannot be used now have the reason."""
        return tuple(one.to_runtime(self.check_entry(one), self._environment_bytes(one)) for one in self.entries)

    def _environment_bytes(self, entry: CatalogueEntry) -> int | None:
        if entry.kind != "uv" or self.environments_dir is None:
            return None
        return environment_bytes(entry.to_spec(has_gpus=self.has_gpus), self.environments_dir)

    def _require_usable(self, entry: CatalogueEntry, subject: str, field: str) -> None:
        if (why := self.check_entry(entry)) is not None:
            raise InvalidRequest(
                f"{subject} cannot be used now: {why}; this service has {self._describe_usable()}",
                code="C101",
                target=field,
            )

    def _describe_usable(self) -> str:
        usable = [one for one in self.entries if self.check_entry(one) is None]
        return (
            ", ".join(f"{one.framework} {' or '.join(one.accepted_versions)}" for one in usable) or "no runtime at all"
        )


def load_catalogue(
    site_file: Path | None = None,
    *,
    has_gpus: bool = False,
    check_entry: Callable[[CatalogueEntry], str | None] = _is_usable,
    images: ImageAllowlist = ALLOW_NO_IMAGE,
    environments_dir: Path | None = None,
) -> RuntimeCatalogue:
    """
    Read the entries of the package and those of *site_file*. No entry is checked yet.

    :param check_entry: returns why an entry cannot be used on this machine, or None; see
        `airflow_dlaas.service.runtimes.probe.check_entry`.
    :raises NotConfigured: the site's file cannot be read, or two of its entries have the same name.
    """
    package_file = files(__package__).joinpath("catalogue.toml")
    package_entries = (*parse_entries(package_file.read_text("utf-8"), "of the package"), *python_entries())
    site_entries: tuple[CatalogueEntry, ...] = ()
    if site_file is not None:
        try:
            site_entries = parse_entries(site_file.read_text("utf-8"), str(site_file))
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"The runtime catalogue {site_file} cannot be read: {error}") from error
    return RuntimeCatalogue(
        entries=merge_entries(package_entries, site_entries),
        has_gpus=has_gpus,
        check_entry=check_entry,
        images=images,
        environments_dir=environments_dir,
    )


def merge_entries(
    package_entries: Iterable[CatalogueEntry], site_entries: Sequence[CatalogueEntry]
) -> tuple[CatalogueEntry, ...]:
    """
    Return the entries of the site, followed by those of the package.

    A name that both have belongs to the site's entry.

    :raises NotConfigured: two entries of the site have the same name, or two entries have the same key.
    """
    claimed: dict[tuple[str, str], str] = {}
    for one in site_entries:
        for name in one.accepted_versions:
            other = claimed.setdefault((one.framework, name), one.key)
            if other != one.key or one.accepted_versions.count(name) > 1:
                raise NotConfigured(f"The runtime catalogue: {one.framework} {name} is claimed twice")
    kept = [
        one.model_copy(update={"aliases": tuple(a for a in one.aliases if (one.framework, a) not in claimed)})
        for one in package_entries
        if (one.framework, one.version) not in claimed
    ]
    _require_unique_keys((*site_entries, *kept))
    return tuple(one for one in (*site_entries, *kept) if one.enabled)


def _require_unique_keys(entries: Iterable[CatalogueEntry]) -> None:
    owners: dict[str, CatalogueEntry] = {}
    for one in entries:
        other = owners.setdefault(one.key, one)
        if other is one:
            continue
        if (other.framework, other.version) == (one.framework, one.version):
            raise NotConfigured("The runtime catalogue: two entries have the same framework and version")
        # Such as "a" with version "b-c" and "a-b" with version "c": a training stores the key of its entry only.
        raise NotConfigured(
            f"The runtime catalogue: {one.framework} {one.version} and {other.framework} {other.version} have the same "
            f"key {one.key}; rename one of them"
        )
