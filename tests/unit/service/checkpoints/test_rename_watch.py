"""What the kernel reports of renames."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.checkpoints.rename_watch import RenameWatch


def test_only_what_was_renamed_into_the_folder_is_reported_and_once(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "before").touch()
    (folder / "before").rename(folder / "renamed before")
    watch = RenameWatch(folder)
    assert watch.take() == frozenset()
    (folder / "written").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").rename(folder / "moved in")
    (folder / "tmp").mkdir()
    (folder / "tmp" / "shard").write_text("x")
    (folder / "tmp" / "shard").rename(folder / "tmp" / "a shard")
    (folder / "tmp").rename(folder / "step-1")
    for number in range(5000):
        (folder / "tmp").write_text(str(number))
        (folder / "tmp").replace(folder / f"last-{number % 7} \udcff")
    assert watch.take() == {"moved in", "step-1", *(f"last-{number} \udcff" for number in range(7))}
    assert watch.take() == frozenset()
    watch.close()
    watch.close()
    assert watch.take() == frozenset()


def test_folder_that_is_missing_or_is_a_link_reports_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path / "missing", tmp_path / "link"):
        watch = RenameWatch(folder)
        (tmp_path / "tmp").touch()
        (tmp_path / "tmp").rename(tmp_path / "last")
        assert watch.take() == frozenset()
        watch.close()
