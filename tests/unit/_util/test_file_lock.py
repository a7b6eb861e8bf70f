from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas._util.file_lock import acquire_file_lock, file_lock
from airflow_dlaas._util.timer import Timer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def is_free(path):
    """Whether another holder could acquire the lock now."""
    try:
        with file_lock(path, timeout=0):
            return True
    except BlockingIOError:
        return False


def descriptors():
    """Return the number of open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Clock:
    """A clock that only `sleep` advances; it calls each function of *at* when its time has come."""

    def __init__(self, at=None):
        self.now = 0.0
        self.slept = []
        self.at = at or {}

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()


def test_lock_excludes_others_until_the_block_ends(path):
    with file_lock(path):
        assert not is_free(path)
    assert is_free(path)


def test_lock_is_released_after_an_error(path):
    with pytest.raises(KeyError), file_lock(path):
        raise KeyError
    assert is_free(path)


def test_lock_without_a_wait_raises_and_leaves_no_descriptor(path):
    with file_lock(path):
        before = descriptors()
        with pytest.raises(BlockingIOError):
            acquire_file_lock(path, timeout=0)
        assert descriptors() == before


def test_lock_polls_until_the_timeout(path):
    clock = Clock()
    with file_lock(path), pytest.raises(BlockingIOError):
        acquire_file_lock(path, timeout=0.12, timer=Timer(clock, clock.sleep))
    assert clock.slept == pytest.approx([0.05, 0.05, 0.02])


def test_lock_is_taken_when_it_becomes_free_before_the_timeout(path):
    other = acquire_file_lock(path)
    clock = Clock({0.1: lambda: os.close(other)})
    with file_lock(path, timeout=3, timer=Timer(clock, clock.sleep)):
        assert not is_free(path)
    assert clock.now == pytest.approx(0.1)


def test_lock_waits_without_limit_and_reports_the_wait_once(path):
    other = acquire_file_lock(path)
    waits = []

    def release():
        waits.append(path)
        os.close(other)

    with file_lock(path, on_wait=release):
        assert not is_free(path)
    assert waits == [path]


def test_lock_that_is_free_reports_no_wait(path):
    with file_lock(path, on_wait=lambda: pytest.fail("there is no wait")):
        pass


def test_lock_is_on_the_file_at_the_path_even_if_a_holder_removes_it(path):
    """A waiting process locks the removed file first; it has to lock the new one."""
    other = acquire_file_lock(path)

    def remove_and_release():
        path.unlink()
        os.close(other)

    with file_lock(path, on_wait=remove_and_release) as descriptor:
        assert os.path.samestat(os.fstat(descriptor), path.stat())
        assert not is_free(path)


def test_lock_is_on_the_file_at_the_path_even_if_a_holder_replaces_it(path):
    other = acquire_file_lock(path)

    def replace_and_release():
        path.rename(path.with_name("target"))
        path.touch()
        os.close(other)

    before = descriptors()
    with file_lock(path, on_wait=replace_and_release) as descriptor:
        assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert descriptors() == before - 1


def test_lock_removes_its_file_if_asked(path):
    with file_lock(path, unlink=True):
        assert path.exists()
    assert not path.exists()
    with file_lock(path):
        pass
    assert path.exists()


def test_lock_with_a_file_that_is_gone_is_released_without_an_error(path):
    with file_lock(path, unlink=True):
        path.unlink()
    assert not path.exists()


def test_lock_keeps_the_content_of_the_file(path):
    path.write_text("content")
    with file_lock(path) as descriptor:
        assert os.pread(descriptor, 100, 0) == b"content"
        os.pwrite(descriptor, b"C", 0)
    assert path.read_text() == "Content"


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o644, 0o644)])
def test_lock_creates_the_file_with_the_mode(path, mode, expected):
    before = os.umask(0o022)
    try:
        with file_lock(path, mode=mode):
            assert stat.S_IMODE(path.stat().st_mode) == expected
    finally:
        os.umask(before)


def test_lock_in_a_missing_folder_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        acquire_file_lock(tmp_path / "missing" / "lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_lock_on_a_file_system_without_locks(path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = descriptors()
    with pytest.raises(OSError, match="no locks"):
        acquire_file_lock(path)
    assert descriptors() == before
    with file_lock(path, ignore_unsupported=True):
        assert path.exists()


def test_lock_is_not_inherited_by_a_program(path):
    with file_lock(path) as descriptor:
        code = f"import os\ntry: os.fstat({descriptor})\nexcept OSError: print('closed')"
        process = subprocess.run(
            [sys.executable, "-S", "-c", code], close_fds=False, capture_output=True, check=True, timeout=60
        )
    assert process.stdout == b"closed\n"
