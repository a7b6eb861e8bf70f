"""CHECKPOINT_DIR is stored while the command runs: a learner that is killed leaves a whole checkpoint in the store."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil
import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.results import checkpoints_folder, is_internal
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, EntryKind, parse_manifest_name
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile, ProcessIdentity
from tests.fault_proxy import FaultProxy, SendReply, StallRequest
from tests.memory_store import md5
from tests.stored import orphans, segments

SAVE = """
import os, sys, time
folder = os.environ["CHECKPOINT_DIR"]

def state(step, lines=20000):
    return f"step {step}\\n" * lines

def in_place(path, text, pause=0.0):
    with open(f"{folder}/{path}", "w") as file:
        for start in range(0, len(text), 4096):
            file.write(text[start:start + 4096])
            file.flush()
            time.sleep(pause)

def renamed(path, text):
    with open(f"{folder}/{path}.tmp", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{folder}/{path}.tmp", f"{folder}/{path}")
"""
"""The beginning of a training's code. A state has one step, in a known number of lines."""


def is_whole(content: bytes, lines: int = 20000) -> bool:
    """Whether *content* is one state, from beginning to end."""
    found = content.decode().splitlines()
    return len(found) == lines and len(set(found)) == 1


def step_of(content: bytes) -> int:
    return int(content.decode().splitlines()[0].removeprefix("step "))


class StoredCheckpoints:
    """What a job has in its results container."""

    def __init__(self, job) -> None:
        self.job = job

    def manifests(self) -> dict[tuple[int, int], CheckpointManifest]:
        found = {}
        with self.job.store() as store:
            for one in store.list_objects(self.job.container, f"{checkpoints_folder(self.job.id)}/"):
                if (checkpoint := parse_manifest_name(self.job.id, one.name)) is not None:
                    with contextlib.suppress(Exception):  # deleted since the listing
                        content = store.read_range(self.job.container, one.name, 0, one.size)
                        found[checkpoint] = CheckpointManifest.model_validate_json(content)
        return found

    def newest(self) -> CheckpointManifest:
        manifests = self.manifests()
        return manifests[max(manifests)]

    def read(self, manifest: CheckpointManifest) -> dict[str, bytes]:
        """The files of a checkpoint, which have the size and the MD5 that the manifest states."""
        files = {}
        with self.job.store() as store:
            for one in manifest.entries:
                if one.kind is EntryKind.FILE:
                    assert one.object_name
                    files[one.path] = content = store.read_range(self.job.container, one.object_name, 0, one.size + 1)
                    assert (len(content), md5(content)) == (one.size, one.md5), one
        return files

    def wait_for(self, number: int) -> None:
        """Wait for a checkpoint in checkpoints.json."""

        def newest() -> int:
            found = read_job_file(self.job.folder.checkpoints, CheckpointsFile)
            return found.newest.number if found and found.newest else 0

        self.job.wait(lambda: newest() >= number, f"checkpoint {number}")

    def contents(self) -> int:
        """The number of stored contents of files."""
        return sum("/content/" in name for name in self.job.stored())


@pytest.fixture
def stored(job) -> StoredCheckpoints:
    return StoredCheckpoints(job)


@pytest.fixture
def start(job, zipped):
    """Starts a training with Python code that saves states."""

    def run(code: str, **spec) -> None:
        job.start("python main.py", code=zipped({"main.py": f"{SAVE}{code}"}), **spec)

    return run


def kill(job) -> None:
    """Kill the learner with SIGKILL, as the kernel does when memory runs out, then what is left of the command."""
    mark = read_job_file(job.folder.run, ProcessIdentity)
    learner = psutil.Process(mark.pid)
    processes = [learner, *learner.children(recursive=True)]
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(processes, timeout=30)


def test_file_that_is_renamed_into_place_all_the_time_is_whole_after_a_kill(job, start, stored):
    start("for step in range(10**6):\n    renamed('last.pt', state(step)); time.sleep(0.05)\n")
    stored.wait_for(3)
    kill(job)
    manifest = stored.newest()
    files = stored.read(manifest)
    assert is_whole(files["last.pt"])
    assert step_of(files["last.pt"]) > 0


def test_file_that_is_overwritten_in_place_all_the_time_keeps_its_complete_state(job, start, stored):
    start(
        "in_place('last.pt', state(7))\ntime.sleep(3)\nopen(f'{folder}/begun', 'w').close()\n"
        "for step in range(8, 10**6):\n    in_place('last.pt', state(step), 0.01)\n"
    )
    stored.wait_for(2)  # with the file that marks the beginning of the next state
    kill(job)
    files = stored.read(stored.newest())
    assert is_whole(files["last.pt"])
    assert "begun" in files


def test_folder_of_shards_that_is_written_slowly_is_stored_when_it_is_complete(job, start, stored):
    start(
        "for step in range(10**6):\n    os.mkdir(f'{folder}/step-{step}')\n"
        "    for shard in range(3):\n        in_place(f'step-{step}/{shard}', state(step, 2000), 0.2)\n"
        "    time.sleep(6 if step == 0 else 0)\n"
    )
    stored.wait_for(1)
    kill(job)
    files = stored.read(stored.newest())
    assert files.keys() >= {"step-0/0", "step-0/1", "step-0/2"}
    assert all(is_whole(one, 2000) for one in files.values())


def test_file_that_grows_with_pauses_is_not_stored_while_it_is_open(job, start, stored):
    start(
        "renamed('first.pt', state(1))\nwith open(f'{folder}/slow.pt', 'w') as file:\n"
        "    for part in range(100):\n        file.write('part\\n')\n        file.flush()\n        time.sleep(3)\n"
        "        renamed('other.pt', state(part))\n"
    )
    stored.wait_for(3)
    kill(job)
    files = stored.read(stored.newest())
    assert files.keys() == {"first.pt", "other.pt"}


def test_last_checkpoint_of_a_clean_end_consists_of_the_results(job, start, stored):
    start("renamed('a.pt', state(1))\ntime.sleep(3)\nos.mkdir(f'{folder}/empty')\nin_place('b.pt', state(2))\n")
    assert job.end().state is TrainingState.COMPLETED
    manifest = stored.newest()
    assert stored.read(manifest).keys() == {"a.pt", "b.pt"}
    assert {one.object_name for one in manifest.entries if one.object_name} == {
        f"{job.id}/checkpoints/a.pt",
        f"{job.id}/checkpoints/b.pt",
    }
    for one in stored.manifests().values():
        stored.read(one)
    logged = job.stored()["learner-1/checkpoints.log"].decode()
    assert "Stored checkpoint 1 of attempt 1: 1 file, 0.1 MiB; sent 1 file, 0.1 MiB in " in logged
    assert read_job_file(job.folder.checkpoints, CheckpointsFile).newest == manifest.report
    assert not job.folder.subdirectory("staging").exists()


def test_short_training_sends_its_checkpoint_once(job, start, stored):
    start("in_place('a.pt', state(1))\n")
    job.end()
    assert stored.read(stored.newest()).keys() == {"a.pt"}
    assert stored.contents() == 0


def test_training_without_checkpoints_stores_none(job, start):
    start("print('done')\n")
    job.end()
    assert {name for name in job.stored() if is_internal(f"{job.id}/{name}")} == {".dlaas-training"}


def test_checkpoints_that_are_switched_off_are_not_stored(job, start, stored):
    start("in_place('a.pt', state(1))\ntime.sleep(3)\n", checkpoints_kept=0)
    job.end()
    assert "checkpoints/a.pt" in job.stored()
    assert not stored.manifests()


@pytest.mark.parametrize("kept", [1, 3])
def test_newest_checkpoints_are_kept(job, start, stored, kept):
    start(
        "for step in range(6):\n    renamed('last.pt', state(step))\n"
        "    while not os.path.exists(f'{folder}/{step}'):\n        time.sleep(0.05)\n"
        "    os.unlink(f'{folder}/{step}')\n",
        checkpoints_kept=kept,
    )
    job.wait(job.folder.subdirectory("checkpoints").exists, "the folder")
    for step in range(5):
        stored.wait_for(step + 1)
        (job.folder.subdirectory("checkpoints") / f"{step}").touch()
    stored.wait_for(6)
    kill(job)
    manifests = stored.manifests()
    assert len(manifests) <= kept + 1  # the kill may come before the deletion
    assert all(is_whole(stored.read(one)["last.pt"]) for one in manifests.values())


def test_state_of_a_command_that_was_killed_is_not_mixed(job, start, stored):
    """What it was writing when it was killed is among the results, and in no checkpoint."""
    start(
        "renamed('last.pt', state(1))\ntime.sleep(3)\nfile = open(f'{folder}/last.pt', 'w')\nfile.write('half')\n"
        "file.flush()\ntime.sleep(5)\nos.kill(os.getpid(), 9)\n"
    )
    ended = job.end()
    assert ended.exit_code == 128 + signal.SIGKILL
    files = stored.read(stored.newest())
    assert is_whole(files["last.pt"])
    assert job.stored()["checkpoints/last.pt"] == b"half"


def test_state_that_a_canceled_command_saves_is_the_last_checkpoint(job, start, stored):
    start(
        "import signal\n"
        "def save(*_):\n    in_place('last.pt', state(99), 0.001)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    job.wait(lambda: job.log_contains("ready"), "the command")
    os.kill(read_job_file(job.folder.run, ProcessIdentity).pid, signal.SIGTERM)
    assert job.end().state is TrainingState.CANCELED
    files = stored.read(stored.newest())
    assert is_whole(files["last.pt"])
    assert step_of(files["last.pt"]) == 99


def test_odd_names_are_stored(job, start, stored):
    start(
        "os.mkfifo(f'{folder}/pipe')\nopen(os.fsencode(folder) + b'/caf\\xe9', 'w').close()\n"
        "for name in ('a b', 'line\\nbreak', '\\u00fc', '-rf', '%2F', 'a\\\\b'):\n    in_place(name, name)\n"
        "os.symlink('a b', f'{folder}/latest')\nos.mkdir(f'{folder}/empty')\ntime.sleep(600)\n"
    )
    stored.wait_for(1)
    kill(job)
    manifest = stored.newest()
    assert {one.path.encode() for one in manifest.entries} >= {b"a b", b"line\nbreak", b"\xc3\xbc", b"-rf", b"%2F"}
    assert all(name.encode() == content for name, content in stored.read(manifest).items())
    assert {one.path: one.target for one in manifest.entries if one.kind is EntryKind.LINK} == {"latest": "a b"}


def test_large_file_is_sent_in_segments_and_leaves_none_behind(job, start, stored):
    start(
        "with open('/dev/urandom', 'rb') as random:\n    content = random.read(2**20) * 140\n"
        "for step in range(3):\n    with open(f'{folder}/tmp', 'wb') as file:\n"
        "        file.write(b'%d' % step)\n        file.write(content)\n"
        "    os.replace(f'{folder}/tmp', f'{folder}/last.pt')\n"
        "    while not os.path.exists(f'{folder}/{step}'):\n        time.sleep(0.05)\n",
        checkpoints_kept=1,
    )
    for step in range(3):
        stored.wait_for(step + 1)
        (job.folder.subdirectory("checkpoints") / f"{step}").touch()
    assert job.end().state is TrainingState.COMPLETED
    manifest = stored.newest()
    [entry] = [one for one in manifest.entries if one.path == "last.pt"]
    with job.store() as store:
        path = job.folder.path.with_name("got")
        store.get(job.container, entry.object_name, path)
        assert md5(path.read_bytes()) == entry.md5
        assert not orphans(store, job.container)
        kept = list(segments(store, job.container))
    assert all(one.startswith(f"{job.id}/checkpoints/last.pt/") for one in kept)


@pytest.fixture
def proxy(job, swift):
    """A proxy between the learner and the store; the test itself asks the store."""
    with FaultProxy(swift.auth_url) as one:
        direct = job.connection
        job.connection = direct.model_copy(update={"auth_url": one.auth_url})
        yield one
        job.connection = direct


KILLS = {
    "before a content": ("PUT", "/content/", 2, 0),
    "in a content": ("PUT", "/content/", 2, 60),
    "before a manifest": ("PUT", "/manifest-", 2, 0),
    "in a manifest": ("PUT", "/manifest-", 2, 60),
    "before the deletion of a manifest": ("DELETE", "/manifest-", 0, 0),
    "before the deletion of a content": ("DELETE", "/content/", 0, 0),
}
"""Requests that change what is stored: method, part of the path, how many pass before, and how many bytes of one."""


@pytest.mark.parametrize("moment", KILLS)
def test_learner_killed_at_any_request_leaves_whole_checkpoints(job, proxy, start, stored, moment):
    """Each manifest in the store has all of its contents, whatever the request was that the learner was killed at."""
    method, path, skip, after = KILLS[moment]
    proxy.on(StallRequest(after), method=method, path=path, skip=skip)
    start("for step in range(10**6):\n    renamed('last.pt', state(step)); time.sleep(0.2)\n")
    job.wait(lambda: proxy.stalled, "the request")
    kill(job)
    proxy.calm()
    manifests = stored.manifests()
    assert manifests
    assert all(is_whole(stored.read(one)["last.pt"]) for one in manifests.values())


def test_store_that_refuses_for_a_while_gets_the_next_checkpoint(job, proxy, start, stored):
    start("for step in range(10**6):\n    renamed('last.pt', state(step)); time.sleep(0.2)\n")
    stored.wait_for(1)
    proxy.on(SendReply(503), method="PUT", path="/content/", times=7)
    proxy.on(SendReply(507), method="PUT", path="/content/", times=1)
    proxy.on(SendReply(403), method="PUT", path="/manifest-", times=1)
    number = read_job_file(job.folder.checkpoints, CheckpointsFile).newest.number
    stored.wait_for(number + 4)
    kill(job)
    assert is_whole(stored.read(stored.newest())["last.pt"])
    logged = (job.folder.subdirectory("logs") / "checkpoints.log").read_text()
    assert "WARNING A checkpoint could not be stored" in logged


def test_store_that_is_away_for_a_while_does_not_disturb_the_command(job, own_swift, start, stored):
    login = own_swift.login
    job.connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
    with job.store() as store:
        store.create_container(job.container)
    start(
        "for step in range(10**6):\n    renamed('last.pt', state(step)); time.sleep(0.2)\n    print(step, flush=True)\n"
    )
    stored.wait_for(1)
    own_swift.stop()
    seen = job.folder.log.stat().st_size
    job.wait(lambda: job.folder.log.stat().st_size > seen + 100, "the command, which continues")
    own_swift.start()
    before = read_job_file(job.folder.checkpoints, CheckpointsFile).newest.number
    stored.wait_for(before + 2)
    kill(job)
    assert is_whole(stored.read(stored.newest())["last.pt"])


def test_sparse_file_of_ten_gibibytes_is_read_from_a_link_and_does_not_stop_the_command(job, start, stored):
    """It takes long to send; the command ends meanwhile, and what was being sent is given up."""
    start(
        "renamed('small.pt', state(1))\n"
        "with open(f'{folder}/big.tmp', 'wb') as file:\n    file.truncate(10 * 1024**3)\n"
        "time.sleep(3)\nos.unlink(f'{folder}/big.tmp')\n"
    )
    assert job.end().state is TrainingState.COMPLETED
    assert stored.read(stored.newest()).keys() == {"small.pt"}
