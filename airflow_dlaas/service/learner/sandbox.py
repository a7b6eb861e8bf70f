"""
The argument list that runs a command in bubblewrap. No I/O but looking at paths.

The sandbox contains only what is listed here: the system and the runtime, read-only, and the job's own folders. The
service's home (credentials, other jobs) and all home folders are absent. https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.command_env import CODE, COMMAND_FOLDERS, DATA, DATA_FILES, TEMPORARY
from airflow_dlaas.service.learner.mounts import Mount
from airflow_dlaas.service.runtimes.provision import RuntimePaths

SYSTEM_PATHS = ("/usr", "/opt", "/nix", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs, libraries and hardware information; most of the short names are links into /usr."""

ETC_PATHS = (
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "hostname", "resolv.conf", "gai.conf"),
    *("protocols", "services", "networks", "rpc", "ssl/certs", "ssl/openssl.cnf", "pki", "ca-certificates"),
    *("ca-certificates.conf", "crypto-policies", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"),
    *("localtime", "timezone", "os-release", "debian_version", "locale.alias", "mime.types", "magic", "fonts"),
    *("profile", "profile.d", "bash.bashrc", "inputrc", "terminfo", "environment", "xdg", "pip.conf", "uv"),
    *("python3", "perl", "OpenCL", "vulkan", "glvnd", "nvidia", "libibverbs.d", "openmpi", "selinux/config"),
)
"""Files of /etc that programs read: names, certificates, settings of libraries. No keys and no password hashes."""

KERNEL_PATHS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/fs")
"""Kernel parameters. As root a command could set them, and leave the sandbox by one of them."""

TMP_MOUNTS = ("/tmp", "--symlink", "/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own

GPU_DEVICE_PATTERNS = ("nvidia*", "dri", "kfd", "infiniband", "dxg")
"""Device files of GPUs; CUDA_VISIBLE_DEVICES selects one of several."""

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")
"""Capabilities that root keeps, so that tar and pip work. None of them gives access to the outside."""

NEVER_WHOLE_TREES = ("/", "/root", "/home", "/usr/local")
"""Folders that are not mounted completely although a runtime's ``bin`` is in them. The same holds for home folders."""

PREFIX_SUBFOLDERS = ("lib", "lib64", "include", "share")
"""Subfolders of such a folder that are mounted, and its ``bin``."""


LAST_OPTION = "--remount-ro"
"""The first option that no mount can come after: the root itself becomes read-only."""


def sandbox_argv(
    bwrap_path: str,
    command: Sequence[str],
    *,
    job: JobDirectory,
    readable_paths: Sequence[Path],
    with_gpus: bool,
    as_root: bool,
    shared_memory: int | None = None,
) -> list[str]:
    """
    Return the argument list that runs *command* in *job*'s code folder, with its environment and the network.

    :param shared_memory: bytes of ``/dev/shm``; None for half of the machine's memory, the kernel's default.

    All paths are the same as outside. *readable_paths* are readable if they exist. The job directory itself is an empty
    temporary folder without the job files; only the command's own folders in it are real. /tmp is a folder of the job.
    A folder of data that is a link is read-only: it belongs to the user, and not to the job (`local_folders`).

    ``--new-session`` is not used, because the caller starts a session without a terminal. ``--die-with-parent`` is not
    used, because it kills all processes when the first one ends: a shell that ends at SIGTERM would leave its training
    no time to save.
    """
    line = [bwrap_path, "--unshare-pid", "--unshare-ipc"]
    if as_root:
        line += ["--cap-drop", "ALL", *(word for one in ROOT_CAPABILITIES for word in ("--cap-add", f"CAP_{one}"))]
    line += ["--dev", "/dev"]
    if shared_memory is not None:
        line += ["--perms", "1777", "--size", str(shared_memory), "--tmpfs", "/dev/shm"]  # noqa: S108 - the sandbox's
    if with_gpus:
        line += _repeat_option(
            "--dev-bind-try", (path for one in GPU_DEVICE_PATTERNS for path in sorted(Path("/dev").glob(one)))
        )
    line += ["--proc", "/proc", *_repeat_option("--ro-bind-try", map(Path, KERNEL_PATHS))]
    line += ["--bind", str(job.subdirectory(TEMPORARY)), *TMP_MOUNTS, "--dir", "/run"]
    for path in map(Path, SYSTEM_PATHS):
        line += (
            ["--symlink", str(path.readlink()), str(path)]
            if path.is_symlink()
            else _repeat_option("--ro-bind-try", [path])
        )
    line += _repeat_option("--ro-bind-try", (Path("/etc", one) for one in ETC_PATHS))
    line += _readable_mounts(readable_paths, hidden_folder=job.path.parent.parent)
    line += ["--tmpfs", str(job.path), *_job_folder_mounts(job)]
    return [*line, LAST_OPTION, "/", "--chdir", str(job.subdirectory(CODE)), "--", *command]


def with_mounts(argv: Sequence[str], job: JobDirectory, mounts: Sequence[Mount]) -> list[str]:
    """
    Return *argv*, the result of `sandbox_argv`, with *mounts*, at the paths that they have outside.

    They come last: a mount in a folder that is visible anyway, or in the service's home, is what it is here. One in
    another one comes after it.
    """
    line, data = [], job.subdirectory(DATA)
    for one in sorted(mounts, key=lambda one: len(one.path.parts)):
        option = "--bind" if one.writable else "--ro-bind"
        line += [option, str(one.path), str(one.path)]
        if one.folder == ".":
            line += [option, str(one.path), str(data)]
    end = list(argv).index(LAST_OPTION)
    return [*argv[:end], *line, *argv[end:]]


def _readable_mounts(readable_paths: Sequence[Path], *, hidden_folder: Path) -> list[str]:
    """Mount *readable_paths*; of *hidden_folder* only the paths in it that are listed."""
    outside = [one for one in readable_paths if not one.is_relative_to(hidden_folder)]
    line = _repeat_option("--ro-bind-try", outside)
    if any(hidden_folder.is_relative_to(one) for one in (*map(Path, SYSTEM_PATHS), *outside)):
        line += ["--tmpfs", str(hidden_folder)]
    return line + _repeat_option("--ro-bind-try", (one for one in readable_paths if one.is_relative_to(hidden_folder)))


def _job_folder_mounts(job: JobDirectory) -> list[str]:
    line: list[str] = []
    for name in COMMAND_FOLDERS:
        folder = job.subdirectory(name)
        line += ["--ro-bind" if name == DATA and folder.is_symlink() else "--bind", str(folder), str(folder)]
    data_files = job.subdirectory(DATA_FILES)
    return [*line, *(["--ro-bind", str(data_files), str(data_files)] if data_files.is_dir() else [])]


def _repeat_option(option: str, paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in (option, str(path), str(path))]


def runtime_paths(provision: RuntimePaths) -> list[Path]:
    """Return the paths of a runtime: its trees, those of its interpreters, and its library folders."""
    found: dict[Path, None] = {}
    for folder in provision.path:
        for program in (folder / "python3", *_interpreters(folder)):
            found.update(dict.fromkeys(_prefix_paths(program.parent)))
        found.update(dict.fromkeys(_uv_cache_folders(folder.parent)))
    found.update(dict.fromkeys((*provision.python_path, *provision.library_path)))
    return [path for path in found if str(path) not in SYSTEM_PATHS]


def _prefix_paths(folder: Path) -> list[Path]:
    """Return the tree of the ``bin`` *folder*."""
    tree = folder.parent if folder.name == "bin" else folder
    if str(tree) in NEVER_WHOLE_TREES or tree.parent == Path("/home") or tree in (Path.home(), Path.home() / ".local"):
        return [folder, *(tree / one for one in PREFIX_SUBFOLDERS)]
    return [tree]


def _interpreters(folder: Path) -> Iterator[Path]:
    """Yield the chain of links from an environment's Python to its base; each must exist in the sandbox."""
    for name in ("python3", "python"):
        path = folder / name
        while path.is_symlink():
            path = Path(os.path.normpath(path.parent / path.readlink()))
            yield path
        yield path.resolve()
    settings = folder.parent / "pyvenv.cfg"
    for line in settings.read_text("utf-8").splitlines() if settings.is_file() else ():
        key, _, value = line.partition("=")
        if key.strip() == "home" and value.strip():
            yield Path(value.strip()) / "python3"  # an environment made with copies has no links


def _uv_cache_folders(environment: Path) -> Iterator[Path]:
    """Yield uv's cache folders if *environment* links into them (``UV_LINK_MODE=symlink``)."""
    for one in environment.glob("lib/python*/site-packages/*.dist-info/METADATA"):
        for parent in one.resolve().parents if one.is_symlink() else ():
            if parent.name.startswith("archive-v"):
                yield parent
                break
