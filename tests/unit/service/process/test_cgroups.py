"""Control groups: on trees of plain files for both versions, and on the real ones of this machine if there are any."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.process.cgroup_discovery import AUTO, OFF, CgroupParents, find_parents
from airflow_dlaas.service.process.cgroups import Cgroup, find_group, is_cgroup_directory
from airflow_dlaas.service.process.machine_resources import cgroup_limits

MIB = 2**20


def a_group(directory: Path, **files: str) -> Path:
    """Make a directory with the files that each group has, and *files*; ``_`` stands for the first dot of a name."""
    directory.mkdir(parents=True)
    for name, text in ({"cgroup_procs": ""} | files).items():
        (directory / name.replace("_", ".", 1)).write_text(text)
    return directory


def v2_mount(tree: Path, root: str = "/") -> str:
    return f"30 23 0:26 {root} {tree} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def v1_mount(tree: Path, controllers: str, root: str = "/") -> str:
    return f"31 23 0:27 {root} {tree} rw,nosuid shared:9 - cgroup cgroup rw,{controllers}\n"


def v2_files(controllers: str = "cpuset cpu io memory pids", subtree: str = "cpu memory") -> dict[str, str]:
    return {"cgroup_controllers": controllers, "cgroup_subtree_control": subtree}


def test_delegated_group_of_version_2_above_the_own_one_is_used(tmp_path):
    """systemd with Delegate=yes and DelegateSubgroup=: the service's processes are in a group below the delegated."""
    parent = a_group(tmp_path / "dlaas.service", **v2_files())
    a_group(parent / "main", cgroup_controllers="cpu memory")
    found = find_parents(AUTO, v2_mount(tmp_path), "0::/dlaas.service/main\n")
    assert found == CgroupParents(2, {"memory": parent, "cpu": parent})


def test_missing_controllers_of_version_2_are_enabled(tmp_path):
    parent = a_group(tmp_path / "tree", **v2_files("memory", subtree=""))
    assert find_parents(AUTO, v2_mount(parent), "0::/\n") == CgroupParents(2, {"memory": parent})
    assert (parent / "cgroup.subtree_control").read_text() == "+memory"


def test_group_of_systemd_is_left_alone(tmp_path):
    a_group(tmp_path / "system.slice", **v2_files())
    a_group(tmp_path / "system.slice/dlaas.service", **v2_files("", ""))
    with pytest.raises(HostError, match="no cgroup with the memory or the cpu controller is writable"):
        find_parents(AUTO, v2_mount(tmp_path), "0::/system.slice/dlaas.service\n")


def test_each_controller_of_version_1_has_its_own_tree(tmp_path):
    """The empty tree of version 2 beside them, as systemd mounts it, is not used."""
    unified = a_group(tmp_path / "unified", **v2_files("", ""))
    memory = a_group(tmp_path / "memory/jobs/service")
    a_group(tmp_path / "cpu,cpuacct")
    mounts = (
        v2_mount(unified)
        + v1_mount(tmp_path / "memory", "memory")
        + v1_mount(tmp_path / "cpu,cpuacct", "cpu,cpuacct")
        + v1_mount(tmp_path / "devices", "devices")
    )
    own = "9:name=systemd:/\n4:memory:/jobs/service\n2:cpu,cpuacct:/\n0::/\n"
    assert find_parents(AUTO, mounts, own) == CgroupParents(1, {"memory": memory, "cpu": tmp_path / "cpu,cpuacct"})


def test_group_is_found_in_a_container_that_sees_a_part_of_the_tree(tmp_path):
    a_group(tmp_path / "memory/inner")
    mounts = v1_mount(tmp_path / "memory", "memory", root="/docker/4f2a")
    found = find_parents(AUTO, mounts, "4:memory:/docker/4f2a/inner\n")
    assert found.by_controller == {"memory": tmp_path / "memory/inner"}


@pytest.mark.parametrize(
    ("setting", "mounts", "reason"),
    [
        (OFF, "", "switched off by DLAAS_CGROUPS"),
        (AUTO, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "has no mounted cgroups"),
        ("/sys/fs/cgroup/there-is-no-such-group", "", "DLAAS_CGROUPS names /sys/fs/cgroup/there-is-no-such-group"),
    ],
)
def test_reason_why_there_is_no_group(setting, mounts, reason):
    with pytest.raises(HostError, match=reason):
        find_parents(setting, mounts, "0::/\n")


def test_delegated_group_of_the_setting_is_used(tmp_path):
    parent = a_group(tmp_path / "given", **v2_files())
    assert find_parents(str(parent), "", "0::/\n") == CgroupParents(2, {"memory": parent, "cpu": parent})


def test_limits_and_figures_of_version_2(tmp_path):
    directory = a_group(tmp_path / "g", memory_peak=f"{70 * MIB}\n", memory_events="low 0\noom 3\noom_kill 2\n")
    (directory / "memory.swap.max").write_text("max")
    group = Cgroup(2, {"memory": directory, "cpu": directory})
    group.limit_memory(64 * MIB)
    group.limit_cpus(1.5)
    texts = [(directory / one).read_text() for one in ("memory.max", "memory.swap.max", "cpu.max")]
    assert texts == [str(64 * MIB), "0", "150000 100000"]
    assert (group.peak_memory(), group.out_of_memory_kills()) == (70 * MIB, 2)


def test_peak_of_an_old_kernel_is_the_present_amount(tmp_path):
    directory = a_group(tmp_path / "g", memory_current="4096\n")
    assert Cgroup(2, {"memory": directory}).peak_memory() == 4096
    assert Cgroup(2, {"cpu": directory}).peak_memory() is None


def test_limits_and_figures_of_version_1(tmp_path):
    memory = a_group(
        tmp_path / "memory",
        memory_max_usage_in_bytes="1048576\n",
        memory_oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    (memory / "memory.memsw.limit_in_bytes").touch()
    group = Cgroup(1, {"memory": memory, "cpu": a_group(tmp_path / "cpu")})
    group.limit_memory(MIB)
    group.limit_cpus(0.001)
    assert (memory / "memory.limit_in_bytes").read_text() == str(MIB)
    assert (memory / "memory.memsw.limit_in_bytes").read_text() == str(MIB)
    assert (tmp_path / "cpu/cpu.cfs_quota_us").read_text() == "1000"
    assert (group.peak_memory(), group.out_of_memory_kills()) == (MIB, 1)


def test_command_enters_all_directories_before_it_runs(tmp_path):
    first, second = a_group(tmp_path / "a b"), a_group(tmp_path / "c")
    line = Cgroup(1, {"memory": first, "cpu": second}).enter(["cat", str(first / "cgroup.procs"), "--", "/dev/null"])
    assert subprocess.run(line, capture_output=True, check=True).stdout == b"0\n"
    assert (second / "cgroup.procs").read_text() == "0\n"


def test_command_does_not_run_outside_of_its_group(tmp_path):
    line = Cgroup(2, {"memory": tmp_path / "missing"}).enter(["echo", "ran"])
    ended = subprocess.run(line, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (126, b"")


def test_limits_of_the_own_group_and_of_those_above_hold(tmp_path):
    own = a_group(tmp_path / "tree/pod/app", memory_max="max\n", cpu_max="max 100000\n")
    (own.parent / "memory.max").write_text(f"{512 * MIB}\n")
    (own.parent / "cpu.max").write_text("250000 100000\n")
    mounts = v2_mount(tmp_path / "tree")
    assert cgroup_limits("memory", mounts, "0::/pod/app\n") == [512 * MIB]
    assert cgroup_limits("cpu", mounts, "0::/pod/app\n") == [2.5]


def test_only_a_directory_in_a_hierarchy_counts_as_a_group(tmp_path):
    mounts = v2_mount(tmp_path / "tree")
    assert is_cgroup_directory(tmp_path / "tree/x", mounts)
    assert not is_cgroup_directory(tmp_path / "tree/../x", mounts)
    assert not is_cgroup_directory(tmp_path / "x", mounts)


@pytest.fixture
def real_group(tmp_path):
    try:
        group = find_group(AUTO, f"dlaas-test-{tmp_path.name}")
        group.create()
    except (HostError, OSError) as error:
        pytest.skip(f"no control group can be made on this machine: {error}")
    yield group
    group.remove()


def test_real_group_has_every_process_of_a_command_and_ends_them(real_group):
    script = "setsid sh -c 'setsid sleep 1000 & exec sleep 1000' & cat /proc/self/cgroup; exec sleep 1000"
    with subprocess.Popen(real_group.enter(["sh", "-c", script]), stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert real_group.directories[0].name in "".join(command.stdout.readline() for _ in range(10))
        command.stdout.close()
        real_group.remove()
    assert command.returncode == -signal.SIGKILL
    assert not any(one.exists() for one in real_group.directories)


def test_real_limit_kills_a_process_and_counts_it(real_group):
    if "memory" not in real_group.by_controller:
        pytest.skip("this machine has no memory controller")
    real_group.limit_memory(32 * MIB)
    line = real_group.enter(["sh", "-c", "python3 -c 'b\"x\" * (200 << 20)'; echo $?"])
    assert subprocess.run(line, capture_output=True, check=False).stdout == b"137\n"
    assert real_group.out_of_memory_kills() == 1
    assert real_group.peak_memory() == 32 * MIB
