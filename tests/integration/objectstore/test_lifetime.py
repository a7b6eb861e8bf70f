"""Starting and stopping the embedded Swift: no process remains, and errors name their cause."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import swiftclient

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.objectstore import embedded
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from tests.integration.objectstore.conftest import KEY, USER, connected, free_port, swift_in


def store_processes(swift: EmbeddedSwift) -> list[psutil.Process]:
    head = psutil.Process(swift._process.pid)
    return [head, *head.children(recursive=True)]


def have_ended(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


def test_stop_leaves_no_process_and_can_be_repeated(tmp_path):
    swift = swift_in(tmp_path)
    swift.start()
    processes = store_processes(swift)
    assert len(processes) == 5
    assert swift.is_running()
    swift.stop()
    swift.stop()
    assert not swift.is_running()
    assert have_ended(processes)


def test_no_process_survives_a_killed_service(tmp_path):
    # The store is started from a thread that has ended: it runs as long as the process, not the thread.
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, str(tmp_path), str(free_port()), USER, KEY], stdout=subprocess.PIPE
    )
    assert service.stdout.readline() == b"up\n"
    processes = psutil.Process(service.pid).children(recursive=True)
    assert len(processes) == 5
    service.kill()
    service.wait()
    service.stdout.close()
    assert have_ended(processes)


_SERVICE = """
import sys, threading, time
from pathlib import Path
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
folder, port, user, key = sys.argv[1:]
swift = EmbeddedSwift(Path(folder), port=int(port), user=user, key=key)
thread = threading.Thread(target=swift.start)
thread.start()
thread.join()
print("up", flush=True)
time.sleep(60)
"""


def test_no_server_survives_a_killed_supervisor(tmp_path):
    with swift_in(tmp_path) as swift:
        processes = store_processes(swift)
        processes[0].kill()
        assert have_ended(processes)
        assert not swift.is_running()


def test_store_can_be_started_immediately_after_it_was_killed(tmp_path):
    with swift_in(tmp_path) as swift:
        os.kill(swift._process.pid, signal.SIGKILL)
        with swift_in(tmp_path, urlsplit(swift.login.auth_url).port) as again:
            assert again.is_running()


def test_port_in_use_is_reported_with_the_setting_to_change(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        swift = swift_in(tmp_path, port)
        with pytest.raises(HostError, match=rf"port {port} .*in use.*DLAAS_OBJECTSTORE_PORT"):
            swift.start()
    assert not swift.is_running()


def test_second_service_in_one_directory_is_refused(tmp_path):
    with swift_in(tmp_path), pytest.raises(HostError, match="already running"):
        swift_in(tmp_path).start()


def test_missing_swift_conf_is_an_error_and_not_an_empty_store(tmp_path):
    with swift_in(tmp_path) as swift, connected(swift.login) as connection:
        connection.put_container("box")
        connection.put_object("box", "x", b"x")
    (tmp_path / "etc" / "swift.conf").unlink()
    with pytest.raises(HostError, match=r"swift\.conf.*is missing"):
        swift_in(tmp_path).start()


def test_failed_start_reports_the_end_of_the_log(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "swift.conf").write_text("[nothing]\n")
    with pytest.raises(HostError, match=r"(?s)did not start.*swift\.log.*swift-hash"):
        swift_in(tmp_path).start()


def test_directory_that_is_not_writable_is_named():
    with pytest.raises(HostError, match="/proc/self"):
        embedded._require_xattr_support(Path("/proc/self"))


def test_store_listens_on_loopback_only(tmp_path):
    with swift_in(tmp_path) as swift:
        sockets = [conn for process in store_processes(swift) for conn in process.net_connections("inet")]
        assert {conn.laddr.ip for conn in sockets} == {"127.0.0.1"}
        assert {conn.type for conn in sockets} == {socket.SOCK_STREAM}  # no UDP: nothing is sent to a syslog


def test_errors_inside_swift_are_in_its_log(tmp_path):
    with swift_in(tmp_path) as swift, connected(swift.login) as connection:
        connection.put_container("box")
        (tmp_path / "devices").rename(tmp_path / "gone")  # as if the disk was lost
        with pytest.raises(swiftclient.ClientException):
            connection.put_object("box", "a", b"x")
    assert (
        "ERROR" in (tmp_path / "swift.log").read_text()
    )  # a line is written with a delay; stopping the store waits for it
