"""
The command line that runs a command in bubblewrap, as a value.

What is named here is there, and nothing else is: the system and the runtime to read, the job's own folders to write.
So neither the service's home, with its credentials and other jobs, nor anybody's home folder is in sight, wherever
they lie. https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.command_env import CODE, COMMAND_FOLDERS, TEMPORARY
from airflow_dlaas.service.runtimes.provision import RuntimePaths

SYSTEM_PATHS = ("/usr", "/opt", "/nix", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Where programs and libraries lie, and what the hardware is; most of the short names are links into /usr."""

ETC_PATHS = (
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "hostname", "resolv.conf", "gai.conf"),
    *("protocols", "services", "networks", "rpc", "ssl/certs", "ssl/openssl.cnf", "pki", "ca-certificates"),
    *("ca-certificates.conf", "crypto-policies", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"),
    *("localtime", "timezone", "os-release", "debian_version", "locale.alias", "mime.types", "magic", "fonts"),
    *("profile", "profile.d", "bash.bashrc", "inputrc", "terminfo", "environment", "xdg", "pip.conf", "uv"),
    *("python3", "perl", "OpenCL", "vulkan", "glvnd", "nvidia", "libibverbs.d", "openmpi", "selinux/config"),
)
"""What programs read of /etc: names, certificates, settings of libraries. Neither keys nor password hashes."""

KERNEL_PATHS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/fs")
"""The kernel's own parameters. They are files of root's: it could set them, and with one of them get out."""

TMP_MOUNTS = ("/tmp", "--symlink", "/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own

GPU_DEVICE_PATTERNS = ("nvidia*", "dri", "kfd", "infiniband", "dxg")
"""Device files that a booked GPU is used by; which of several GPUs, CUDA_VISIBLE_DEVICES says."""

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")
"""What root can still do in there, so that tar and pip work as they do outside; none of it leads out."""

NEVER_WHOLE_TREES = ("/", "/root", "/home", "/usr/local")
"""Folders that are never shown whole because a runtime's ``bin`` lies right in them; as anybody's home folder."""

PREFIX_SUBFOLDERS = ("lib", "lib64", "include", "share")
"""What is shown of such a folder besides its ``bin``."""


def sandbox_argv(
    bwrap_path: str,
    command: Sequence[str],
    *,
    job: JobDirectory,
    readable_paths: Sequence[Path],
    with_gpus: bool,
    as_root: bool,
) -> list[str]:
    """
    Put together what runs *command* with its environment and network, in *job*'s code folder.

    Everything has the path it has outside. *readable_paths* can be read, too, where it exists. The job's folder itself is an
    empty one, without the marks in it, and is lost at the end; only the command's own folders below it are real. /tmp
    is the job's own on disk.

    Not asked for are ``--new-session`` (whoever starts this does so in a session of its own, without a terminal) and
    ``--die-with-parent``: with that, all processes are killed once the first one has ended, and a shell that ends of
    TERM at once would leave a training that it waits for no time to save.
    """
    line = [bwrap_path, "--unshare-pid", "--unshare-ipc"]
    if as_root:
        line += ["--cap-drop", "ALL", *(word for one in ROOT_CAPABILITIES for word in ("--cap-add", f"CAP_{one}"))]
    line += ["--dev", "/dev"]
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
    line += ["--tmpfs", str(job.path), *_repeat_option("--bind", (job.subdirectory(one) for one in COMMAND_FOLDERS))]
    return [*line, "--remount-ro", "/", "--chdir", str(job.subdirectory(CODE)), "--", *command]


def _readable_mounts(readable_paths: Sequence[Path], *, hidden_folder: Path) -> list[str]:
    """Show paths, but of the folder *hidden_folder* only what is named in it."""
    outside = [one for one in readable_paths if not one.is_relative_to(hidden_folder)]
    line = _repeat_option("--ro-bind-try", outside)
    if any(hidden_folder.is_relative_to(one) for one in (*map(Path, SYSTEM_PATHS), *outside)):
        line += ["--tmpfs", str(hidden_folder)]
    return line + _repeat_option("--ro-bind-try", (one for one in readable_paths if one.is_relative_to(hidden_folder)))


def _repeat_option(option: str, paths: Iterator[Path] | Sequence[Path] | map[Path]) -> list[str]:
    return [word for path in paths for word in (option, str(path), str(path))]


def runtime_paths(provision: RuntimePaths) -> list[Path]:
    """Name what a runtime is made of: its trees, those of the interpreters behind it, its folders of libraries."""
    found: dict[Path, None] = {}
    for folder in provision.path:
        for program in (folder / "python3", *_interpreters(folder)):
            found.update(dict.fromkeys(_prefix_paths(program.parent)))
        found.update(dict.fromkeys(_uv_cache_folders(folder.parent)))
    found.update(dict.fromkeys((*provision.python_path, *provision.library_path)))
    return [path for path in found if str(path) not in SYSTEM_PATHS]


def _prefix_paths(folder: Path) -> list[Path]:
    """Name the tree that the ``bin`` *folder* belongs to."""
    tree = folder.parent if folder.name == "bin" else folder
    if str(tree) in NEVER_WHOLE_TREES or tree.parent == Path("/home") or tree in (Path.home(), Path.home() / ".local"):
        return [folder, *(tree / one for one in PREFIX_SUBFOLDERS)]
    return [tree]


def _interpreters(folder: Path) -> Iterator[Path]:
    """Follow the links of an environment's Python to the one it was made with: each of them must be there."""
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
            yield Path(value.strip()) / "python3"  # An environment of copies has no links.


def _uv_cache_folders(environment: Path) -> Iterator[Path]:
    """Name uv's cache where *environment* was made of links into it (``UV_LINK_MODE=symlink``)."""
    for one in environment.glob("lib/python*/site-packages/*.dist-info/METADATA"):
        for parent in one.resolve().parents if one.is_symlink() else ():
            if parent.name.startswith("archive-v"):
                yield parent
                break
