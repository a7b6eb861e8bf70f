"""A DAG bundle with versions, as a Git repository has them: each version is a folder, and one of them is the newest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

NEWEST = "newest"
"""The link to the folder of the newest version."""


class VersionedFolder(BaseDagBundle):
    """
    The bundle in *folder*.

    The DAG processor sees the version that was the newest one at its last refresh, as it sees the one checkout of a Git
    bundle. A worker sees the version of its run.
    """

    supports_versioning = True

    def __init__(self, *, folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._folder = Path(folder)
        self.refresh()

    @property
    def path(self) -> Path:
        return self._folder / (self.version or self._newest)

    def get_current_version(self) -> BundleVersion:
        return BundleVersion(self._newest)

    def refresh(self) -> None:
        """Take the newest version from the link."""
        self._newest = (self._folder / NEWEST).readlink().name


def publish(folder: Path, version: str, files: Mapping[str, str]) -> None:
    """Make *files*, texts by relative path, the newest version of the bundle in *folder*."""
    for name, text in files.items():
        file = folder / version / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    link = folder / ".newest"
    link.symlink_to(version)
    link.replace(folder / NEWEST)


def configuration(folder: Path) -> dict[str, str]:
    """Return the variables for an Airflow with the bundle in *folder* beside its dags folder; the bundle is empty."""
    publish(folder, "0", {"README": "no DAG"})
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    own = f"{VersionedFolder.__module__}.{VersionedFolder.__qualname__}"
    bundles = [
        {"name": "dags-folder", "classpath": local, "kwargs": {}},
        {"name": "versioned", "classpath": own, "kwargs": {"folder": str(folder)}},
    ]
    return {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        # Else Airflow locks versions in a folder that all Airflows of the machine share.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder.with_name("bundle_locks")),
    }
