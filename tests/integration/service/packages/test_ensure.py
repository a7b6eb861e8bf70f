"""Locks and environments of packages, made by uv from a folder of wheels, without a network."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.package_settings import PackageSettings
from airflow_dlaas.service.packages import retention, stored_locks
from airflow_dlaas.service.packages.ensure import InstalledPackages, PackageInstaller
from airflow_dlaas.service.packages.errors import RequirementsRefused
from airflow_dlaas.service.packages.requirements import requested_packages
from airflow_dlaas.service.packages.stored_locks import read_lock, write_lock
from tests.wheels import make_runtime, write_wheel


class Site:
    """A site with a runtime, a folder of wheels, and environments."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels = folder, folder / "wheels"
        self.runtime = make_runtime(folder / "runtime", rtlib="3.0")
        self.settings: dict[str, object] = {"wheels": self.wheels, "offline": True}
        self.lines: list[str] = []
        write_wheel(self.wheels, "toylib", "1.0", requires=["toydep", "rtlib"])
        write_wheel(self.wheels, "toydep", "0.5")

    def installer(self) -> PackageInstaller:
        settings = PackageSettings.model_validate(self.settings)
        return PackageInstaller(self.folder / "environments", settings, self.lines.append)

    def install(self, requirements: str = "", **files: str) -> InstalledPackages:
        with ExitStack() as stack:
            return self.hold(stack, requirements, **files)

    def hold(self, stack: ExitStack, requirements: str = "", **files: str) -> InstalledPackages:
        """Install packages that stay in use until *stack* is closed."""
        code = Path(tempfile.mkdtemp(prefix="code-", dir=self.folder))  # tests install in many threads at once
        for name, text in {**({"requirements.txt": requirements} if requirements else {}), **files}.items():
            (code / name).write_text(text)
        requested = requested_packages(code)
        assert requested is not None
        return stack.enter_context(self.installer().install(requested, self.runtime))

    def environments(self) -> list[str]:
        return [one.key for one in retention.list_environments(self.packages)]

    @property
    def packages(self) -> Path:
        return self.folder / "environments" / "packages"

    def made(self) -> int:
        """How often an environment was made."""
        return sum(line.startswith("Installing ") for line in self.lines)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return Site(tmp_path)


def names(lock: str) -> list[str]:
    return [line.split(" --hash")[0] for line in lock.splitlines()]


def test_lock_has_exact_versions_with_hashes_and_nothing_of_the_runtime(site: Site) -> None:
    installed = site.install("toylib\nrtlib\n")
    assert names(installed.lock) == ["toydep==0.5", "toylib==1.0"]
    assert installed.lock.count("--hash=sha256:") == 2
    assert installed.bin_folder is not None
    program = "import toylib, rtlib, sys; print(toylib.__file__, rtlib.__file__)"
    done = subprocess.run([installed.bin_folder / "python", "-c", program], capture_output=True, text=True, check=True)
    assert [Path(one).is_relative_to(site.runtime.parent) for one in done.stdout.split()] == [False, True]


def test_same_requirements_get_the_same_lock_until_they_change(site: Site) -> None:
    first = site.install("toylib\n")
    write_wheel(site.wheels, "toylib", "1.1")
    assert site.install("toylib\n") == first
    assert site.made() == 1
    assert names(site.install("toylib\n# newer ones please\n").lock) == ["toylib==1.1"]


def test_lock_of_another_runtime_is_another_one(site: Site) -> None:
    first = site.install("toylib\n")
    site.runtime = make_runtime(site.folder / "other", rtlib="4.0")
    second = site.install("toylib\n")
    assert first.lock == second.lock
    assert first.bin_folder != second.bin_folder


def test_old_lock_is_resolved_again_and_kept_if_that_fails(site: Site, closed_port: int) -> None:
    site.install("toylib\n")
    (stored,) = (site.packages / "locks").glob("*.json")
    lock = read_lock(stored)
    assert lock is not None
    write_lock(stored, stored_locks.StoredLock(lock.text, datetime.now(timezone.utc) - timedelta(hours=2)))
    site.settings["max_age"] = 3600
    write_wheel(site.wheels, "toylib", "1.1")
    old = dict(site.settings)
    site.settings |= {"offline": False, "index": f"http://127.0.0.1:{closed_port}/simple"}
    assert names(site.install("toylib\n").lock) == ["toydep==0.5", "toylib==1.0"]
    assert any("is used again" in line for line in site.lines)
    site.settings = old
    assert names(site.install("toylib\n").lock) == ["toylib==1.1"]


def test_twenty_at_once_make_one_environment(site: Site) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: site.install("toylib\n"), range(20)))
    assert len({one.bin_folder for one in found}) == 1
    assert site.made() == 1
    assert sum(line.startswith("Resolving ") for line in site.lines) == 1


def test_requirements_of_which_the_runtime_has_all_need_no_environment(site: Site) -> None:
    assert site.install("rtlib>=2\n") == InstalledPackages("", None)
    assert site.environments() == []


@pytest.mark.parametrize(
    ("requirements", "words"),
    [("nosuch\n", "nosuch"), ("toylib==7\n", "toylib==7"), ("rtlib<3\n", "The runtime has rtlib==3.0")],
)
def test_requirement_that_cannot_be_had_leaves_nothing(site: Site, requirements: str, words: str) -> None:
    with pytest.raises(RequirementsRefused, match=words):
        site.install(requirements)
    assert not [one for one in site.packages.iterdir() if one.name != "locks" and not one.name.endswith(".lock")]
    assert not list((site.packages / "locks").glob("*.json"))


def test_index_that_does_not_answer_is_an_error_of_the_service(site: Site, closed_port: int) -> None:
    site.settings = {"index": f"http://127.0.0.1:{closed_port}/simple"}
    with pytest.raises(HostError, match="does not answer"):
        site.install("toylib\n")


def test_uv_that_is_missing_is_an_error_of_the_service(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_dlaas.service.packages.index_access.find_uv", lambda: str(site.folder / "no-uv"))
    with pytest.raises(HostError, match="does not start"):
        site.install("toylib\n")


def test_build_that_was_killed_is_made_anew(site: Site) -> None:
    installed = site.install("toylib\n")
    assert installed.bin_folder is not None
    abandoned = site.packages / "resolve.killed"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    environment = installed.bin_folder.parent
    part = environment.with_name(f"{environment.name}.part")
    environment.rename(part)
    (part / "dlaas-environment.json").unlink()
    assert site.install("toylib\n") == installed
    assert not part.exists()
    assert not abandoned.exists()
    assert site.made() == 2


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    from airflow_dlaas.demo import ports

    return ports.find_free_ports()[0]


@pytest.fixture
def private_index(site: Site) -> Iterator[str]:
    """The URL of an index that requires a login, with the wheels of the site."""

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = base64.b64encode(b"builder:p@ss/of-the-index").decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.end_headers()
                return
            *_, name = [one for one in self.path.split("/") if one]
            wheel = site.wheels / name
            names = [one.name for one in sorted(site.wheels.glob(f"{name}-*.whl"))]
            content = wheel.read_bytes() if wheel.is_file() else _links(names).encode()
            self.send_response(200 if wheel.is_file() or names else 404)
            self.send_header("Content-Type", "application/octet-stream" if wheel.is_file() else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def _links(names: list[str]) -> str:
    return "<html><body>" + "".join(f'<a href="/files/{one}">{one}</a>' for one in names) + "</body></html>"


def test_private_index_gets_the_login_and_nothing_else_has_it(
    site: Site, private_index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.settings = {"index": private_index}
    with pytest.raises(HostError, match="refuses the login"):
        site.install("toydep\n")
    monkeypatch.setenv("DLAAS_PACKAGE_INDEX_USER", "builder")
    monkeypatch.setenv("DLAAS_PACKAGE_INDEX_PASSWORD", "p@ss/of-the-index")
    monkeypatch.setenv("UV_CACHE_DIR", str(site.folder / "cache"))
    installed = site.install("toydep\n")
    assert names(installed.lock) == ["toydep==0.5"]
    files = [path for path in site.packages.rglob("*") if path.is_file()]
    assert not [path for path in files if b"of-the-index" in path.read_bytes()]
    assert "of-the-index" not in "".join(site.lines)


def test_netrc_file_has_the_login(site: Site, private_index: str) -> None:
    netrc = site.folder / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin builder\npassword p@ss/of-the-index\n")
    site.settings = {"index": private_index, "netrc": str(netrc)}
    assert names(site.install("toydep\n").lock) == ["toydep==0.5"]


UV_LOCK = """version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "code"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "toydep" }}, {{ name = "rtlib" }}]

[package.metadata]
requires-dist = [{{ name = "toydep" }}, {{ name = "rtlib" }}]

[[package]]
name = "toydep"
version = "0.5"
source = {{ registry = "https://pypi.org/simple" }}
wheels = [{{ url = "https://example.org/toydep-0.5-py3-none-any.whl", hash = "sha256:{digest}" }}]

[[package]]
name = "rtlib"
version = "{runtime}"
source = {{ registry = "https://pypi.org/simple" }}
wheels = [{{ url = "https://example.org/rtlib-{runtime}-py3-none-any.whl", hash = "sha256:{digest}" }}]
"""

PROJECT = '[project]\nname = "code"\nversion = "0"\ndependencies = ["toydep", "rtlib"]\nrequires-python = ">=3.10"\n'


def uv_lock(site: Site, runtime: str = "3.0", digest: str | None = None) -> dict[str, str]:
    import hashlib

    wheel = site.wheels / "toydep-0.5-py3-none-any.whl"
    text = UV_LOCK.format(digest=digest or hashlib.sha256(wheel.read_bytes()).hexdigest(), runtime=runtime)
    return {"pyproject.toml": PROJECT, "uv.lock": text}


def test_uv_lock_is_installed_as_it_is(site: Site) -> None:
    write_wheel(site.wheels, "toydep", "0.6")
    installed = site.install(**uv_lock(site))
    assert names(installed.lock) == ["toydep==0.5"]
    assert site.environments()


def test_uv_lock_with_another_version_than_the_runtime_is_refused(site: Site) -> None:
    with pytest.raises(RequirementsRefused, match=r"the runtime has rtlib 3\.0"):
        site.install(**uv_lock(site, runtime="2.0"))


def test_wheel_with_another_hash_than_in_uv_lock_is_refused(site: Site) -> None:
    with pytest.raises(RequirementsRefused, match=r"(?i)hash"):
        site.install(**uv_lock(site, digest="0" * 64))
    assert site.environments() == []


def test_prune_removes_what_is_unused_and_keeps_what_is_in_use(site: Site) -> None:
    with ExitStack() as in_use:
        used = site.hold(in_use, "toydep\n")
        site.install("toylib\n")
        assert used.bin_folder is not None
        assert len(site.environments()) == 2
        retention.prune(site.packages, 0)
        assert site.environments() == [used.bin_folder.parent.name]
        assert retention.prune(site.packages, 3600) == []
    assert [one.key for one in retention.prune(site.packages, 0)] == [used.bin_folder.parent.name]
    assert not [one for one in site.packages.iterdir() if one.is_dir() and one.name != "locks"]


def test_limit_removes_the_least_recently_used(site: Site) -> None:
    write_wheel(site.wheels, "third", "1")
    first, second = (site.install(one).bin_folder for one in ("toydep\n", "toylib\n"))
    assert first is not None
    assert second is not None
    for path, age in ((first, 100), (second, 200)):
        mark = path.parent.with_name(f"{path.parent.name}.use")
        os.utime(mark, (mark.stat().st_mtime - age,) * 2)
    size = sum(one.size for one in retention.list_environments(site.packages))
    site.settings["limit"] = size
    third = site.install("third\n").bin_folder
    assert third is not None
    assert set(site.environments()) == {first.parent.name, third.parent.name}
    assert any("to make room" in line for line in site.lines)


def test_environment_of_a_killed_process_is_unused(site: Site, tmp_path: Path) -> None:
    installed = site.install("toydep\n")
    assert installed.bin_folder is not None
    program = (
        "import pathlib, sys, time\n"
        "from airflow_dlaas.service.packages.in_use import environment_in_use\n"
        "with environment_in_use(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, installed.bin_folder.parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not retention.remove_environment(installed.bin_folder.parent)
        holder.send_signal(signal.SIGKILL)
    assert retention.remove_environment(installed.bin_folder.parent)
