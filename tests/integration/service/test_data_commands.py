"""Transfers of training data with the command line, to the embedded object store of a real service."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ServiceProcess


def lay(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("bb")
    (folder / "c.tmp").write_text("ccc")
    return folder


def test_folder_is_uploaded_once_and_downloaded_again(service: ServiceProcess, tmp_path: Path) -> None:
    here = lay(tmp_path / "here")
    arguments = [str(here), "by-hand", "--prefix", "set", "--exclude", "*.tmp"]
    done = service.console("upload", *arguments)
    assert (done.returncode, done.stdout) == (0, "2 files sent (3 bytes), 0 unchanged\n"), done.stderr
    done = service.console("upload", *arguments)
    assert done.stdout == "0 files sent (0 bytes), 2 unchanged\n"
    done = service.console("download", "by-hand", str(tmp_path / "there"), "--prefix", "set")
    assert done.stdout == "2 files fetched (3 bytes), 0 unchanged\n"
    assert (tmp_path / "there" / "deep" / "b.txt").read_text() == "bb"


def test_download_of_one_training_leaves_out_its_marker(service: ServiceProcess, tmp_path: Path) -> None:
    here = lay(tmp_path / "here")
    (here / "deep" / ".dlaas-training").write_text("{}")
    done = service.console("upload", str(here), "marked")
    assert "leaves them out: deep. To have them as data, exclude '.dlaas-training'" in done.stderr
    service.console("download", "marked", str(tmp_path / "alone"), "--prefix", "deep")
    assert [one.name for one in (tmp_path / "alone").iterdir()] == ["b.txt"]
    service.console("download", "marked", str(tmp_path / "all"))
    assert (tmp_path / "all" / "deep" / ".dlaas-training").exists()


def test_dry_run_prints_the_plan_and_changes_nothing(service: ServiceProcess, tmp_path: Path) -> None:
    here = lay(tmp_path / "here")
    service.console("upload", str(here), "planned")
    (here / "a.txt").write_text("A")
    (here / "deep" / "b.txt").unlink()
    done = service.console("upload", str(here), "planned", "--delete", "--dry-run")
    assert done.stdout.splitlines() == [
        "send    a.txt (1 bytes)",
        "delete  deep/b.txt",
        "1 files to send (1 bytes), 1 unchanged, 1 to delete",
    ]
    done = service.console("upload", str(here), "planned", "--delete")
    assert done.stdout == "1 files sent (1 bytes), 1 unchanged, 1 deleted\n"


def test_empty_transfer_fails_unless_it_is_allowed(service: ServiceProcess, tmp_path: Path) -> None:
    here = lay(tmp_path / "here")
    for options in ([], ["--dry-run"], ["--delete"]):
        done = service.console("upload", str(here), "never-made", "--include", "*.csv", *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"airflow-dlaas: {here}: include ['*.csv'] select no file in it")
    done = service.console("download", "never-made", str(tmp_path / "there"), "--allow-empty")
    assert "There is no container 'never-made'" in done.stderr
    done = service.console("upload", str(here), "by-hand", "--include", "*.csv", "--allow-empty")
    assert (done.returncode, done.stdout) == (0, "0 files sent (0 bytes), 0 unchanged\n"), done.stderr
    done = service.console("download", "by-hand", str(tmp_path / "there"), "--prefix", "none")
    assert (done.returncode, "nothing under 'none' in container 'by-hand'" in done.stderr) == (1, True)
    done = service.console("download", "by-hand", str(tmp_path / "there"), "--prefix", "none", "--allow-empty")
    assert (done.returncode, done.stdout) == (0, "0 files fetched (0 bytes), 0 unchanged\n")


def test_invalid_name_is_reported_in_one_sentence(service: ServiceProcess, tmp_path: Path) -> None:
    here = str(lay(tmp_path / "here"))
    for arguments, field in (
        (["upload", here, ""], "container"),
        (["upload", here, ".."], "container"),
        (["upload", here, "a/b"], "container"),
        (["upload", here, "c", "--prefix", "/x"], "prefix"),
        (["upload", here, "c", "--include", ""], "include[0]"),
        (["upload", here, "c", "--exclude", ""], "exclude[0]"),
        (["download", "", here], "container"),
        (["download", "c", here, "--prefix", "a//b"], "prefix"),
    ):
        done = service.console(*arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith(f"airflow-dlaas: {field}: "), done.stderr
        assert done.stderr.count("\n") == 1


def test_failed_transfer_is_reported_in_one_sentence(service: ServiceProcess, tmp_path: Path) -> None:
    done = service.console("upload", str(tmp_path / "nowhere"), "by-hand")
    assert done.returncode == 1
    assert done.stderr == f"airflow-dlaas: {tmp_path / 'nowhere'}: there is no such file or folder\n"
    done = service.console("download", "no-such-container", str(tmp_path / "there"))
    assert done.returncode == 1
    assert "There is no container 'no-such-container'" in done.stderr
    assert not (tmp_path / "there").exists()
