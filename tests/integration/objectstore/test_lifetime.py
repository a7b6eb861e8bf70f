"""How the embedded Swift comes and goes: nothing is left behind, and what is in the way is named."""

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


def family(swift: EmbeddedSwift) -> list[psutil.Process]:
    head = psutil.Process(swift._process.pid)
    return [head, *head.children(recursive=True)]


def ended(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


def test_stop_leaves_no_process_and_may_be_repeated(tmp_path):
    swift = swift_in(tmp_path)
    swift.start()
    processes = family(swift)
    assert len(processes) == 5
    assert swift.is_running()
    swift.stop()
    swift.stop()
    assert not swift.is_running()
    assert ended(processes)


def test_no_process_outlives_a_service_that_is_killed(tmp_path):
    # Started from a thread that has ended since: the store lives as long as the process, not the thread.
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, str(tmp_path), str(free_port()), USER, KEY], stdout=subprocess.PIPE
    )
    assert service.stdout.readline() == b"up\n"
    processes = psutil.Process(service.pid).children(recursive=True)
    assert len(processes) == 5
    service.kill()
    service.wait()
    service.stdout.close()
    assert ended(processes)


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


def test_no_server_outlives_a_supervisor_that_is_killed(tmp_path):
    with swift_in(tmp_path) as swift:
        processes = family(swift)
        processes[0].kill()
        assert ended(processes)
        assert not swift.is_running()


def test_it_can_be_started_again_at_once_after_being_killed(tmp_path):
    with swift_in(tmp_path) as swift:
        os.kill(swift._process.pid, signal.SIGKILL)
        with swift_in(tmp_path, urlsplit(swift.login.auth_url).port) as again:
            assert again.is_running()


def test_a_taken_port_is_named_with_the_setting_that_moves_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        swift = swift_in(tmp_path, port)
        with pytest.raises(HostError, match=rf"port {port} .*in use.*DLAAS_OBJECTSTORE_PORT"):
            swift.start()
    assert not swift.is_running()


def test_two_services_do_not_share_a_folder(tmp_path):
    with swift_in(tmp_path), pytest.raises(HostError, match="already running"):
        swift_in(tmp_path).start()


def test_a_store_that_lost_its_identity_says_so_instead_of_looking_empty(tmp_path):
    with swift_in(tmp_path) as swift, connected(swift.login) as connection:
        connection.put_container("box")
        connection.put_object("box", "x", b"x")
    (tmp_path / "etc" / "swift.conf").unlink()
    with pytest.raises(HostError, match=r"swift\.conf.*is gone"):
        swift_in(tmp_path).start()


def test_what_cannot_start_shows_the_end_of_its_log(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "swift.conf").write_text("[nothing]\n")
    with pytest.raises(HostError, match=r"(?s)did not start.*swift\.log.*swift-hash"):
        swift_in(tmp_path).start()


def test_a_folder_that_cannot_hold_files_is_named():
    with pytest.raises(HostError, match="/proc/self"):
        embedded._require_xattr_support(Path("/proc/self"))


def test_it_uses_no_port_that_others_reach(tmp_path):
    with swift_in(tmp_path) as swift:
        sockets = [conn for process in family(swift) for conn in process.net_connections("inet")]
        assert {conn.laddr.ip for conn in sockets} == {"127.0.0.1"}
        assert {conn.type for conn in sockets} == {socket.SOCK_STREAM}  # no UDP: nothing goes to a syslog


def test_what_goes_wrong_inside_is_written_down(tmp_path):
    with swift_in(tmp_path) as swift, connected(swift.login) as connection:
        connection.put_container("box")
        (tmp_path / "devices").rename(tmp_path / "gone")  # as when a disk is lost
        with pytest.raises(swiftclient.ClientException):
            connection.put_object("box", "a", b"x")
    assert "ERROR" in (tmp_path / "swift.log").read_text()  # a line takes a moment to get there; the end waits for it
