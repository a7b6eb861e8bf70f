"""The site's catalogue file is read again when it changes."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.runtimes.catalogue import load_catalogue
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.entry_checks import EntryChecks
from airflow_dlaas.service.runtimes.reloading_catalogue import ReloadingCatalogue

JAX = Framework(name="jax", version="1")


class Site:
    """A site's file, and the entries that were checked."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "runtimes.toml"
        self.checked: list[str] = []

    def write(self, *names: str, path: str = "/opt/bin") -> None:
        """Replace the file by one with these frameworks."""
        new = self.file.with_name("new")  # another inode: the time stamps of two writes may be the same
        new.write_text(
            "".join(
                f"[[runtime]]\nframework='{one}'\nversion='1'\nprovides='{one}'\nkind='prefix'\npath=['{path}']\n"
                "probe='true'\n"
                for one in names
            )
        )
        new.replace(self.file)

    def check(self, entry: CatalogueEntry) -> str | None:
        if entry.probe:
            self.checked.append(entry.framework)
        return None

    def catalogue(self) -> ReloadingCatalogue:
        load = partial(load_catalogue, self.file, check_entry=EntryChecks(self.check))
        return ReloadingCatalogue(self.file, load)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def names(catalogue: ReloadingCatalogue) -> set[str]:
    return {one.framework for one in catalogue.list_runtimes()} - {"tensorflow", "torch", "python"}


def test_changed_file_is_used_at_once(site: Site) -> None:
    site.write("caffe")
    catalogue = site.catalogue()
    assert names(catalogue) == {"caffe"}
    with pytest.raises(InvalidRequest, match="There is no jax here"):
        catalogue.resolve(JAX, "python3")
    site.write("caffe", "jax")
    assert catalogue.resolve(JAX, "python3").key == "jax-1"
    assert names(catalogue) == {"caffe", "jax"}


def test_only_changed_entries_are_checked_again(site: Site) -> None:
    site.write("caffe", "jax")
    catalogue = site.catalogue()
    assert site.checked == ["caffe", "jax"]  # at the start
    site.write("caffe", "mxnet")
    assert names(catalogue) == {"caffe", "mxnet"}
    assert site.checked == ["caffe", "jax", "mxnet"]
    site.write("caffe", path="/usr/bin")
    assert names(catalogue) == {"caffe"}
    assert site.checked == ["caffe", "jax", "mxnet", "caffe"]


def test_broken_file_leaves_the_catalogue_and_is_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.write("jax")
    catalogue = site.catalogue()
    assert catalogue.problem is None
    site.file.write_text("[[runtime")
    for _ in range(3):
        assert catalogue.resolve(JAX, "python3").key == "jax-1"
        assert "is no TOML" in (catalogue.problem or "")
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    assert "no TOML" in caplog.text
    site.write("mxnet")
    assert (names(catalogue), catalogue.problem) == ({"mxnet"}, None)
    site.file.unlink()
    assert names(catalogue) == {"mxnet"}
    assert "cannot be read" in (catalogue.problem or "")


def test_training_of_a_removed_entry_gets_the_reason(site: Site) -> None:
    site.write("jax")
    catalogue = site.catalogue()
    key = catalogue.resolve(JAX, "python3").key
    site.write("mxnet")
    with pytest.raises(HostError, match="jax-1 is no longer in the catalogue"):
        catalogue.get_spec(key)


def test_service_does_not_start_with_a_broken_file(site: Site) -> None:
    site.file.write_text("[[runtime")
    with pytest.raises(NotConfigured, match="no TOML"):
        site.catalogue()


def test_without_a_site_file_the_package_s_own_runtimes_are_listed() -> None:
    catalogue = ReloadingCatalogue(None, load_catalogue)
    assert (names(catalogue), catalogue.problem, catalogue.image_patterns) == (set(), None, None)
